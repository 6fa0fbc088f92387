"""CBOR payloads as JSON documents (RFC 8949)."""

from __future__ import annotations

import datetime as dt
import io
import math
from decimal import Decimal, InvalidOperation
from typing import Any

import cbor2

from tap_websocket import jsontext
from tap_websocket.errors import ParseError
from tap_websocket.records.codecs import pieces
from tap_websocket.records.codecs.json_values import (
    MAX_INTEGER_BITS,
    MAX_KEY_BYTES,
    Members,
    dumps,
    long_key,
    member_head,
    rfc3339,
    unreadable,
)

__all__ = ["cbor_to_json"]

_MAX_DEPTH = 200
"""Levels of values inside each other; the reader calls itself for each."""

_MAX_EXPONENT = 1100
"""Of a bigfloat, beyond those of doubles: a few bytes ask for as many digits."""

_MAX_SECONDS = 10**12
"""From the epoch; no year up to 9999 is as far, and the digits of more take long."""


def cbor_to_json(payload: bytes) -> bytes:
    """Return a message that is one CBOR value as a JSON document.

    Bignums are integers, decimal fractions and bigfloats numbers, times RFC 3339,
    `undefined` is null. Other tags are left out: their content stays.

    Raises:
        ParseError: When it is not one value, or not all of it.
    """
    try:
        if len(payload) > pieces.PIECE_BYTES:
            return pieces.in_pieces(_Large(payload), len(payload))
        return _read(payload)
    except ParseError as error:
        raise unreadable(payload, "CBOR", str(error)) from error
    except RecursionError as error:
        raise unreadable(payload, "CBOR", "it is nested too deeply") from error
    except cbor2.CBORDecodeEOF as error:
        raise unreadable(payload, "CBOR", "it ends too early") from error
    except (cbor2.CBORDecodeError, ValueError) as error:
        # What a semantic decoder raises is the cause of the library's own error, whose
        # words may hold bytes of the message.
        cause = error.__cause__
        known = isinstance(cause, ParseError)
        reason = str(cause) if known else "a byte means nothing where it stands"
        raise unreadable(payload, "CBOR", reason) from error


def _read(payload: bytes) -> bytes:
    """Return a message as JSON; what is wrong with it is an error of the library."""
    stream = io.BytesIO(payload)
    document = dumps(_decoder(stream).decode(), _other)
    if stream.read(1):
        msg = "bytes follow its end"
        raise ParseError(msg)
    return document


def _decoder(stream: io.BytesIO, depth: int = 0) -> cbor2.CBORDecoder:
    """Return what reads values that are inside of this many levels."""
    return cbor2.CBORDecoder(
        stream, semantic_decoders=_SEMANTIC, max_depth=_MAX_DEPTH - depth
    )


def _as_it_is(value: Any, immutable: bool) -> Any:  # noqa: ANN401, ARG001, FBT001 - signature of cbor2
    return value


def _integer(value: Any) -> int:  # noqa: ANN401 - what was sent
    if not isinstance(value, bytes):
        msg = "a bignum is not made of bytes"
        raise ParseError(msg)
    if 8 * len(value) > MAX_INTEGER_BITS:
        msg = f"an integer has more than {MAX_INTEGER_BITS} bits"
        raise ParseError(msg)
    return int.from_bytes(value)


def _bignum(value: bytes, immutable: bool) -> int:  # noqa: ARG001, FBT001 - signature of cbor2
    return _integer(value)


def _negative_bignum(value: bytes, immutable: bool) -> int:  # noqa: ARG001, FBT001 - signature of cbor2
    return -1 - _integer(value)


def _parts(value: Any) -> tuple[int, int]:  # noqa: ANN401 - what was sent
    match value:
        case [int() as exponent, int() as mantissa]:
            return exponent, mantissa
    msg = "a fraction is not an exponent and a mantissa"
    raise ParseError(msg)


def _decimal_fraction(value: Any, immutable: bool) -> Decimal:  # noqa: ANN401, ARG001, FBT001 - signature of cbor2
    exponent, mantissa = _parts(value)
    return _scaled(mantissa, exponent)


def _bigfloat(value: Any, immutable: bool) -> Decimal | int:  # noqa: ANN401, ARG001, FBT001 - signature of cbor2
    exponent, mantissa = _parts(value)
    if abs(exponent) > _MAX_EXPONENT:
        # Each power of two is a digit of the decimal text.
        msg = f"a bigfloat has an exponent over {_MAX_EXPONENT}"
        raise ParseError(msg)
    if exponent >= 0:
        return mantissa << exponent
    # m / 2^n is m * 5^n / 10^n: exact, where a division of decimals is rounded.
    return _scaled(mantissa * 5**-exponent, exponent)


def _scaled(mantissa: int, exponent: int) -> Decimal:
    """Return mantissa times ten to the power of the exponent, with every digit."""
    sign, digits, _ = Decimal(mantissa).as_tuple()
    try:
        return Decimal((sign, digits, exponent))
    except InvalidOperation as error:
        raise ParseError(jsontext.BAD_EXPONENT) from error


def _epoch(value: Any, immutable: bool) -> str:  # noqa: ANN401, ARG001, FBT001 - signature of cbor2
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        msg = "a time since the epoch is not a number"
        raise ParseError(msg)
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    # NaN compares with nothing.
    if exact.is_nan() or abs(exact) > _MAX_SECONDS:
        msg = "a timestamp is not between the years 1 and 9999"
        raise ParseError(msg)
    seconds = math.floor(exact)
    return rfc3339(seconds, int((exact - seconds) * 1_000_000_000))


def _day(value: Any, immutable: bool) -> str:  # noqa: ANN401, ARG001, FBT001 - signature of cbor2
    try:
        return (dt.date(1970, 1, 1) + dt.timedelta(days=value)).isoformat()
    except (TypeError, OverflowError) as error:
        msg = "a date is not between the years 1 and 9999"
        raise ParseError(msg) from error


def _shared(value: Any, immutable: bool) -> Any:  # noqa: ANN401, ARG001, FBT001 - signature of cbor2
    # A few bytes of references can stand for terabytes of JSON, or for a circle.
    msg = "it refers to values that it holds elsewhere (tags 25 and 29)"
    raise ParseError(msg)


_SEMANTIC = {
    0: _as_it_is,  # a text that is RFC 3339 already
    1: _epoch,
    2: _bignum,
    3: _negative_bignum,
    4: _decimal_fraction,
    5: _bigfloat,
    25: _shared,
    29: _shared,
    30: _as_it_is,  # a rational number: its two integers
    35: _as_it_is,  # a regular expression, not to be compiled
    36: _as_it_is,  # a MIME message, not to be parsed
    100: _day,
    258: _as_it_is,  # a set, in the order sent
    1004: _as_it_is,  # a date that is RFC 3339 already
    43000: _as_it_is,  # a complex number: its two parts
}
"""Tags that cbor2 6.3 would read with a loss, or at the sender's cost."""


def _other(value: Any) -> Any:  # noqa: ANN401 - what stands for it
    match value:
        case cbor2.CBORTag():
            return value.value
        case cbor2.CBORSimpleValue():
            return value.value
        case cbor2.frozendict():
            return Members(value.items())
    return None if value is cbor2.undefined else str(value)


_ARRAY, _MAP, _TAG = 4, 5, 6
"""Major types (RFC 8949, section 3.1)."""

_INDEFINITE = 31
_BREAK = b"\xff"
_WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}
"""Additional information to the bytes of an argument that follows."""


class _Large:
    """A large message (see `pieces.Form`)."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._stream = io.BytesIO(payload)

    def some(
        self, at: int, count: int, inside: pieces.Container
    ) -> tuple[bytes, int] | None:
        """Read some items of a container."""
        head = (b"\xba" if inside.keyed else b"\x9a") + count.to_bytes(4)
        stream = io.BytesIO(head + self._payload[at : at + pieces.PIECE_BYTES])
        try:
            value = _decoder(stream, inside.depth - 1).decode()
        except cbor2.CBORDecodeEOF:
            return None
        except cbor2.CBORDecodeError:
            if count == 1 or inside.left is not None:
                raise
            # It may have come to the mark of the end.
            return None
        return dumps(value, _other)[1:-1], at + stream.tell() - len(head)

    def enter(self, at: int, depth: int) -> tuple[pieces.Container, int] | None:
        """Begin an array or map; tags in front of it are left out."""
        head = at
        kind, argument, begin = self._head(head)
        while kind == _TAG:
            depth, head = depth + 1, begin
            kind, argument, begin = self._head(head)
        if kind not in {_ARRAY, _MAP}:
            return None
        keyed = kind == _MAP
        if head > at:
            self._check_tags(at, head, keyed=keyed)
        if depth >= _MAX_DEPTH:
            msg = "nested too deeply"
            raise cbor2.CBORDecodeError(msg)
        return pieces.Container(keyed, argument, depth + 1), begin

    def whole(self, at: int, depth: int) -> tuple[bytes, int]:
        """Read a value that is no container."""
        self._stream.seek(at)
        value = _decoder(self._stream, depth).decode()
        return dumps(value, _other), self._stream.tell()

    def key(self, at: int) -> tuple[bytes, int]:
        """Read a key."""
        stream = io.BytesIO(self._payload[at : at + MAX_KEY_BYTES])
        try:
            key = _decoder(stream).decode(immutable=True)
            end = at + stream.tell()
        except cbor2.CBORDecodeEOF:
            if self.enter(at, 0) is not None:
                raise long_key() from None
            self._stream.seek(at)
            key = _decoder(self._stream).decode(immutable=True)
            end = self._stream.tell()
        return member_head(dumps(Members([(key, None)]), _other)), end

    def is_end(self, at: int) -> bool:
        """Return whether the mark of an indefinite length stands here."""
        return self._payload[at : at + 1] == _BREAK

    def _head(self, at: int) -> tuple[int, int | None, int]:
        """Return major type, argument and end of a head.

        The argument is None for an indefinite length, and the type -1 for what is left
        to the library: whatever is no whole head of an array, a map or a tag.
        """
        first = self._payload[at] if at < len(self._payload) else _BREAK[0]
        kind, info = first >> 5, first & 0x1F
        if info < min(_WIDTHS):
            return kind, info, at + 1
        if info == _INDEFINITE and kind in {_ARRAY, _MAP}:
            return kind, None, at + 1
        end = at + 1 + _WIDTHS.get(info, len(self._payload))
        if end > len(self._payload):
            return -1, None, at
        return kind, int.from_bytes(self._payload[at + 1 : end]), end

    def _check_tags(self, at: int, end: int, *, keyed: bool) -> None:
        """Raise what the library does for tags that no array or map may have."""
        empty, text = (b"\xa0", b"{}") if keyed else (b"\x80", b"[]")
        if _read(self._payload[at:end] + empty) != text:
            msg = "a tag of another kind of value"
            raise cbor2.CBORDecodeError(msg)
