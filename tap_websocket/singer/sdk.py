"""The SDK's private interfaces that the tap needs, each in one place.

`tests/integration/test_sdk.py` fails when the SDK changes one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers._catalog import get_selected_schema
from singer_sdk.helpers._classproperty import classproperty
from singer_sdk.helpers._state import StateWriter
from singer_sdk.io_base import SingerWriter
from singer_sdk.mapper import CustomStreamMap, SameRecordTransform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_sdk.mapper import StreamMap
    from singer_sdk.streams import Stream
    from singer_sdk.tap_base import Tap

__all__ = [
    "NO_STATE",
    "StateWriter",
    "classproperty",
    "config_error",
    "evaluates",
    "failed_expression",
    "keeps_records",
    "replace_schema",
]


class _NoState(StateWriter):
    """Writes no STATE message: a live feed has no offset to go on from."""

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Write nothing."""


NO_STATE = _NoState(SingerWriter())


def config_error(problems: list[str]) -> ConfigValidationError:
    """Return the SDK's error for a wrong config, with one line for each problem."""
    return ConfigValidationError("; ".join(problems), errors=problems, schema={})


def keeps_records(stream_map: StreamMap) -> bool:
    """Tell whether a stream map hands on each record as it is."""
    return (
        isinstance(stream_map, SameRecordTransform)
        and not stream_map.flattening_enabled
    )


def evaluates(stream_map: StreamMap) -> bool:
    """Tell whether a stream map has expressions to evaluate on each record."""
    return isinstance(stream_map, CustomStreamMap)


def failed_expression(error: Exception) -> tuple[str, str] | None:
    """Return the stream map's expression that raised an error, and its property.

    The SDK raises what the expression raises, bare; where it was evaluating stands in
    the traceback alone.
    """
    traceback = error.__traceback__
    found = None
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_code is CustomStreamMap._eval.__code__:  # noqa: SLF001
            values = frame.f_locals
            found = str(values["expr"]), str(values["property_name"] or "__filter__")
        traceback = traceback.tb_next
    return found


def replace_schema(stream: Stream, tap: Tap, schema: dict[str, Any]) -> None:
    """Put a stream under a new schema in mid-run, and announce it.

    Args:
        stream: The stream; its selection keeps applying.
        tap: Its tap, whose stream maps are made anew.
        schema: The new JSON schema.
    """
    selected = get_selected_schema(stream.name, schema, stream.mask)
    keys = list(stream.primary_keys)
    tap.mapper.register_raw_stream_schema(stream.name, selected, keys)
    stream._stream_maps = None  # noqa: SLF001 - the SDK caches the maps of the old one
    stream._write_schema_message()  # noqa: SLF001
