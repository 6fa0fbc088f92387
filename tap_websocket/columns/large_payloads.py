"""A test of large payloads that makes no Python objects of what is nested in them.

An order book is thousands of short texts in arrays. To skip them, which checks their
syntax, takes a tenth of the time of decoding them. What every target can hold then
shows in the bytes, in a few passes over all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tap_websocket.columns import json_types
from tap_websocket.largejson.parsing import is_large

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["LARGE", "first_bytes", "make_test", "may_nest"]

LARGE = 2048
"""Bytes of a payload from which on the passes take less time than the objects."""

_ALIKE = bytes.maketrans(b"123456789E", b"000000000e")
"""Makes all digits the same, and both marks of an exponent."""

_LONG_NUMBER = b"0" * 19
"""An integer with fewer digits has 64 bits, and a fraction few enough decimals."""

_FEW_EXPONENTS = 64
_KEPT = frozenset(b'"[]{}')
_OTHERS = bytes(byte for byte in range(256) if byte not in _KEPT)
_MAX_LEVELS = 50
"""Fewer than `target_limits.MAX_LEVELS`; what nests deeper is looked at in full."""

_OPENING = {"array": b"[", "object": b"{", "null": b"n"}


def first_bytes(schema: Mapping[str, Any]) -> bytes | None:
    """Return what a value of a column may begin with, where anything may nest in it.

    Returns:
        None for a column that is to be looked at closer.
    """
    if json_types.options_of(schema) is not None:
        return None
    types = json_types.types_of(schema)
    if not {"array", "object"} & types or not types <= _OPENING.keys():
        return None
    if "items" in schema or "properties" in schema or "required" in schema:
        return None
    if json_types.others_of(schema) != {}:
        return None
    return b"".join(_OPENING[name] for name in types)


def may_nest(payload: bytes) -> bool:
    """Return whether every target can hold whatever valid JSON nests in a payload.

    False is not certain: a text may look like what it is not.
    """
    # An escape may be a NUL or half of a surrogate pair, and hide a quote.
    if b"\\" in payload or not payload.isascii():
        return False
    alike = payload.translate(_ALIKE)
    # `rfind` takes half the time of `in` (CPython 3.11).
    if alike.rfind(_LONG_NUMBER) >= 0 or _has_exponent(alike):
        return False
    marks = payload.translate(None, _OTHERS)
    marks = marks.replace(_first_texts(marks), b"")
    # Quotes that nothing stands between are the ends of texts without brackets.
    marks = marks.replace(b'""', b"")
    if b'"' in marks:
        return False
    for _ in range(_MAX_LEVELS):
        if not marks:
            return True
        marks = marks.replace(b"[]", b"").replace(b"{}", b"")
    return False


def _first_texts(marks: bytes) -> bytes:
    """Return the marks of an array of texts, the first one that there is.

    Those of an order book look all alike, and many are removed at once.
    """
    end = marks.find(b"]") + 1
    first = marks[marks.rfind(b"[", 0, end) : end]
    are_whole = len(first) % 2 == 0 and first.count(b'"') == len(first) - 2
    return first if are_whole else b"[]"


def _has_exponent(alike: bytes) -> bool:
    """Return whether there may be a number with an exponent.

    To go from one `e` to the next takes no time where they are few.
    """
    at = -1
    for _ in range(_FEW_EXPONENTS):
        at = alike.find(b"e", at + 1)
        if at < 0:
            return False
        if alike[at - 1 : at] == b"0":
            return True
    return b"0e" in alike


def make_test(
    full: Callable[[bytes], Any],
    shallow: Callable[[bytes], Any],
    openings: Mapping[str, bytes],
) -> Callable[[bytes], Any]:
    """Make a test of payloads that looks into large ones no deeper than it has to.

    Args:
        full: The test of all payloads.
        shallow: The same, but that it leaves nested values alone: they are `Raw`.
        openings: Attribute to what a value of such a column may begin with.
    """
    columns = list(openings.items())

    def test(payload: bytes) -> Any:  # noqa: ANN401 - nobody looks at it
        if len(payload) < LARGE or not may_nest(payload):
            if is_large(payload):
                msg = "too large to be parsed as a whole"
                raise msgspec.ValidationError(msg)
            return full(payload)
        record = shallow(payload)
        for name, opening in columns:
            value = getattr(record, name)
            if value is not None and memoryview(value)[0] not in opening:
                msg = "another type"
                raise msgspec.ValidationError(msg)
        return record

    return test
