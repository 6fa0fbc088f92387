"""A decoder compiled from the columns: the fast test of a payload.

msgspec checks a payload against a `Struct` in one pass over its bytes, as fast as it
can be validated at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Union

import msgspec

from tap_websocket import fitting
from tap_websocket.inference import JSON_TEXT
from tap_websocket.storable import INTEGER_MAX, INTEGER_MIN

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

__all__ = ["compile_decoder"]

Schema = dict[str, Any]

_LEVELS = 6
_Integer = Annotated[int, msgspec.Meta(ge=INTEGER_MIN, le=INTEGER_MAX)]


def compile_decoder(
    properties: Mapping[str, Schema],
    keys: Sequence[str],
    null_fields: Collection[str],
) -> Callable[[bytes], Any] | None:
    """Compile the columns into a decoder.

    Args:
        properties: Column to JSON schema.
        keys: Columns that must not be missing or null.
        null_fields: Fields that are no columns, known to be null so far.

    Returns:
        The decoder, or None when msgspec has no type for the columns.
    """
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    names: dict[str, str] = {}
    required = [name for name in properties if name in keys]
    optional = [name for name in properties if name not in keys]
    for number, name in enumerate([*required, *optional, *sorted(null_fields)]):
        field = f"f{number}"
        names[field] = name
        try:
            kind = _type(properties[name]) if name in properties else None
        except _UncompilableError:
            return None
        if name in keys:
            fields.append((field, kind))
        else:
            fields.append((field, kind | None if kind is not None else None, None))
    try:
        struct = msgspec.defstruct(
            "Record",
            fields,
            rename=names,
            forbid_unknown_fields=True,
            gc=False,
        )
        decode: Callable[[bytes], Any] = msgspec.json.Decoder(struct).decode
    except TypeError:
        return None
    return decode


class _UncompilableError(Exception):
    """msgspec cannot test what the schema says."""


def _open(levels: int) -> Any:  # noqa: ANN401 - a type
    """Return the type of any JSON, integers bounded, so many levels deep."""
    scalars = Union[_Integer, float, str, bool, None]  # noqa: UP007 - built at run time
    if levels == 0:
        return scalars
    inner: Any = _open(levels - 1)
    return Union[scalars, list[inner], dict[str, inner]]  # noqa: UP007


_SCALARS: dict[str, Any] = {
    "null": None,
    "boolean": bool,
    "string": str,
    "integer": _Integer,
    "number": Union[_Integer, float],  # noqa: UP007
}
_INSIDE: Any = _open(_LEVELS)


def _type(schema: Schema) -> Any:  # noqa: ANN401 - a type
    if schema.get("contentMediaType") == JSON_TEXT["contentMediaType"]:
        return None
    types = fitting.types_of(schema)
    if not types <= fitting.ALL_TYPES:
        raise _UncompilableError
    kinds = [_SCALARS[name] for name in sorted(types - {"object", "array"})]
    if "object" in types:
        if schema.get("properties"):
            raise _UncompilableError
        kinds.append(dict[str, _INSIDE])
    if "array" in types:
        items = schema.get("items")
        inside: Any = _type(items) if isinstance(items, dict) else _INSIDE
        kinds.append(list[inside])
    if not kinds:
        raise _UncompilableError
    return Union[tuple(kinds)]  # noqa: UP007
