"""The library's Sans-I/O protocol, but for Close and Ping frames."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from websockets import exceptions
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode

from tap_websocket.network.errors import forget_frames
from tap_websocket.transports.rfc6455 import (
    INVALID_DATA,
    MAX_CONTROL_BYTES,
    ViolationError,
    parse_close,
    unfinished,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FeedProtocol"]

_LOGGER = logging.getLogger("tap-websocket")

_DATA = frozenset({Opcode.CONT, Opcode.TEXT, Opcode.BINARY})


class FeedProtocol(ClientProtocol):
    """Takes frames as the library does, but for Close and Ping frames.

    Args:
        given: The protocol that the library has made, to take the place of.
        max_message_bytes: Bound of one message.
    """

    def __init__(self, given: ClientProtocol, max_message_bytes: int) -> None:
        super().__init__(
            given.uri,
            extensions=given.available_extensions,
            subprotocols=given.available_subprotocols,
            # The library's bound is one of control frames too.
            max_size=max_message_bytes + MAX_CONTROL_BYTES,
            logger=given.logger,
        )
        self._max_message_bytes = max_message_bytes
        # It would wait for the garbage collector: its parser knows it.
        given.parser.close()
        # What is wrong with the Close frame that was received.
        self.bad_close: ViolationError | None = None
        # Keeps a Ping's payload, and answers later, where it returns True.
        self.holds_pong: Callable[[bytes], bool] = _holds_nothing

    def forget(self) -> None:
        """Drop references to what refers to this: the connection has ended."""
        self.holds_pong = _holds_nothing
        self.parser.close()
        for error in (self.parser_exc, self.bad_close, self.handshake_exc):
            if error is not None:
                forget_frames(error)

    def recv_frame(self, frame: Frame) -> None:
        """Process an incoming frame.

        A Ping is answered later where the server does not read (see `FlowControl`).

        websockets 17.4 fails a connection that is closed inside of a fragmented
        message, which RFC 6455 allows (section 5.4), and forgets the code. It names no
        invalid code.

        Raises:
            PayloadTooBig: When a message is larger than its bound.
            ProtocolError: When a Close frame has a code that may not be sent.
        """
        if frame.opcode in _DATA:
            self._check_size(frame)
        if frame.opcode is Opcode.PING and self.holds_pong(bytes(frame.data)):
            self.events.append(frame)
            return
        if frame.opcode is Opcode.CLOSE:
            try:
                parse_close(bytes(frame.data))
            except ViolationError as error:
                self.bad_close = error
                # What is wrong with the reason, the library finds and answers itself.
                if error.code != INVALID_DATA:
                    raise exceptions.ProtocolError(str(error)) from error
            if self.current_size is not None and self.bad_close is None:
                _LOGGER.warning(unfinished(self.current_size))
                self.current_size = None
        super().recv_frame(frame)

    def _check_size(self, frame: Frame) -> None:
        before = self.current_size or 0
        if before + len(frame.data) > self._max_message_bytes:
            raise exceptions.PayloadTooBig(len(frame.data), self._max_message_bytes)


def _holds_nothing(_: bytes) -> bool:
    """Have the library answer a Ping."""
    return False
