"""MessagePack payloads as JSON documents (github.com/msgpack/msgpack, `spec.md`)."""

from __future__ import annotations

from typing import Any

import msgpack
import msgspec

from tap_websocket.errors import ParseError
from tap_websocket.records.codecs import pieces
from tap_websocket.records.codecs.json_values import (
    MAX_KEY_BYTES,
    Members,
    dumps,
    long_key,
    member_head,
    rfc3339,
    unreadable,
)

__all__ = ["msgpack_to_json"]

_decode = msgspec.msgpack.Decoder().decode
_encode = msgspec.json.Encoder().encode

_NEEDS_SLOW_PATH = (
    b"\xcb\x7f",  # a double that is NaN, infinite or enormous
    b"\xcb\xff",
    b"\xca\x7f",  # the same as a float
    b"\xca\xff",
    b"\xd7\xff",  # a timestamp with nanoseconds
    b"\xc7\x0c\xff",
)
"""Marks of values that msgspec 0.22 changes: it writes NaN and the infinities as null,
and rounds timestamps to microseconds. A payload may hold them by chance, in a text for
example; it is then only read more slowly."""


def msgpack_to_json(payload: bytes) -> bytes:
    """Return a message that is one MessagePack value as a JSON document.

    Timestamps are RFC 3339 in UTC; another extension becomes an object with its `type`
    and its `data` (base64).

    Raises:
        ParseError: When it is not one value, or not all of it.
    """
    try:
        if len(payload) <= pieces.PIECE_BYTES:
            return _read(payload)
        return pieces.in_pieces(_Large(payload), len(payload))
    except RecursionError as error:
        raise unreadable(payload, "MessagePack", "it is nested too deeply") from error
    except ParseError as error:
        raise unreadable(payload, "MessagePack", str(error)) from error
    except UnicodeDecodeError as error:
        raise unreadable(payload, "MessagePack", "a text is not UTF-8") from error
    except msgpack.exceptions.ExtraData as error:
        raise unreadable(payload, "MessagePack", "bytes follow its end") from error
    except msgpack.exceptions.StackError as error:
        raise unreadable(payload, "MessagePack", "it is nested too deeply") from error
    except ValueError as error:
        # The library's own words may hold bytes of the message.
        reason = "it ends too early, or has a byte that means nothing"
        raise unreadable(payload, "MessagePack", reason) from error


def _read(payload: bytes) -> bytes:
    """Return a value as JSON; what is wrong with it is an error of some library."""
    if not any(mark in payload for mark in _NEEDS_SLOW_PATH):
        try:
            return _encode(_decode(payload))
        except (ValueError, TypeError, RecursionError):
            # Wrong, or what msgspec cannot write: extensions, keys like null or true.
            pass
    return dumps(_unpack(payload), _other)


def _unpack(payload: bytes) -> Any:  # noqa: ANN401 - any MessagePack
    return msgpack.unpackb(
        payload,
        raw=False,
        strict_map_key=False,
        ext_hook=_extension,
        timestamp=0,
        # Keys may be of any type, and 1 and true are two of them.
        object_pairs_hook=Members,
    )


def _extension(code: int, data: bytes) -> dict[str, Any]:
    return {"type": code, "data": data}


def _other(value: msgpack.Timestamp) -> str:
    return rfc3339(value.seconds, value.nanoseconds)


_MAX_DEPTH = 500
"""Levels of large containers inside each other; no JSON is read that is as deep."""

_FIXMAP, _FIXARRAY, _FIXSTR = 0x80, 0x90, 0xA0
"""Where the first bytes of maps, of arrays and of texts begin that have their size in
them."""

_CONTAINERS = {0xDC: (False, 2), 0xDD: (False, 4), 0xDE: (True, 2), 0xDF: (True, 4)}
"""First byte of another array or map to whether it is keyed, and bytes of its size."""


class _Large:
    """A large message (see `pieces.Form`)."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload

    def some(
        self, at: int, count: int, inside: pieces.Container
    ) -> tuple[bytes, int] | None:
        """Read some items of a container."""
        head = (b"\xdf" if inside.keyed else b"\xdd") + count.to_bytes(4)
        piece = head + self._payload[at : at + pieces.PIECE_BYTES]
        size = _size(piece)
        if size is None:
            return None
        return _read(piece[:size])[1:-1], at + size - len(head)

    def enter(self, at: int, depth: int) -> tuple[pieces.Container, int] | None:
        """Begin an array or map."""
        first = self._payload[at] if at < len(self._payload) else 0
        if _FIXMAP <= first < _FIXSTR:
            keyed, count, begin = first < _FIXARRAY, first & 0x0F, at + 1
        elif first in _CONTAINERS:
            keyed, width = _CONTAINERS[first]
            begin = at + 1 + width
            count = int.from_bytes(self._payload[at + 1 : begin])
            if begin > len(self._payload):
                return None
        else:
            return None
        if depth >= _MAX_DEPTH:
            raise RecursionError
        return pieces.Container(keyed, count, depth + 1), begin

    def whole(self, at: int, depth: int) -> tuple[bytes, int]:
        """Read a value that is no container."""
        del depth
        width = pieces.PIECE_BYTES
        while True:
            piece = self._payload[at : at + width]
            size = _size(piece)
            if size is not None or at + width >= len(self._payload):
                # What is not as long as it says cannot be read.
                return _read(piece[:size]), at + (size or 0)
            width *= 4

    def key(self, at: int) -> tuple[bytes, int]:
        """Read a key."""
        size = _size(self._payload[at : at + MAX_KEY_BYTES])
        if size is not None:
            key, end = self._payload[at : at + size], at + size
        elif self.enter(at, 0) is None:
            end = self.whole(at, 0)[1]
            key = self._payload[at:end]
        else:
            raise long_key()
        return member_head(_read(b"\x81" + key + b"\xc0")), end

    def is_end(self, at: int) -> bool:
        """Return that no mark ends a container."""
        del at
        return False


def _size(piece: bytes) -> int | None:
    """Return how many bytes the first value takes; None where it does not end."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(piece)
    try:
        unpacker.skip()
    except msgpack.OutOfData:
        return None
    return int(unpacker.tell())
