"""MessagePack payloads as JSON documents (github.com/msgpack/msgpack, `spec.md`)."""

from __future__ import annotations

from typing import Any

import msgpack
import msgspec

from tap_websocket.errors import ParseError
from tap_websocket.records.codecs.json_values import (
    Members,
    dumps,
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
    if not any(mark in payload for mark in _NEEDS_SLOW_PATH):
        try:
            return _encode(_decode(payload))
        except (ValueError, TypeError, RecursionError):
            # Wrong, or what msgspec cannot write: extensions, keys like null or true.
            pass
    try:
        return dumps(_unpack(payload), _other)
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
