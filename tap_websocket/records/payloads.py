"""The first half of the way from a message to documents: bytes to texts."""

from __future__ import annotations

import base64
import zlib
from typing import Literal

from tap_websocket.errors import ParseError

__all__ = ["Compression", "PayloadTooBig", "decompress", "encode_binary", "split"]

Compression = Literal["none", "gzip", "zlib", "deflate"]


_MOST_MEMBERS = 1000
"""Each member of a gzip file costs a copy of the rest."""

_WINDOW_BITS = {
    "gzip": 16 + zlib.MAX_WBITS,
    "zlib": zlib.MAX_WBITS,
    "deflate": -zlib.MAX_WBITS,
}


class PayloadTooBig(ParseError):
    """A message exceeds `max_message_bytes` once it is decompressed."""


def decompress(payload: bytes, compression: Compression, most: int) -> bytes:
    """Return a binary message without the feed's own compression.

    Args:
        payload: The message.
        compression: `payload_compression`; `deflate` has no header (RFC 1951).
        most: `max_message_bytes`; no more than this is ever inflated.

    Raises:
        PayloadTooBig: When it inflates to more than `most` bytes.
        ParseError: When it is not what `payload_compression` says.
    """
    if compression == "none":
        return payload
    parts: list[bytes] = []
    size = 0
    rest = payload
    while rest or not parts:
        inflater = zlib.decompressobj(_WINDOW_BITS[compression])
        try:
            part = inflater.decompress(rest, most - size + 1)
        except zlib.error as error:
            raise _unreadable(payload, compression, _reason(error)) from error
        size += len(part)
        if size > most:
            msg = f"a message inflates to over {most} bytes (max_message_bytes)"
            raise PayloadTooBig(msg)
        if not inflater.eof:
            raise _unreadable(payload, compression, "it ends too early")
        parts.append(part)
        rest = inflater.unused_data
        if rest and (compression != "gzip" or len(parts) == _MOST_MEMBERS):
            raise _unreadable(payload, compression, "more bytes follow its end")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _reason(error: zlib.error) -> str:
    """Return zlib's own words: `Error -3 while decompressing data: …`."""
    return str(error).rpartition(": ")[2]


def _unreadable(payload: bytes, compression: str, reason: str) -> ParseError:
    msg = (
        f"a message of {len(payload)} bytes is not valid {compression} ({reason}); "
        "set payload_compression to what the feed sends, or on_parse_error: skip"
    )
    return ParseError(msg)


def split(payload: bytes, separator: str | None) -> list[bytes]:
    """Return the documents of a message, split at `record_separator`.

    Empty ones are dropped; without a separator the message is one document. UTF-8 can
    be split before it is decoded: no character's bytes stand inside of another's.
    """
    if separator is None:
        return [payload]
    return [part for part in payload.split(separator.encode()) if part]


def encode_binary(payload: bytes) -> str:
    """Return the document of a message in `binary` format: its base64."""
    return base64.b64encode(payload).decode("ascii")
