"""A value on its way into its column: as it is, as text, or not at all."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext
from tap_websocket.columns import json_types, target_limits
from tap_websocket.columns.inference import is_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_websocket.jsontext import JsonValue

    Convert = Callable[[Any], Any]
    """Returns a column's value for a field's; it raises `Mismatch`."""

__all__ = ["Mismatch", "converter", "mismatch_reason"]


class Mismatch(Exception):
    """A value does not fit its column."""


def converter(declared: Mapping[str, Any], *, key: bool) -> Convert:
    """Return what turns a field's values into those of its column.

    Args:
        declared: JSON schema of the column.
        key: Whether the column is a key property.
    """
    if is_text(declared):
        return _as_key_text if key else _as_json_text
    test = json_types.check(declared)

    def convert(value: JsonValue) -> JsonValue:
        if test(value) and target_limits.is_storable(value):
            return value
        raise Mismatch

    return convert


def mismatch_reason(declared: Mapping[str, Any], value: JsonValue) -> str:
    """Return why a value does not fit its column, for people; it is not shown."""
    if json_types.check(declared)(value) or is_text(declared):
        return target_limits.storage_problem(value)
    types = json_types.named(declared)
    given = json_types.type_name(value)
    if given in json_types.types_of(declared):
        return f"the contents of the {given} do not match the column's schema"
    article = "an" if given[0] in "aeiou" else "a"
    return f"{article} {given} came, and the column's type is {types}"


def _as_key_text(value: JsonValue) -> str | None:
    """Return a text as it is, and a number as text."""
    if isinstance(value, bool):
        raise Mismatch
    if isinstance(value, int | Decimal):
        return jsontext.dumps(value).decode()
    if value is None or (isinstance(value, str) and target_limits.is_storable(value)):
        return value
    raise Mismatch


def _as_json_text(value: JsonValue) -> str | None:
    """Return a value as text from which it can be told again.

    A text is written as it is, unless it reads like JSON: then it is quoted.
    """
    if value is None:
        return None
    if not (target_limits.is_storable(value) or target_limits.is_big_integer(value)):
        raise Mismatch
    if isinstance(value, str) and not _reads_like_json(value):
        return value
    return jsontext.dumps(value).decode()


def _reads_like_json(text: str) -> bool:
    try:
        jsontext.parse(text)
    except jsontext.InvalidJson:
        return False
    return True
