"""Exact JSON: every digit and every character comes in and goes out."""

from __future__ import annotations

import contextlib
import gc
import json
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NoReturn, Self

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "BAD_EXPONENT",
    "EXTRA_DATA",
    "TOO_DEEP",
    "InvalidJson",
    "JsonValue",
    "LargeValue",
    "Number",
    "Record",
    "Schema",
    "canonical",
    "canonical_in_ascii",
    "dumps",
    "dumps_in_ascii",
    "encode",
    "encode_sorted",
    "parse",
    "parse_plain",
    "text_of",
    "to_ascii",
    "without_collections",
]

JsonValue = Any
"""A JSON value as `parse` returns it: None, a bool, an int, a `Decimal`, a string, a
list or a dict of such, or a `LargeValue`.

Not a union of these: what follows the paths of a config would have to show mypy the
type of each step again.
"""

Record = dict[str, Any]
"""A record: names of columns or fields to JSON values."""

Schema = dict[str, Any]
"""A JSON Schema, of a record or of a part of one."""

_MAX_INTEGER_DIGITS = 4000
"""Python refuses to read or print longer integers (`sys.set_int_max_str_digits`)."""


class InvalidJson(ValueError):
    """A text is not JSON, or not to be read; the message does not show the text.

    Args:
        problem: What is wrong.
        position: At which character, from zero; None where that is not known.
    """

    def __init__(self, problem: str, position: int | None = None) -> None:
        at = "" if position is None else f" at character {position}"
        super().__init__(problem + at)
        self.problem = problem
        self.position = position


class LargeValue:
    """A value that stays its text; `dumps` and `canonical` write it (`largejson`)."""

    __slots__ = ()

    def compact(self, *, in_ascii: bool) -> bytes:
        """Return its JSON text on one line.

        Args:
            in_ascii: Escape what is not ASCII.
        """
        raise NotImplementedError

    def canonical(self, *, in_ascii: bool) -> bytes:
        """Return the same bytes for equal values.

        Args:
            in_ascii: Escape what is not ASCII.
        """
        raise NotImplementedError


class Number(Decimal):
    """A number that keeps the text it was sent as.

    `Decimal` writes `0.00000001` as `1E-8` and `100e1` as `1.00E+3`: the same number,
    and another text wherever the text is what counts.
    """

    __slots__ = ("_text",)

    _text: str

    def __new__(cls, text: str) -> Self:
        """Make the number of a JSON text."""
        number = super().__new__(cls, text)
        number._text = text
        return number

    def __str__(self) -> str:
        """Return the text it was sent as."""
        return self._text

    def __reduce__(self) -> tuple[type[Number], tuple[str]]:
        """Copy and pickle it with its text."""
        return Number, (self._text,)


def _number(text: str) -> Decimal:
    number = Decimal(text)
    # Most numbers are written as `Decimal` writes them, and need no second object.
    return number if str(number) == text else Number(text)


def _encode_own(value: object) -> msgspec.Raw:
    """Write a number as it was sent, or a large value."""
    if isinstance(value, Number):
        # msgspec 0.22 knows no subclass of `Decimal`.
        return msgspec.Raw(str(value).encode())
    if isinstance(value, LargeValue):
        return msgspec.Raw(value.compact(in_ascii=False))
    raise NotImplementedError


def _encode_canonical(value: object) -> msgspec.Raw:
    if isinstance(value, LargeValue):
        return msgspec.Raw(value.canonical(in_ascii=False))
    return _encode_own(value)


_decode = msgspec.json.Decoder(float_hook=_number).decode
_decode_plain = msgspec.json.Decoder(float_hook=Decimal).decode
encode = msgspec.json.Encoder(
    decimal_format="number",
    enc_hook=_encode_own,
).encode
"""Writes a value as `dumps` does; raises `UnicodeEncodeError` and `RecursionError` for
what that can write in ASCII alone."""

encode_sorted = msgspec.json.Encoder(
    decimal_format="number",
    enc_hook=_encode_canonical,
    order="sorted",
).encode


def parse(payload: bytes | str) -> JsonValue:
    """Return the value of a JSON text (RFC 8259).

    Numbers with a fraction or an exponent are `Decimal`, whose `str` is the text that
    was sent, and so are integers of thousands of digits. The last of several equal
    keys wins. A lone surrogate, which JavaScript servers do send, is kept.

    Raises:
        InvalidJson: When the text is not JSON, not UTF-8, is nested some hundred levels
            deep (Python's recursion limit), or has an exponent of over 18 digits.
    """
    return _parse(payload, _decode, _number)


def parse_plain(payload: bytes | str) -> JsonValue:
    """Return the value of a JSON text, for code that knows `Decimal` alone.

    Raises:
        InvalidJson: As `parse` does.
    """
    return _parse(payload, _decode_plain, Decimal)


def _parse(
    payload: bytes | str,
    decode: Callable[[bytes | str], Any],
    number: Callable[[str], Decimal],
) -> JsonValue:
    try:
        if len(payload) < _LARGE_BYTES:
            return decode(payload)
        with without_collections():
            return decode(payload)
    except RecursionError as error:
        raise InvalidJson(TOO_DEEP) from error
    except InvalidOperation as error:
        raise InvalidJson(BAD_EXPONENT) from error
    except ValueError:
        return _parse_slowly(payload, number)


_LARGE_BYTES = 1024 * 1024
"""A document of this size makes ten thousands of objects, and no garbage."""


@contextlib.contextmanager
def without_collections() -> Iterator[None]:
    """Keep the garbage collector from running.

    A payload of millions of small arrays sets it off again and again, which finds
    nothing, since JSON has no cycles, and takes most of the time: 1.9 s in place of
    0.3 s for 15 MiB (CPython 3.11).
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


TOO_DEEP = "it is nested too deeply"
EXTRA_DATA = "Extra data"
"""What `json` says where something follows a value."""

BAD_EXPONENT = "a number has an exponent that is out of range"


def _parse_slowly(
    payload: bytes | str,
    number: Callable[[str], Decimal],
) -> JsonValue:
    """Return the value of a JSON text that msgspec refuses, rightly or not."""
    try:
        text = payload if isinstance(payload, str) else payload.decode()
        # A byte order mark is no JSON, but RFC 8259, section 8.1, lets parsers ignore
        # it, and .NET's encoders write it.
        return json.loads(
            text.removeprefix("\ufeff"),
            parse_float=number,
            parse_int=_integer,
            parse_constant=_refuse,
        )
    except RecursionError as error:
        raise InvalidJson(TOO_DEEP) from error
    except InvalidOperation as error:
        raise InvalidJson(BAD_EXPONENT) from error
    except json.JSONDecodeError as error:
        raise InvalidJson(error.msg, error.pos) from error
    except UnicodeDecodeError as error:
        msg = f"it is not valid UTF-8 at byte {error.start}"
        raise InvalidJson(msg) from error


def _integer(digits: str) -> int | Decimal:
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else Decimal(digits)


def _refuse(constant: str) -> NoReturn:
    msg = f"{constant} is not a JSON number"
    raise InvalidJson(msg)


def dumps(value: JsonValue) -> bytes:
    """Return a value as JSON on one line, compact, with every number as it was sent.

    The text holds no raw line break, NUL or lone surrogate; they are escaped.

    Args:
        value: What `parse` returns, of any depth.
    """
    try:
        return encode(value)
    except (UnicodeEncodeError, RecursionError):
        return dumps_in_ascii(value)


def dumps_in_ascii(value: JsonValue) -> bytes:
    """Return a value as `dumps` does, with what is not ASCII escaped."""
    return "".join(_tokens(value)).encode("ascii")


def to_ascii(text: bytes) -> bytes:
    """Return a text that `dumps` wrote as `dumps_in_ascii` would have written it."""
    return _NOT_ASCII.sub(_escaped, text.decode()).encode("ascii")


_NOT_ASCII = re.compile("[^ -~]")


def _escaped(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]


def canonical(value: JsonValue) -> bytes:
    """Return the same bytes for equal values: keys are sorted, numbers as sent.

    Args:
        value: What `parse` returns, of any depth.
    """
    try:
        return encode_sorted(value)
    except (UnicodeEncodeError, RecursionError):
        return canonical_in_ascii(value)


def canonical_in_ascii(value: JsonValue) -> bytes:
    """Return a value as `canonical` does, with what is not ASCII escaped."""
    return dumps_in_ascii(_sorted(value))


def _sorted(value: JsonValue) -> JsonValue:
    if isinstance(value, LargeValue):
        return _Canonical(value)
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return list(map(_sorted, value)) if isinstance(value, list) else value


class _Canonical(LargeValue):
    """A large value whose text is to be canonical."""

    __slots__ = ("_value",)

    def __init__(self, value: LargeValue) -> None:
        self._value = value

    def compact(self, *, in_ascii: bool) -> bytes:
        return self._value.canonical(in_ascii=in_ascii)


def _tokens(value: JsonValue) -> Iterator[str]:
    """Yield the JSON text of a value in ASCII, without recursion."""
    pending: list[Iterator[tuple[str, Any]]] = [iter((("", value),))]
    ends = [""]
    while pending:
        for prefix, item in pending[-1]:
            yield prefix
            if isinstance(item, dict):
                yield "{"
                pending.append(_members(item))
                ends.append("}")
                break
            if isinstance(item, list):
                yield "["
                pending.append(_items(item))
                ends.append("]")
                break
            if isinstance(item, Decimal):
                yield str(item)
            elif isinstance(item, LargeValue):
                yield item.compact(in_ascii=True).decode()
            else:
                yield json.dumps(item)
        else:
            pending.pop()
            yield ends.pop()


def _members(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    comma = ""
    for name, item in value.items():
        yield f"{comma}{json.dumps(name)}:", item
        comma = ","


def _items(value: list[Any]) -> Iterator[tuple[str, Any]]:
    comma = ""
    for item in value:
        yield comma, item
        comma = ","


def text_of(value: JsonValue) -> str:
    """Return the text that stands for a value inside a message: JSON, or a string."""
    return value if isinstance(value, str) else dumps(value).decode()
