"""What every target can hold; found out with real ones (docs/columns.md).

PostgreSQL holds no NUL in text, no lone surrogate in jsonb, no integer over 64 bits
in a bigint, no number of over 16,383 decimals, no name over 63 bytes, and has names
of its own; a target in Python reads JSON some hundred levels deep; a double turns
what is over its range into infinity. Each of these would end the target and lose the
rows that it had not flushed, or lose the value.
"""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any

from tap_websocket.largejson.values import ARRAY, OBJECT, LargeJson

if TYPE_CHECKING:
    from tap_websocket.jsontext import JsonValue

__all__ = [
    "INTEGER_MAX",
    "INTEGER_MIN",
    "MAX_DECIMALS",
    "MAX_LEVELS",
    "fold",
    "is_big_integer",
    "is_storable",
    "is_storable_name",
    "storage_problem",
]

INTEGER_MIN, INTEGER_MAX = -(2**63), 2**63 - 1
"""What a 64-bit integer column holds."""

MAX_LEVELS = 100
"""Levels of objects and arrays inside a column."""

MAX_DECIMALS = 16_383
"""Digits behind the decimal point of a PostgreSQL numeric."""

_MAX_NAME_BYTES = 63
"""PostgreSQL cuts longer names (NAMEDATALEN)."""

_BAD_TEXT = re.compile("[\x00\ud800-\udfff]")
_BAD_NAME = re.compile('[\x00-\x1f\x7f"\ud800-\udfff]')
_POSTGRES_NAMES = frozenset({"cmax", "cmin", "ctid", "tableoid", "xmax", "xmin"})
_TARGETS_OWN = "_sdc_"
_SEPARATORS = str.maketrans(".- ", "___")


def is_storable_name(name: str) -> bool:
    """Return whether every target can have a column of that name."""
    return (
        name.strip() != ""
        and not _BAD_NAME.search(name)
        and len(name.encode()) <= _MAX_NAME_BYTES
        and name not in _POSTGRES_NAMES
        and not name.casefold().startswith(_TARGETS_OWN)
    )


def fold(name: str) -> str:
    """Return what two names share that are one column to some target.

    DuckDB's names differ by more than case, and targets of the Singer SDK, unless
    they say otherwise, make `a_b` of `a.b`, `a-b` and `a b`.
    """
    return name.strip().casefold().translate(_SEPARATORS)


def is_big_integer(value: JsonValue) -> bool:
    """Return whether a value is an integer outside 64 bits."""
    if isinstance(value, Decimal):
        return value.as_tuple().exponent == 0 and not _in_range(value)
    return isinstance(value, int) and not _in_range(value)


def _in_range(value: int | Decimal) -> bool:
    return INTEGER_MIN <= value <= INTEGER_MAX


def is_storable(value: JsonValue, levels: int = MAX_LEVELS) -> bool:
    """Return whether every target can hold a value, anywhere inside."""
    if isinstance(value, str):
        return not _BAD_TEXT.search(value)
    if isinstance(value, int):
        return _in_range(value)
    if isinstance(value, Decimal):
        return _is_storable_decimal(value)
    if isinstance(value, dict | list):
        return _holds_storable([value], levels)
    if isinstance(value, LargeJson):
        return all(is_storable(piece, levels) for piece in value.pieces())
    return True


def _holds_storable(layer: list[Any], levels: int) -> bool:
    """Return whether every target can hold values, and all that is inside of them.

    One level after the other, and on each all values of a kind at once: an array of
    millions of items takes milliseconds for each million, where a call for each item
    would hold the feed's thread up for seconds.

    Args:
        layer: The values.
        levels: How many levels of objects and arrays they may have.
    """
    while layer:
        nested: list[Any] = []
        kinds = set(map(type, layer))
        for kind in kinds:
            items = layer
            if len(kinds) > 1:
                items = [item for item in layer if type(item) is kind]
            if issubclass(kind, dict):
                if levels == 0 or _BAD_TEXT.search("".join(chain.from_iterable(items))):
                    return False
                nested.extend(chain.from_iterable(item.values() for item in items))
            elif issubclass(kind, list):
                if levels == 0:
                    return False
                nested.extend(chain.from_iterable(items))
            elif not _are_storable(kind, items, levels):
                return False
        layer = nested
        levels -= 1
    return True


def _are_storable(kind: type, items: list[Any], levels: int) -> bool:
    """Return whether every target can hold values of one kind, no lists or dicts."""
    if issubclass(kind, str):
        return not _BAD_TEXT.search("".join(items))
    if issubclass(kind, int):
        return _in_range(min(items)) and _in_range(max(items))
    if issubclass(kind, Decimal):
        return all(map(_is_storable_decimal, items))
    if issubclass(kind, LargeJson):
        return all(is_storable(item, levels) for item in items)
    return True


def storage_problem(value: JsonValue) -> str:
    """Return, for people, why not every target can hold a value; it is not shown."""
    problem = _problem(value, MAX_LEVELS)
    where = " inside of it" if isinstance(value, (*ARRAY, *OBJECT)) else ""
    return f"{problem}{where}, which not every target can hold"


def _problem(value: JsonValue, levels: int) -> str:
    if isinstance(value, LargeJson):
        bad: Any = next(
            (piece for piece in value.pieces() if not is_storable(piece, levels)), None
        )
        return _problem(bad, levels)
    if isinstance(value, dict | list):
        if levels == 0:
            return f"more than {MAX_LEVELS} levels of nesting"
        items = value if isinstance(value, list) else [*value, *value.values()]
        bad = next((item for item in items if not is_storable(item, levels - 1)), None)
        return _problem(bad, levels - 1)
    if isinstance(value, str):
        return "a NUL character" if "\0" in value else "half of a surrogate pair"
    if is_big_integer(value):
        return "an integer outside 64 bits"
    return "a number beyond a double's range, or of too many decimals"


def _is_storable_decimal(value: Decimal) -> bool:
    """Return whether a double has its magnitude and a numeric its digits."""
    exponent = value.as_tuple().exponent
    return (
        not is_big_integer(value)
        and isinstance(exponent, int)
        and exponent >= -MAX_DECIMALS
        and exponent <= _DOUBLE_DIGITS
        and (value.adjusted() < _DOUBLE_DIGITS or abs(float(value)) != float("inf"))
    )


_DOUBLE_DIGITS = 308
