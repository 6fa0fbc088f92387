"""The feed's own compression of messages, taken off: each alone, or as one stream."""

from __future__ import annotations

import sys
import zlib
from typing import TYPE_CHECKING, Any, Protocol

from tap_websocket.errors import ParseError, extra_needed
from tap_websocket.wording import counted_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.settings.decoding import Compression

__all__ = [
    "PayloadTooBig",
    "StreamBroken",
    "ZstdMissing",
    "is_stream",
    "make_decompress",
]

_MAX_MEMBERS = 1000
"""A gzip or zstd message may have several; each costs a copy of the rest."""

_WINDOW_BITS: dict[str, int] = {
    "gzip": 16 + zlib.MAX_WBITS,
    "zlib": zlib.MAX_WBITS,
    "deflate": -zlib.MAX_WBITS,
}

_FLUSHED: frozenset[str] = frozenset({"deflate", "zlib"})
_SYNC_FLUSH = b"\x00\x00\xff\xff"
"""What a sync flush ends with, an empty stored block (RFC 1951, section 3.2.4): servers
that keep one compressor send it in place of a final block, and all data is there."""

_ZSTD_WINDOW_BITS = range(23, 28)
"""A decoder should do with 8 MiB (RFC 8878, section 3.1.1.1.2); zstd itself takes up to
128 MiB. In between the limit follows `max_message_bytes`."""


class PayloadTooBig(ParseError):
    """A message exceeds `max_message_bytes` once it is decompressed."""


class StreamBroken(ParseError):
    """A connection's stream cannot be read; nor can what follows on the connection."""


class ZstdMissing(ValueError):
    """The extra `zstd` is not installed; the message says how to do that."""


def is_stream(compression: Compression) -> bool:
    """Return whether the messages of a connection are one compressed stream."""
    return compression.endswith("_stream")


def make_decompress(
    compression: Compression, max_bytes: int
) -> Callable[[bytes], bytes]:
    """Return what takes the compression off a binary message.

    Where the messages of a connection are one stream, each connection needs its own,
    and has to pass it every message in order.

    Args:
        compression: `payload_compression`. `deflate` has no header (RFC 1951), `zlib`
            and `zlib_stream` have one (RFC 1950); zstd is RFC 8878.
        max_bytes: `max_message_bytes`; no more than this is inflated of a message.

    Returns:
        A function that raises `PayloadTooBig` when a message inflates to more,
        `StreamBroken` when a stream is not what the setting says, and `ParseError` when
        a single message is not.

    Raises:
        ZstdMissing: When zstd is asked for and not installed.
    """
    match compression:
        case "none":
            return lambda payload: payload
        case "zstd":
            new = _zstd_decoder(max_bytes)
            return lambda payload: _decompress(payload, compression, max_bytes, new)
        case "zlib_stream":
            return _Stream(
                compression, max_bytes, lambda: zlib.decompressobj(zlib.MAX_WBITS)
            )
        case "zstd_stream":
            return _Stream(compression, max_bytes, _zstd_decoder(max_bytes))
    bits = _WINDOW_BITS[compression]
    return lambda payload: _decompress(
        payload, compression, max_bytes, lambda: zlib.decompressobj(bits)
    )


class _Decoder(Protocol):
    """What zlib's and zstd's decoders have in common."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _zstd_decoder(max_bytes: int) -> Callable[[], Any]:
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415 - new in 3.14
        else:
            from backports import zstd  # noqa: PLC0415 - optional
    except ImportError as error:
        msg = f"zstd {extra_needed('zstd')}"
        raise ZstdMissing(msg) from error
    bits = max(_ZSTD_WINDOW_BITS[0], min(max_bytes.bit_length(), _ZSTD_WINDOW_BITS[-1]))
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: bits}
    return lambda: zstd.ZstdDecompressor(options=options)


def _is_own(error: Exception) -> bool:
    """Return whether an error is one of zlib or zstd (whose class is optional)."""
    return (
        isinstance(error, zlib.error | EOFError) or type(error).__name__ == "ZstdError"
    )


def _decompress(
    payload: bytes,
    compression: Compression,
    max_bytes: int,
    new: Callable[[], _Decoder],
) -> bytes:
    """Return a message that is compressed alone, in one or several members.

    Raises:
        PayloadTooBig: When it inflates to more than `max_bytes`.
        ParseError: When it is not what `payload_compression` says.
    """
    parts: list[bytes] = []
    size = 0
    rest = payload
    while rest or not parts:
        decoder = new()
        try:
            part = decoder.decompress(rest, max_bytes - size + 1)
        except Exception as error:
            if not _is_own(error):
                raise
            raise _unreadable(payload, compression, _reason(error)) from error
        size += len(part)
        if size > max_bytes:
            raise _too_big(max_bytes)
        is_flushed = compression in _FLUSHED and rest.endswith(_SYNC_FLUSH)
        if not decoder.eof and not is_flushed:
            raise _unreadable(payload, compression, "it ends too early")
        parts.append(part)
        rest = decoder.unused_data
        if rest and (compression not in {"gzip", "zstd"} or len(parts) == _MAX_MEMBERS):
            raise _unreadable(payload, compression, "more bytes follow its end")
    return parts[0] if len(parts) == 1 else b"".join(parts)


class _Stream:
    """Takes the compression off the messages of one connection, which are one stream.

    Each message ends with a flush, so that all of it can be read.
    """

    def __init__(
        self,
        compression: Compression,
        max_bytes: int,
        new: Callable[[], _Decoder],
    ) -> None:
        self._compression = compression
        self._max_bytes = max_bytes
        self._new = new
        self._decoder = new()
        # Set by the first error, after which the decoder's state means nothing.
        self._broken = False

    def __call__(self, payload: bytes) -> bytes:
        """Return the text that a message adds to the stream.

        Raises:
            PayloadTooBig: When it inflates to more than `max_bytes`.
            StreamBroken: When it does not go on with the stream.
        """
        if self._broken:
            raise self._unreadable(payload, "the stream broke before it")
        try:
            return self._inflated(payload)
        except Exception as error:
            self._broken = True
            if not _is_own(error):
                raise
            raise self._unreadable(payload, _reason(error)) from error

    def _inflated(self, payload: bytes) -> bytes:
        parts: list[bytes] = []
        room = self._max_bytes + 1
        rest = payload
        while rest:
            if self._decoder.eof:
                # A server may end a stream, and begin another on the same connection.
                self._decoder = self._new()
            parts.append(self._decoder.decompress(rest, room))
            room -= len(parts[-1])
            if room <= 0:
                raise _too_big(self._max_bytes)
            rest = self._decoder.unused_data if self._decoder.eof else b""
        return b"".join(parts)

    def _unreadable(self, payload: bytes, reason: str) -> ParseError:
        return _unreadable(payload, self._compression, reason, StreamBroken)


def _too_big(max_bytes: int) -> PayloadTooBig:
    msg = f"a message inflates to over {counted_bytes(max_bytes)} (max_message_bytes)"
    return PayloadTooBig(msg)


def _reason(error: Exception) -> str:
    """Return a library's own words, without its `… while decompressing data: `."""
    return str(error).rpartition(": ")[2]


def _unreadable(
    payload: bytes,
    compression: str,
    reason: str,
    error: type[ParseError] = ParseError,
) -> ParseError:
    return error(
        f"is not valid {compression} ({reason})",
        size=len(payload),
        advice="set payload_compression to what the feed sends, or on_parse_error: "
        "skip",
    )
