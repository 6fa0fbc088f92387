"""What is wrong with stream maps, said before a connection or in one line after it."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Any

import simpleeval
from singer_sdk.mapper import CustomStreamMap

from tap_websocket.errors import StreamMapError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["check_names", "expression_error", "setup_error"]

_PLAIN = (
    simpleeval.AttributeDoesNotExist,
    simpleeval.FeatureNotAvailable,
    simpleeval.FunctionNotDefined,
    simpleeval.NameNotDefined,
    simpleeval.OperatorNotDefined,
)
"""Errors whose text names parts of the expression, and no value of a record."""


def check_names(
    stream_maps: Mapping[str, Any] | None,
    streams: Collection[str],
) -> None:
    """Check that each stream map is of a stream; a mask that is of none would not act.

    Args:
        stream_maps: The setting.
        streams: The names of the tap's streams.

    Raises:
        StreamMapError: When one is of no stream.
    """
    for name, given in (stream_maps or {}).items():
        source = given.get("__source__", name) if isinstance(given, dict) else name
        if name.startswith("__"):
            continue
        if not any(fnmatch.fnmatch(stream, str(source)) for stream in streams):
            names = ", ".join(map(repr, streams))
            msg = (
                f"stream_maps: no stream is called {source!r}, so this map would have "
                f"no effect; the tap's stream is {names} (stream_name)"
            )
            raise StreamMapError(msg)


def setup_error(error: Exception) -> StreamMapError:
    """Return the error for stream maps that the SDK cannot set up.

    Args:
        error: What the SDK raised; its text says what to do.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    return StreamMapError(f"stream_maps or flattening: {text}")


def expression_error(error: Exception) -> StreamMapError | None:
    """Return the error for an expression that failed on a record.

    The SDK raises what the expression raises, bare; where it was evaluating stands in
    the traceback alone.

    Args:
        error: What the SDK raised.

    Returns:
        The error; None when no expression was being evaluated.
    """
    traceback = error.__traceback__
    found = None
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code is CustomStreamMap._eval.__code__:  # noqa: SLF001
            values = frame.f_locals
            found = str(values["expr"]), str(values["property_name"] or "__filter__")
        traceback = traceback.tb_next
    if found is None:
        return None
    expression, name = found
    return StreamMapError(
        f"stream_maps: the expression {expression!r} of {name!r} failed on a record: "
        f"{_reason(error)}",
    )


def _reason(error: Exception) -> str:
    """Return what an expression raised, without any value of the record."""
    cause = error.__cause__ if error.__cause__ is not None else error
    if isinstance(cause, _PLAIN):
        return " ".join(str(cause).split())
    kind = type(cause).__name__
    if isinstance(cause, TypeError) and "decimal" in str(cause).casefold():
        return (
            f"{kind}; numbers with a fraction are exact decimals, which float(…) turns "
            "into floats"
        )
    return kind
