"""The first half of the way from a message to documents: bytes to texts."""

from __future__ import annotations

import base64
import codecs
import functools
import json
from typing import TYPE_CHECKING

from tap_websocket.errors import ConfigError, ParseError
from tap_websocket.feed.inbound import CloseAction
from tap_websocket.largejson import parsing
from tap_websocket.largejson.scanner import scan
from tap_websocket.records.decompression import (
    PayloadTooBig,
    StreamBroken,
    ZstdMissing,
    is_stream,
    make_decompress,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_websocket.feed.inbound import Origin
    from tap_websocket.records.batch import Batch
    from tap_websocket.settings import DecodingSettings

    Read = Callable[[bytes], bytes]
    """Makes a message of a payload; raises `ParseError` where that is not possible."""

__all__ = [
    "PayloadReader",
    "Read",
    "encode_binary",
    "is_utf8",
    "json_documents",
    "split",
]

_READ_BYTES = 1024 * 1024
"""What messages take that are read before those in front of them are taken."""


class PayloadReader:
    """Reads binary messages: without the feed's compression, and as JSON.

    Args:
        settings: `payload_compression` and `max_message_bytes`.
        codec: Makes a JSON document of a binary message; None: it is one as it is.
        unreadable: Takes a message that is not what the settings say; it may raise.

    Attributes:
        inflates: Binary messages are compressed.

    Raises:
        ConfigError: When an extra is missing.
    """

    def __init__(
        self,
        settings: DecodingSettings,
        codec: Read | None,
        *,
        unreadable: Callable[[Batch, bytes, ParseError], None],
    ) -> None:
        compression, limit = settings.payload_compression, settings.max_message_bytes
        self._make_decompress = functools.partial(make_decompress, compression, limit)
        self._is_stream = is_stream(compression)
        try:
            # Of no use for streams, apart from what is missing being found at once.
            self._decompress = self._make_decompress()
        except ZstdMissing as error:
            raise ConfigError([f"payload_compression: {error}"]) from error
        self._decode = codec
        self._unreadable = unreadable
        self.inflates = compression != "none"

    def inflated(self, batch: Batch, payloads: list[bytes]) -> Iterator[list[bytes]]:
        """Yield binary messages without the feed's own compression, some at once.

        Raises:
            ParseError: When one is not what `payload_compression` says; those before it
                were yielded.
        """
        inflate = functools.partial(self.inflate, batch.arrival.origin)
        yield from self._some(batch, payloads, inflate)

    def decoded(self, batch: Batch, messages: list[bytes]) -> Iterator[list[bytes]]:
        """Yield binary messages as JSON, some at once.

        Raises:
            ParseError: When one is not what `message_format` says; those before it were
                yielded.
        """
        if self._decode is None:
            yield messages
        else:
            yield from self._some(batch, messages, self._decode)

    def _some(
        self, batch: Batch, messages: list[bytes], read: Read
    ) -> Iterator[list[bytes]]:
        """Yield what is made of messages, some at once, up to where nothing follows.

        Raises:
            ParseError: When one cannot be read, with `on_parse_error: fail`.
        """
        ready: list[bytes] = []
        size = 0
        for message in messages:
            if size >= _READ_BYTES:
                yield ready
                ready, size = [], 0
            try:
                ready.append(read(message))
            except ParseError as error:
                yield ready
                ready, size = [], 0
                if batch.is_over or not self._goes_on(batch, message, error):
                    return
            else:
                size += len(ready[-1])
        yield ready

    def _goes_on(self, batch: Batch, message: bytes, error: ParseError) -> bool:
        """Take a message that cannot be read; return whether those behind it can be.

        Raises:
            ParseError: With `on_parse_error: fail`.
        """
        result = batch.result
        if isinstance(error, PayloadTooBig):
            result.directive = CloseAction.TOO_BIG
            return False
        self._unreadable(batch, message, error)
        if isinstance(error, StreamBroken):
            result.directive = result.directive or CloseAction.BROKEN_STREAM
            return False
        return True

    def inflate(self, origin: Origin, payload: bytes) -> bytes:
        """Return a binary message of a connection without the feed's own compression.

        Every binary message of a connection has to be passed, in order.

        Raises:
            PayloadTooBig: When it inflates to more than `max_message_bytes`.
            StreamBroken: When the connection's stream cannot be read any more.
            ParseError: When it is not what the setting says.
        """
        if self._is_stream and origin.decompress is None:
            origin.decompress = self._make_decompress()
        return (origin.decompress or self._decompress)(payload)


def is_utf8(payload: bytes) -> bool:
    """Return whether a payload is UTF-8 (RFC 3629)."""
    if payload.isascii():
        # A fraction of what decoding costs, and most feeds are.
        return True
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def split(payload: bytes, separator: str | None) -> list[bytes]:
    """Return the documents of a message, split at `record_separator`.

    Empty ones are dropped; without a separator the message is one document. UTF-8 can
    be split before it is decoded: no character's bytes stand inside of another's.

    With an empty separator these are JSON documents, one behind the other. What comes
    behind the last that can be read is a document, too: it is reported where it is
    parsed.
    """
    if separator is None:
        return [payload]
    if not separator:
        return list(json_documents(payload))
    return [part for part in payload.split(separator.encode()) if part]


# Numbers stay texts: here it only matters where a document ends.
_scan = json.JSONDecoder(parse_float=str, parse_int=str).raw_decode
_WHITE_SPACE = " \t\r\n"


def json_documents(payload: bytes) -> Iterator[bytes]:
    """Yield the JSON documents of a message that follow each other."""
    if not is_utf8(payload):
        yield payload
        return
    # A byte order mark is read past as where a message is one document.
    payload = payload.removeprefix(codecs.BOM_UTF8).rstrip(_WHITE_SPACE.encode())
    begin = 0
    while begin < len(payload):
        # A character that is cut at the end is in a document that is cut.
        block = payload[begin : begin + parsing.LARGE_BYTES].decode(errors="ignore")
        is_last = begin + parsing.LARGE_BYTES >= len(payload)
        at = _after_white_space(block, 0)
        first = at
        while at < len(block):
            try:
                _, end = _scan(block, at)
            except (ValueError, RecursionError):
                break
            if end == len(block) and not is_last:
                # A number may go on.
                break
            yield block[at:end].encode()
            at = _after_white_space(block, end)
        begin += len(block[:at].encode())
        if at == first and at < len(block):
            end = len(payload) if is_last else _end_of_large(payload, begin)
            yield payload[begin:end]
            begin = end


def _end_of_large(payload: bytes, begin: int) -> int:
    """Return where a document ends; what cannot be read goes to the end of all."""
    try:
        if payload[begin : begin + 1] in {b"{", b"["}:
            return scan(payload, begin).end
        text = payload[begin:].decode()
        _, end = _scan(text, 0)
    except (ValueError, RecursionError):
        return len(payload)
    return begin + len(text[:end].encode())


def _after_white_space(text: str, begin: int) -> int:
    while begin < len(text) and text[begin] in _WHITE_SPACE:
        begin += 1
    return begin


def encode_binary(payload: bytes) -> str:
    """Return the document of a message in `binary` format: its base64."""
    return base64.b64encode(payload).decode("ascii")
