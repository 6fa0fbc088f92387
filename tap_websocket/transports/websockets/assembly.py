"""The library's frames, assembled to messages that are handed on in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from websockets.frames import Frame, Opcode

from tap_websocket.transports.base import LARGE_BYTES
from tap_websocket.transports.rfc6455 import valid_prefix

if TYPE_CHECKING:
    from tap_websocket.transports.base import Listener

__all__ = ["MessageAssembly"]

_DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


class MessageAssembly:
    """Takes the frames of one connection, and gives its listener messages.

    Args:
        listener: Is called back.
        checks_text: A text message that is not UTF-8 is a violation.

    Attributes:
        is_invalid: There was such a message: nothing is taken any more.
    """

    def __init__(self, listener: Listener, *, checks_text: bool) -> None:
        self._listener = listener
        self._checks_text = checks_text
        # Messages that are complete and not handed on; all are of one kind.
        self._batch: list[bytes] = []
        self._binary = False
        # The payload so far of a fragmented message.
        self._fragments = bytearray()
        self.is_invalid = False

    def take(self, frame: Frame) -> None:
        """Take a frame; a control frame is handed on behind the messages before it."""
        if self.is_invalid:
            return
        opcode = frame.opcode
        if opcode not in _DATA:
            self.deliver()
            if not self.is_invalid:
                self._listener.control(opcode, bytes(frame.data))
            return
        data = frame.data if type(frame.data) is bytes else bytes(frame.data)
        if opcode is not Opcode.CONT:
            binary = opcode is Opcode.BINARY
            if binary is not self._binary:
                self.deliver()
                self._binary = binary
            if frame.fin:
                self._add(data)
                return
        self._fragments += data
        if frame.fin:
            data, self._fragments = bytes(self._fragments), bytearray()
            self._add(data)
        else:
            self._listener.fragment()

    def take_whole(self, messages: list[bytes], *, binary: bool) -> None:
        """Hand on messages of one kind that are assembled already."""
        self._binary = binary
        self._batch = messages
        self.deliver()

    def _add(self, message: bytes) -> None:
        """Add a message to the batch; a large one is a batch of its own."""
        if len(message) > LARGE_BYTES:
            self.deliver()
        self._batch.append(message)
        if len(message) > LARGE_BYTES:
            self.deliver()

    def deliver(self) -> None:
        """Hand on the messages that are complete, up to one that is invalid."""
        if not self._batch or self.is_invalid:
            return
        batch, self._batch = self._batch, []
        unchecked = self._binary or not self._checks_text
        valid = len(batch) if unchecked else valid_prefix(batch)
        if valid:
            self._listener.messages(batch[:valid], binary=self._binary)
        self.is_invalid = valid < len(batch)
