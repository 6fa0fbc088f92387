"""What is read from the socket: which of it picows gets, and in which form."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tap_websocket.network.peer import undelivered
from tap_websocket.transports.picows.header import shortened
from tap_websocket.transports.rfc6455 import CLOSE, MAX_CONTROL_BYTES, TOO_BIG
from tap_websocket.transports.scanner import Scanner, parse_header

if TYPE_CHECKING:
    from tap_websocket.transports.flow import FlowControl
    from tap_websocket.transports.picows.connection import Frames

__all__ = ["hand_over"]

_WHOLE_CLOSE = 0x80 | CLOSE


def hand_over(
    frames: Frames,
    inner: Any,  # noqa: ANN401 - the stub has no such class
    transport: asyncio.Transport,
    rest: bytes,
) -> None:
    """Begin to read frames: first what came right behind the handshake.

    Args:
        frames: Takes messages, and gives the listener the connection.
        inner: picows' protocol, which has read the server's consent.
        transport: Its reading is paused.
        rest: The beginning of the frames.
    """
    reads = _Reads(frames, inner, transport)
    transport.set_protocol(reads)
    try:
        reads.flow = frames.open(transport)
    except BaseException:
        transport.abort()
        raise
    if rest:
        reads.data_received(rest)
    reads.flow.start()


class _Reads(asyncio.Protocol):
    """Takes picows' place at the socket, and gives it the frames that are left.

    Args:
        frames: Takes messages and Close frames.
        inner: picows' protocol.
        transport: The socket, or TLS over it.
    """

    def __init__(
        self,
        frames: Frames,
        inner: Any,  # noqa: ANN401 - the stub has no such class
        transport: asyncio.Transport,
    ) -> None:
        self._frames = frames
        self._inner = inner
        self._transport = transport
        self._scanner: Scanner | None = Scanner(
            frames.max_message_bytes,
            messages=frames.take_plain,
            others=self._take_others,
        )
        # Bytes to come of the frame whose beginning was taken.
        self._owed = 0
        # The payload so far of a Close frame; None outside of one.
        self._close: bytearray | None = None
        # None until the listener has the connection.
        self.flow: FlowControl | None = None

    def data_received(self, data: bytes) -> None:
        if self._scanner is not None:
            self._scanner.feed(data)

    def _take_others(self, data: bytes) -> bool:
        """Take a frame, or the next part of it; return whether there may be more."""
        frames = self._frames
        if not frames.goes_on:
            # Nothing behind a Close or a violation is looked at (section 1.4).
            return False
        if self._owed:
            self._owed -= len(data)
        else:
            data = self._begin(data)
        if self._close is None:
            self._hand_on(data)
        else:
            self._close += data
            if not self._owed:
                frames.take_close(bytes(self._close))
        return frames.goes_on

    def _begin(self, data: bytes) -> bytes:
        """Look at a frame's header; return what is left to be handed on."""
        header = parse_header(data, 0)
        assert header is not None  # noqa: S101 - the scanner waits for it
        begin, size = header
        self._owed = begin + size - len(data)
        first, is_masked = data[0], data[1] & 0x80
        if first == _WHOLE_CLOSE and size <= MAX_CONTROL_BYTES and not is_masked:
            # picows 2.3 would answer a bad code without naming it.
            self._close = bytearray()
            return data[begin:]
        if not first & 0x08 and not is_masked and size > self._frames.room:
            # Before any of it is kept; picows knows the bound of a frame alone.
            self._frames.fail(TOO_BIG, "message too big")
            return b""
        return shortened(data, begin, size)

    def _hand_on(self, data: bytes) -> None:
        """Give bytes to picows, into its own buffer."""
        rest = memoryview(data)
        while rest and self._frames.goes_on:
            room = self._inner.get_buffer(len(rest))
            size = min(len(room), len(rest))
            room[:size] = rest[:size]
            rest = rest[size:]
            self._inner.buffer_updated(size)

    def eof_received(self) -> bool | None:
        self._take_undelivered()
        answer: bool | None = self._inner.eof_received()
        return answer

    def connection_lost(self, exc: Exception | None) -> None:
        self._take_undelivered()
        if self.flow is not None:
            self.flow.stop()
        # The two know each other, and would wait for the garbage collector.
        self._scanner = None
        self._frames.lost = exc
        self._inner.connection_lost(exc)

    def _take_undelivered(self) -> None:
        if rest := undelivered(self._transport):
            self.data_received(rest)

    def pause_writing(self) -> None:
        if self.flow is not None:
            self.flow.pause_writing()

    def resume_writing(self) -> None:
        if self.flow is not None:
            self.flow.resume_writing()
