"""An open connection of the websockets library, without the library's queue.

Frames go to the listener in batches, one batch for each read from the socket. Plain
messages never reach the library, unless they may be compressed (see `Scanner`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from websockets import exceptions
from websockets.asyncio.client import ClientConnection
from websockets.frames import CloseCode, Frame
from websockets.protocol import State

from tap_websocket.network.errors import HandshakeError
from tap_websocket.network.peer import has_left, has_unread, undelivered
from tap_websocket.transports.answer import AnswerReader
from tap_websocket.transports.base import LINGER_SECONDS, Closing
from tap_websocket.transports.closing import ClosingDeadline
from tap_websocket.transports.flow import STALLED_TEXT, FlowControl
from tap_websocket.transports.rfc6455 import (
    ABNORMAL,
    PROTOCOL_ERROR,
    TOO_BIG,
    lost,
    violation,
)
from tap_websocket.transports.scanner import Scanner
from tap_websocket.transports.websockets.assembly import MessageAssembly
from tap_websocket.transports.websockets.pieces import Pieces

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from websockets.protocol import Event

    from tap_websocket.transports.base import Handshake, Listener
    from tap_websocket.transports.websockets.protocol import FeedProtocol

__all__ = ["FeedConnection"]


class FeedConnection(ClientConnection):
    """A connection that hands messages to its listener as they are read.

    Args:
        protocol: The library's Sans-I/O protocol.
        handshake: What was asked for.
        listener: Is called back, from `open` on.
        options: The library's own.
    """

    protocol: FeedProtocol

    def __init__(
        self,
        protocol: FeedProtocol,
        handshake: Handshake,
        listener: Listener,
        **options: Any,  # noqa: ANN401 - the library's
    ) -> None:
        super().__init__(protocol, **options)
        self._handshake = handshake
        self._listener = listener
        # Reads the server's answer; None as soon as that is whole.
        self._answer: AnswerReader | None = AnswerReader(
            protocol.key,
            subprotocols=handshake.subprotocols,
            compression=handshake.compression,
        )
        # Why the handshake failed, where the answer says so.
        self.problem: HandshakeError | None = None
        # The listener has the connection.
        self._opened = False
        # TCP is over.
        self._ended = False
        # This side has failed the connection, for a text that is not UTF-8.
        self._failed = False
        # Why this side has dropped the connection, in words.
        self._dropped = ""
        # The first error of reading or writing. websockets keeps it, too, but 17.4
        # gave that attribute another name than 17.3 had.
        self._broken_by: Exception | None = None
        # What came behind the answer, until the listener has the connection.
        self._unscanned = bytearray()
        # One of the two is there from then to the end: with an extension the second.
        self._scanner: Scanner | None = None
        self.pieces: Pieces | None = None
        self._messages = MessageAssembly(listener, checks_text=handshake.checks_text)
        # Drops a connection whose closing handshake takes too long.
        self.deadline = ClosingDeadline()
        self._flow: FlowControl | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection (asyncio's callback)."""
        super().connection_made(transport)
        self._flow = FlowControl(
            self.transport,
            stalled=self._stalled,
            pong=self._pong,
        )
        self.protocol.holds_pong = self._flow.holds_pong

    def abandon(self) -> None:
        """Take the end of a handshake in which TLS has failed: asyncio tells nobody."""
        if self._flow is None:
            self.protocol.forget()

    def open(self) -> None:
        """Give the listener the connection, then what came along with the handshake."""
        assert self._flow is not None  # noqa: S101 - the connection is made
        self._opened = True
        if not (self.protocol.extensions or self._ended):
            self._scanner = Scanner(
                self._handshake.max_message_bytes,
                messages=self._take_plain,
                others=self._take_others,
            )
        else:
            flow = self._flow
            self.pieces = Pieces(self._take_others, lambda: flow.is_paused)
        try:
            self._listener.opened(_Handle(self, self._flow))
        except BaseException:
            self.transport.abort()
            raise
        unscanned, self._unscanned = bytes(self._unscanned), bytearray()
        if unscanned:
            self.data_received(unscanned)
        if self._ended:
            self.pieces = None
            self._listener.closed(self._closing())
        else:
            self._flow.start()

    def data_received(self, data: bytes) -> None:
        """Take what was read (asyncio's callback)."""
        if self._answer is not None:
            self._read_answer(data)
        elif not self._opened:
            self._unscanned += data
        elif self._scanner is not None:
            self._scanner.feed(data)
        elif self.pieces is not None:
            self.pieces.feed(data)

    def _read_answer(self, data: bytes) -> None:
        """Read the server's answer; give the library a plain one."""
        assert self._answer is not None  # noqa: S101 - the caller has looked
        if self.transport.is_closing():
            return
        try:
            agreed = self._answer.feed(data)
        except HandshakeError as error:
            self.problem = error
            # The library waits for the end, which does not wait for the peer.
            self.transport.abort()
            return
        if agreed is not None:
            self._answer = None
            self._unscanned += agreed.rest
            # What follows stays in the socket until the listener is there.
            self.transport.pause_reading()
            super().data_received(agreed.head)

    def process_event(self, event: Event) -> None:
        """Take a frame, and leave the rest to the library."""
        if isinstance(event, Frame):
            self._messages.take(event)
            self._check_text()
        else:
            super().process_event(event)

    def _take_plain(self, messages: list[bytes], binary: bool) -> bool:  # noqa: FBT001 - the scanner's
        self._messages.take_whole(messages, binary=binary)
        self._check_text()
        return self._goes_on

    def _take_others(self, data: bytes) -> bool:
        if self._goes_on:
            super().data_received(data)
            self._messages.deliver()
            self._check_text()
            self.bound_closing()
        return self._goes_on

    @property
    def _goes_on(self) -> bool:
        """Whether the server has neither closed the connection nor violated it."""
        protocol = self.protocol
        return protocol.parser_exc is None and protocol.close_rcvd is None

    def eof_received(self) -> None:
        """Take what is left, then the FIN (asyncio's callback)."""
        self._take_undelivered()
        super().eof_received()

    def _take_undelivered(self) -> None:
        if rest := undelivered(self.transport):
            self.data_received(rest)
        if self.pieces is not None:
            self.pieces.go_on(held_too=True)

    def send_data(self) -> None:
        """Write what is to be written, unless the peer has left.

        The answer to its Close is written even then: many still read, and nothing that
        is not read yet can be lost any more.
        """
        protocol = self.protocol
        if protocol.writes and protocol.close_rcvd is None and has_left(self.transport):
            protocol.data_to_send()
            return
        try:
            super().send_data()
        except Exception as error:
            self._broken_by = self._broken_by or error
            raise

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of TCP (asyncio's callback)."""
        if self._flow is None:
            # asyncio of Python 3.11.7 and 3.12.1, where TLS within TLS fails.
            return
        self._take_undelivered()
        self._broken_by = self._broken_by or exc
        super().connection_lost(exc)
        self.deadline.stop()
        self._flow.stop()
        self._messages.deliver()
        self._check_text()
        self._ended = True
        # All of these know the connection, which would wait for the garbage collector.
        self._scanner = self.pieces = None
        self.protocol.forget()
        if self._opened:
            self._listener.closed(self._closing())

    def pause_writing(self) -> None:
        """Watch what waits to be written: it is much (asyncio's callback)."""
        super().pause_writing()
        if self._flow is not None:
            self._flow.pause_writing()

    def resume_writing(self) -> None:
        """Go on as before: less waits to be written (asyncio's callback)."""
        super().resume_writing()
        if self._flow is not None:
            self._flow.resume_writing()

    def _pong(self, payload: bytes) -> None:
        if self.protocol.state is State.OPEN:
            self.protocol.send_pong(payload)
            self.send_data()

    def _stalled(self) -> None:
        self._dropped = STALLED_TEXT
        self.transport.abort()

    def bound_closing(self) -> None:
        """Set a deadline for a closing handshake, whatever the peer does."""
        if not self.deadline.is_set and self.protocol.close_expected():
            violated = self.protocol.parser_exc is not None
            wait = LINGER_SECONDS if violated else self.close_timeout
            self.deadline.start(wait or 0, self.transport.abort, reads=not violated)

    def _check_text(self) -> None:
        """Fail the connection where a text message was not UTF-8 (section 8.1)."""
        if not self._messages.is_invalid or self._failed:
            return
        self._failed = True
        error = exceptions.ProtocolError("a text message is not valid UTF-8")
        self.protocol.parser_exc = error
        if self.protocol.state is not State.CLOSED:
            self.protocol.fail(CloseCode.INVALID_DATA, str(error))
            self.send_data()
            self.bound_closing()

    def _closing(self) -> Closing:
        """Return how the connection ended; what was decided first counts."""
        protocol = self.protocol
        cause = protocol.parser_exc
        if self._dropped:
            return Closing(ABNORMAL, failure=self._dropped)
        if protocol.bad_close is not None:
            return violation(protocol.bad_close.code, str(protocol.bad_close))
        if isinstance(cause, exceptions.PayloadTooBig):
            return violation(TOO_BIG, "")
        if isinstance(cause, exceptions.ProtocolError):
            return violation(PROTOCOL_ERROR, str(cause))
        if protocol.close_rcvd is not None:
            return Closing(protocol.close_rcvd.code, protocol.close_rcvd.reason)
        return lost(self._broken_by)


class _Handle:
    """The connection as the feed sees it."""

    def __init__(self, connection: FeedConnection, flow: FlowControl) -> None:
        self._connection = connection
        self._flow = flow

    def send(self, *messages: str | bytes) -> None:
        protocol = self._connection.protocol

        def frame() -> None:
            for message in messages:
                if isinstance(message, str):
                    protocol.send_text(message.encode())
                else:
                    protocol.send_binary(message)
            # The library writes each frame by itself.
            protocol.writes = [b"".join(protocol.writes)]

        self._write(frame)

    def ping(self, payload: bytes) -> None:
        self._write(lambda: self._connection.protocol.send_ping(payload))

    def close(self, code: int, reason: str = "") -> None:
        self._write(lambda: self._connection.protocol.send_close(code, reason))

    def _write(self, act: Callable[[], None]) -> None:
        connection = self._connection
        if connection.transport.is_closing():
            return
        try:
            act()
        except exceptions.InvalidState:
            # It is closing or closed: nothing is said any more.
            return
        connection.send_data()
        connection.bound_closing()
        self._flow.check()

    def abort(self) -> None:
        self._connection.transport.abort()

    def has_unread(self) -> bool:
        return has_unread(self._connection.transport)

    def pause(self) -> None:
        self._flow.pause()
        self._connection.deadline.pause()

    def resume(self) -> None:
        self._flow.resume()
        if self._connection.pieces is not None:
            self._connection.pieces.go_on()
        self._connection.deadline.resume()
