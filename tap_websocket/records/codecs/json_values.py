"""What JSON has no word for, written as JSON: the rules that all codecs share."""

from __future__ import annotations

import base64
import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from tap_websocket import jsontext
from tap_websocket.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_websocket.jsontext import JsonValue

__all__ = [
    "MAX_INTEGER_BITS",
    "MAX_KEY_BYTES",
    "Members",
    "dumps",
    "long_key",
    "member_head",
    "number",
    "rfc3339",
    "unreadable",
]

MAX_INTEGER_BITS = 13_000
"""Larger integers are not read: Python refuses to print over 4,300 digits, since the
time that it takes grows with their square (`sys.set_int_max_str_digits`)."""

_MAX_KEYS = 2
"""Keys that are inside of keys of maps. Each doubles the backslashes of those in it, so
that thirty bytes could become gigabytes."""

_MAX_NAME = 64 * 1024
"""Characters of a key that is no string."""

MAX_KEY_BYTES = 8 * _MAX_NAME
"""Of a binary format; an array or a map that takes more has a longer text."""

Number = TypeVar("Number", float, Decimal)

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NANOS = 1_000_000_000


def dumps(value: Any, other: Callable[[Any], Any]) -> bytes:  # noqa: ANN401 - what a codec reads
    """Return a decoded value as a JSON document, in one line of UTF-8.

    Numbers keep their digits, bytes are base64, and NaN and the infinities the strings
    `NaN`, `Infinity` and `-Infinity`. A key that is no string becomes its text.

    Args:
        value: None, booleans, numbers, text, bytes, and lists, tuples, dictionaries and
            `Members` of them.
        other: Returns such a value for a value of any other type.

    Raises:
        ParseError: When a key that is no string is too long.
        RecursionError: When it, or a key, is nested too deeply.
    """
    return jsontext.dumps(_plain(value, other))


def _plain(  # noqa: PLR0911 - one for each kind of value
    value: Any,  # noqa: ANN401 - what a codec reads
    other: Callable[[Any], Any],
    keys: int = 0,
) -> JsonValue:
    """Return a value as JSON has it, where it is inside of this many keys."""
    match value:
        case str() | int() | None:
            return value
        case float() | Decimal():
            return number(value)
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case list() | tuple():
            return [_plain(item, other, keys) for item in value]
        case dict():
            return {
                _name(key, other, keys): _plain(item, other, keys)
                for key, item in value.items()
            }
        case Members():
            return {
                _name(key, other, keys): _plain(item, other, keys)
                for key, item in value.pairs
            }
    return _plain(other(value), other, keys)


def _name(
    key: Any,  # noqa: ANN401 - what a codec reads
    other: Callable[[Any], Any],
    keys: int,
) -> str:
    """Return the text of a key: a string as it is, others as the JSON they would be."""
    if isinstance(key, str):
        return key
    if keys == _MAX_KEYS:
        raise RecursionError
    plain = _plain(key, other, keys + 1)
    if isinstance(plain, str):
        return plain
    text = jsontext.dumps(plain).decode()
    if len(text) > _MAX_NAME:
        raise long_key()
    return text


def long_key() -> ParseError:
    """Return the reason why a key that is an array or a map is not read."""
    return ParseError(f"a key that is no text is longer than {_MAX_NAME} characters")


def member_head(document: bytes) -> bytes:
    """Return the name and the colon of an object's only member, which is null."""
    return document[1 : -len("null}")]


class Members:
    """A map whose keys are not hashable, or not told apart by a dictionary (1, true).

    Attributes:
        pairs: Its keys and values, in order. The last of two equal names wins.
    """

    __slots__ = ("pairs",)

    def __init__(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        self.pairs = pairs


def number(value: Number) -> Number | str:
    """Return a number, or the string for what JSON has no number for."""
    # As a float, a large Decimal is infinite.
    exact = value if isinstance(value, Decimal) else Decimal(value)
    if exact.is_finite():
        return value
    if exact.is_nan():
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def rfc3339(seconds: int, nanoseconds: int = 0) -> str:
    """Return a time since the epoch as RFC 3339 in UTC.

    Fractions of a second have as many digits as they need, up to nanoseconds.

    Raises:
        ParseError: When it is not between the years 1 and 9999.
    """
    carried, nanoseconds = divmod(nanoseconds, _NANOS)
    try:
        time = _EPOCH + dt.timedelta(seconds=seconds + carried)
    except OverflowError as error:
        msg = "a timestamp is not between the years 1 and 9999"
        raise ParseError(msg) from error
    fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    # `strftime` writes the years before 1000 with fewer digits (glibc).
    return f"{time.replace(tzinfo=None).isoformat()}{fraction}Z"


def unreadable(payload: bytes, form: str, reason: str) -> ParseError:
    """Return the error for a message that is not what `message_format` says.

    Args:
        payload: The message; its length alone is shown.
        form: Name of the format, for people.
        reason: What is wrong with it, without any of its content.
    """
    return ParseError(
        f"is not valid {form} ({reason})",
        size=len(payload),
        advice="set message_format to what the feed sends, or on_parse_error: skip",
    )
