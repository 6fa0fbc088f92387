"""An open connection on picows: what is read, what of it picows gets, what is sent.

Plain messages never reach picows (see `Scanner`). It parses the other frames in
compiled code and checks little beyond that; what RFC 6455 asks of a client is checked
here: reserved bits, fragments, UTF-8 and Close frames.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import picows

from tap_websocket.network.peer import has_left, has_unread
from tap_websocket.transports.base import LINGER_SECONDS, Closing
from tap_websocket.transports.closing import ClosingDeadline
from tap_websocket.transports.flow import STALLED_TEXT, FlowControl
from tap_websocket.transports.frames import frames_of
from tap_websocket.transports.rfc6455 import (
    ABNORMAL,
    CLOSE,
    INVALID_DATA,
    PROTOCOL_ERROR,
    ViolationError,
    failed,
    lost,
    parse_close,
    unfinished,
    valid_prefix,
    violation,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.transports.base import Handshake, Listener

__all__ = ["Frames"]

_LOGGER = logging.getLogger("tap-websocket")

_BINARY = picows.WSMsgType.BINARY
_CONTINUATION = picows.WSMsgType.CONTINUATION
_CLOSE = picows.WSMsgType.CLOSE
_PING = picows.WSMsgType.PING
_PONG = picows.WSMsgType.PONG


class Frames(picows.WSListener):
    """Turns the frames of one connection into messages, control frames and an end.

    Args:
        handshake: Its bounds hold: `max_message_bytes` and `close_timeout`.
        listener: Is called back.
    """

    def __init__(self, handshake: Handshake, listener: Listener) -> None:
        self._handshake = handshake
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        # None before the connection is open, and again after its end.
        self._transport: picows.WSTransport | None = None
        # The payload so far of a fragmented message; None outside of one.
        self._fragments: bytearray | None = None
        # Whether that message is binary.
        self._binary = False
        # How the connection ended, from the frame on that decided it.
        self._closing: Closing | None = None
        # Nothing more is taken: a Close frame came, or this side gave up.
        self._over = False
        # picows has found a violation.
        self._has_refused = False
        # A Close frame is out or on its way: there is never a second one.
        self.sent_close = False
        # What ended TCP, as far as asyncio knows.
        self.lost: Exception | None = None
        # None before the connection is open.
        self._flow: FlowControl | None = None
        # Drops the connection when its closing handshake takes too long.
        self.deadline = ClosingDeadline()
        # Keeps the task that reports the end from being collected.
        self._watcher: asyncio.Task[None] | None = None

    def open(self, transport: asyncio.Transport) -> FlowControl:
        """Give the listener the open connection; return its flow control.

        Args:
            transport: Its reading is paused, until the flow control is started.
        """
        assert self._transport is not None  # noqa: S101 - set by on_ws_connected
        self._flow = flow = FlowControl(
            transport,
            stalled=lambda: self.drop(STALLED_TEXT),
            pong=self._transport.send_pong,
        )
        self._watcher = self._loop.create_task(self._watch(self._transport))
        self._listener.opened(_Handle(self, self._transport, flow, self._handshake))
        return flow

    @property
    def goes_on(self) -> bool:
        """Whether the server has neither closed the connection nor violated it."""
        return not (self._over or self._has_refused)

    @property
    def max_message_bytes(self) -> int:
        """The bound of one message."""
        return self._handshake.max_message_bytes

    @property
    def room(self) -> int:
        """Bytes that the next data frame may have, within its message's bound."""
        return self.max_message_bytes - len(self._fragments or b"")

    def take_plain(self, messages: list[bytes], binary: bool) -> bool:  # noqa: FBT001 - the scanner's
        """Take whole messages of one kind; return whether the connection goes on."""
        self._hand_on(messages, binary=binary)
        return self.goes_on

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """Keep the open connection (picows' callback)."""
        self._transport = transport

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Take a frame that is no plain message (picows' callback)."""
        if self._over:
            return
        kind = frame.msg_type
        payload: bytes = frame.get_payload_as_bytes()
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self.fail(PROTOCOL_ERROR, "reserved bits without an extension")
        elif kind in {_PING, _PONG}:
            if kind is _PING:
                self._answer_ping(transport, payload)
            self._listener.control(kind.value, payload)
        elif (kind is _CONTINUATION) is (self._fragments is None):
            reason = "unexpected" if self._fragments is None else "expected"
            self.fail(PROTOCOL_ERROR, f"{reason} continuation frame")
        else:
            self._take_data(payload, kind, fin=frame.fin)

    def _answer_ping(self, transport: picows.WSTransport, payload: bytes) -> None:
        if has_left(transport.underlying_transport):
            return
        if self._flow is None or not self._flow.holds_pong(payload):
            transport.send_pong(payload)

    def _take_data(self, payload: bytes, kind: picows.WSMsgType, *, fin: bool) -> None:
        """Take a fragment, or a message too large for the scanner."""
        if kind is not _CONTINUATION:
            self._binary = kind is _BINARY
        if fin and self._fragments is None:
            self._hand_on([payload], binary=self._binary)
            return
        if self._fragments is None:
            self._fragments = bytearray()
        self._fragments += payload
        if fin:
            message, self._fragments = bytes(self._fragments), None
            self._hand_on([message], binary=self._binary)
        else:
            self._listener.fragment()

    def take_close(self, payload: bytes) -> None:
        """Take a Close frame: answer it, unless it is the answer to ours."""
        transport = self._transport
        if transport is None:
            return
        try:
            code, reason = parse_close(payload)
        except ViolationError as error:
            self.fail(error.code, str(error))
            return
        if self._fragments is not None:
            _LOGGER.warning(unfinished(len(self._fragments)))
        self._closing = Closing(code, reason)
        self._over = True
        self._listener.control(CLOSE, payload)
        if not self.sent_close:
            self.sent_close = True
            # Even when the server's FIN is right behind its Close: many still read,
            # and nothing that is not read yet can be lost any more.
            transport.send(_CLOSE, payload)
        self.bound_closing(self._handshake.close_timeout)

    def bound_closing(self, seconds: float) -> None:
        """Drop the connection after a time, unless it has ended by then."""
        if self._transport is not None and not self.deadline.is_set:
            self.deadline.start(seconds, self._transport.underlying_transport.abort)

    def _hand_on(self, messages: list[bytes], *, binary: bool) -> None:
        unchecked = binary or not self._handshake.checks_text
        valid = len(messages) if unchecked else valid_prefix(messages)
        if valid:
            self._listener.messages(messages[:valid], binary=binary)
        if valid < len(messages):
            self.fail(INVALID_DATA, "a text message is not valid UTF-8")

    def refused(self) -> None:
        """Give up: picows itself has found a violation, and has sent a Close frame.

        It would go on parsing behind the refused header until it hangs up. So nothing
        more is read, and nobody waits for what it would hang up in good order for.
        """
        self._has_refused = True
        if self._transport is not None:
            self._give_up(self._transport.underlying_transport)

    def fail(self, code: int, reason: str) -> None:
        """Fail the connection (RFC 6455, section 7.1.7)."""
        transport = self._transport
        if transport is None or self._over:
            return
        self._over = True
        self._closing = violation(code, reason)
        self.sent_close = True
        # Reading stops first: with the Close frame the server may hang up.
        self._give_up(transport.underlying_transport)
        transport.send_close(picows.WSCloseCode(code), reason)

    def drop(self, failure: str) -> None:
        """Drop the connection at once."""
        if self._transport is not None and not self._over:
            self._over = True
            self._closing = Closing(ABNORMAL, failure=failure)
            self._transport.underlying_transport.abort()

    def _give_up(self, transport: asyncio.Transport) -> None:
        """Read no more, and drop the connection once a Close frame may be out."""
        transport.pause_reading()
        self.deadline.start(LINGER_SECONDS, transport.abort, reads=False)

    async def _watch(self, transport: picows.WSTransport) -> None:
        """Wait for the end of the connection, and report it."""
        closing: Closing | None = None
        try:
            await transport.wait_disconnected()
        except picows.WSProtocolError as error:
            closing = violation(int(error.args[0].value), str(error.args[1]))
            # picows keeps the error, and its traceback would keep all of this.
            error.__traceback__ = None
        except Exception as error:  # noqa: BLE001 - reported as the end that it is
            # Whatever the server said to the Close frame that picows has sent.
            self._closing = Closing(ABNORMAL, failure=failed(error))
            error.__traceback__ = None
        self._over = True
        self._fragments = None
        # picows' logger knows this object: with the reference the two would wait for
        # the garbage collector, with all that was read.
        self._transport = self._flow = None
        self.deadline.stop()
        self._listener.closed(self._closing or closing or lost(self.lost))


class _Handle:
    """The connection as the feed sees it."""

    def __init__(
        self,
        frames: Frames,
        transport: picows.WSTransport,
        flow: FlowControl,
        handshake: Handshake,
    ) -> None:
        self._frames = frames
        self._transport = transport
        self._flow = flow
        self._close_timeout = handshake.close_timeout

    def send(self, *messages: str | bytes) -> None:
        # picows writes each frame by itself.
        self._while_open(
            lambda: self._transport.underlying_transport.write(frames_of(messages))
        )

    def ping(self, payload: bytes) -> None:
        self._while_open(lambda: self._transport.send_ping(payload))

    def close(self, code: int, reason: str = "") -> None:
        closing = picows.WSCloseCode(code)
        self._frames.sent_close = True
        self._while_open(lambda: self._transport.send_close(closing, reason))
        self._frames.bound_closing(self._close_timeout)

    def _while_open(self, act: Callable[[], None]) -> None:
        transport = self._transport
        if self._frames.goes_on and not (
            transport.is_disconnected
            or transport.is_close_frame_sent
            or has_left(transport.underlying_transport)
        ):
            act()
            self._flow.check()

    def abort(self) -> None:
        self._transport.underlying_transport.abort()

    def has_unread(self) -> bool:
        return has_unread(self._transport.underlying_transport)

    def pause(self) -> None:
        self._flow.pause()
        self._frames.deadline.pause()

    def resume(self) -> None:
        self._flow.resume()
        self._frames.deadline.resume()
