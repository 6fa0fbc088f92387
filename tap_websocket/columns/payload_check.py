"""A decoder compiled from the columns: the fast test of a payload.

msgspec checks a payload against a `Struct` in one pass over its bytes, as fast as it
can be validated at all.
"""

from __future__ import annotations

import re
from types import GenericAlias
from typing import TYPE_CHECKING, Annotated, Any, Union

import msgspec

from tap_websocket.columns import json_types
from tap_websocket.columns.inference import is_text
from tap_websocket.columns.large_payloads import first_bytes, make_test
from tap_websocket.columns.target_limits import INTEGER_MAX, INTEGER_MIN

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

__all__ = [
    "MAX_SURE_BYTES",
    "any_may_need_slow_path",
    "compile_decoder",
    "compile_field",
    "compile_value",
    "is_field_name",
    "needs_slow_path",
    "parses_nothing",
]

Field = tuple[str, Any] | tuple[str, Any, Any]

_NUL = b"\\u0000"
_NEGATIVE_EXPONENT = re.compile(rb"-(?<=[eE]-)")
_PROBED_BYTES, _FEW_DASHES = 4096, 64

MAX_SURE_BYTES = 16_000
"""Bytes of the longest payload in which no number can have too many decimals."""

_STEP = 100
_LONG_RUN = re.compile(rb"[0-9]{%d}" % (MAX_SURE_BYTES // _STEP))
"""Digits only, where one byte in every `_STEP` is looked at."""

_SMALL_NUMBER = re.compile(rb"(?:^|[\s:,\[])-?[0-9]+(?:\.[0-9]+)?[eE]-0*[1-9][0-9]{2}")
_LEVELS = 6
_NO_FIELD_NAME = re.compile(r'[\x00-\x1f"\\]')
_Integer = Annotated[int, msgspec.Meta(ge=INTEGER_MIN, le=INTEGER_MAX)]
_PlainText = Annotated[
    str,
    msgspec.Meta(
        pattern=r'^(?![ \t\n\r]*(?:[{\["\-0-9]|(?:true|false|null)[ \t\n\r]*$))',
    ),
]
"""A text that does not read like JSON."""


def any_may_need_slow_path(joined: bytes) -> bool:
    """Return whether any of these payloads, joined, may need `needs_slow_path`.

    False is certain: nothing that it looks for is there.
    """
    return (
        _has_nul(joined) or _has_long_number(joined) or _has_negative_exponent(joined)
    )


def needs_slow_path(payload: bytes) -> bool:
    r"""Return whether a payload may hold what a decoder takes and not every target.

    That is a NUL (`\u0000`), or a number of more decimals than PostgreSQL has.
    """
    if _has_nul(payload) or _has_long_number(payload):
        return True
    return _has_negative_exponent(payload) and _SMALL_NUMBER.search(payload) is not None


def _has_nul(data: bytes) -> bool:
    """Return whether there is a NUL; a single byte is found many times faster."""
    return b"\\" in data and _NUL in data


def _has_long_number(payload: bytes) -> bool:
    """Return whether a payload has a number of more than `MAX_SURE_BYTES` digits."""
    if len(payload) <= MAX_SURE_BYTES:
        return False
    return _LONG_RUN.search(payload[::_STEP]) is not None


def _has_negative_exponent(data: bytes) -> bool:
    """Return whether there may be one.

    Unless dashes are many, to look in front of each takes half the time.
    """
    if b"-" not in data:
        return False
    if data.count(b"-", 0, _PROBED_BYTES) <= _FEW_DASHES:
        return _NEGATIVE_EXPONENT.search(data) is not None
    return b"e-" in data or (b"E" in data and b"E-" in data)


def compile_decoder(
    properties: Mapping[str, Mapping[str, Any]],
    keys: Sequence[str],
    null_fields: Collection[str],
    *,
    others: bool = False,
) -> Callable[[bytes], Any] | None:
    """Compile the columns into a decoder.

    Args:
        properties: Column to JSON schema.
        keys: Columns that must not be missing or null.
        null_fields: Fields that are no columns, known to be null so far.
        others: Let fields pass that are neither.

    Returns:
        The decoder, or None when msgspec has no type for the columns.
    """
    try:
        kinds = {
            name: _column(declared, key=name in keys)
            for name, declared in properties.items()
        }
        kinds |= dict.fromkeys(null_fields)
        full = _decode(_struct(kinds, keys, others=others))
        openings = {
            name: opening
            for name, declared in properties.items()
            if name not in keys and (opening := first_bytes(declared))
        }
        if not openings:
            return full
        kinds |= dict.fromkeys(openings, msgspec.Raw)
        shallow = _struct(kinds, keys, others=others)
    except (TypeError, _UncompilableError):
        return None
    attributes = {
        field.name: openings[field.encode_name]
        for field in msgspec.structs.fields(shallow)
        if field.encode_name in openings
    }
    return make_test(full, _decode(shallow), attributes)


def parses_nothing(schema: Mapping[str, Any], *, key: bool) -> bool:
    """Return whether the test of a column makes no objects of what nests in a value."""
    if {"array", "object"}.isdisjoint(json_types.types_of(schema)):
        return True
    return not key and first_bytes(schema) is not None


def _decode(kind: Any) -> Callable[[bytes], Any]:  # noqa: ANN401 - a type
    """Return the decoder of a type.

    Raises:
        TypeError: When msgspec has none.
    """
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(kind).decode
    return decode


def compile_field(
    schema: Mapping[str, Any], *, key: bool
) -> Callable[[bytes], Any] | None:
    """Compile a column into a decoder of one field's value, as it stands.

    Returns:
        The decoder, or None when msgspec has no type for the column.
    """
    try:
        return _decode(_column(schema, key=key))
    except (TypeError, _UncompilableError):
        return None


def is_field_name(name: str) -> bool:
    """Return whether a decoder of records can have a field of this name."""
    return _NO_FIELD_NAME.search(name) is None


def compile_value(schema: Mapping[str, Any]) -> Callable[[bytes], Any] | None:
    """Compile a column for whole documents into a decoder of one document.

    It refuses arrays: one of objects is several documents.

    Args:
        schema: JSON schema of the column.

    Returns:
        The decoder, or None when msgspec has no type for the column.
    """
    types = sorted(json_types.types_of(schema) - {"array"})
    if json_types.options_of(schema) is not None:
        return None
    try:
        return _decode(_type({**schema, "type": types}))
    except (TypeError, _UncompilableError):
        return None


class _UncompilableError(Exception):
    """msgspec cannot test what the schema says."""


def _struct(
    kinds: Mapping[str, Any],
    required: Iterable[str],
    *,
    others: bool = False,
) -> Any:  # noqa: ANN401 - a type
    """Return the type of objects with such properties, and others only if they may."""
    needed = frozenset(required)
    if not needed <= kinds.keys() or any(map(_NO_FIELD_NAME.search, needed)):
        raise _UncompilableError
    ordered = sorted(kinds, key=lambda name: name not in needed)
    names = {
        f"f{number}": name
        for number, name in enumerate(ordered)
        if not _NO_FIELD_NAME.search(name)
    }
    fields: list[Field] = [
        (field, kinds[name]) if name in needed else (field, kinds[name], None)
        for field, name in names.items()
    ]
    return msgspec.defstruct(
        "Record",
        fields,
        rename=names,
        forbid_unknown_fields=not others,
        gc=False,
    )


def _list_of(kind: Any) -> Any:  # noqa: ANN401 - a type
    return GenericAlias(list, (kind,))


def _dict_of(kind: Any) -> Any:  # noqa: ANN401 - a type
    return GenericAlias(dict, (str, kind))


def _open(levels: int) -> Any:  # noqa: ANN401 - a type
    """Return the type of any JSON of a number of levels, integers bounded."""
    scalars = Union[_Integer, float, str, bool, None]  # noqa: UP007 - built at run time
    if levels == 0:
        return scalars
    inner = _open(levels - 1)
    return Union[scalars, _list_of(inner), _dict_of(inner)]  # noqa: UP007


_SCALARS: dict[str, Any] = {
    "null": None,
    "boolean": bool,
    "string": str,
    "integer": _Integer,
    "number": Union[_Integer, float],  # noqa: UP007
}
_INSIDE = _open(_LEVELS)


def _column(schema: Mapping[str, Any], *, key: bool) -> Any:  # noqa: ANN401 - a type
    """Return the type of a column, as it is sent where nothing is to be done to it."""
    if is_text(schema):
        return str if key else _PlainText | None
    if key:
        types = sorted(json_types.types_of(schema) - {"null"})
        return _type({**schema, "type": types})
    return _type(schema)


def _type(schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a type
    options = json_types.options_of(schema)
    if options is not None:
        kinds = [_type(option) for option in options]
    else:
        kinds = [_kind(name, schema) for name in sorted(json_types.types_of(schema))]
    if not kinds:
        raise _UncompilableError
    return Union[tuple(kinds)]  # noqa: UP007


def _kind(name: str, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a type
    """Return the type of a schema's values of one JSON type."""
    if name == "object":
        return _object(schema)
    if name == "array":
        items = schema.get("items")
        inner = _type(items) if isinstance(items, dict) else _INSIDE
        return _list_of(inner)
    return _SCALARS[name]


def _object(schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a type
    others = json_types.others_of(schema)
    declared: Mapping[str, Any] = schema.get("properties", {})
    if others is None:
        kinds = {
            name: _type(inner if isinstance(inner, dict) else {})
            for name, inner in declared.items()
        }
        return _struct(kinds, schema.get("required", ()))
    if declared or "required" in schema:
        raise _UncompilableError
    inner = _type(others) if others else _INSIDE
    return _dict_of(inner)
