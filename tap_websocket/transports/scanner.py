"""Plain messages, cut out of the stream before a library looks at each frame.

A library parses a frame, makes an object of it and calls back: microseconds, where a
feed of small messages leaves none. A whole, unfragmented data frame needs nothing of
that. It is cut out here; every other frame goes to the library, byte for byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Scanner", "parse_header"]

_TEXT = 0x81
_BINARY = 0x82
_SHORT = 125
_MEDIUM, _LONG = 126, 127
_LARGE_BYTES = 64 * 1024
"""The beginning of a larger frame is handed on at once, and not kept until its end."""


class Scanner:
    """Splits what is read from a socket into plain messages and other frames.

    A plain message is a text or binary frame with FIN, without reserved bits and mask
    (RFC 6455, section 5.2), of at most `max_message_bytes`, outside of a fragmented
    message. It begins between two frames.

    Args:
        max_message_bytes: Larger messages are among the other frames.
        messages: Takes plain messages of one kind (binary or not).
        others: Takes the bytes of other frames. Both return whether the connection
            goes on; when it does not, `others` is given everything that follows.
        fragmented: A fragmented message has begun.
    """

    def __init__(
        self,
        max_message_bytes: int,
        *,
        messages: Callable[[list[bytes], bool], bool],
        others: Callable[[bytes], bool],
        fragmented: bool = False,
    ) -> None:
        self._max_bytes = max_message_bytes
        self._messages = messages
        self._others = others
        # Between the first frame of a fragmented message and its last one.
        self._fragmented = fragmented
        # First byte of the plain messages that are cut out now; feeds hardly change it.
        self._kind = _TEXT
        # The beginning of a header or of a plain message, until the rest of it is read.
        self._rest = b""
        # Bytes to come of a frame whose beginning `others` has taken.
        self._owed = 0
        # A callback has returned that the connection does not go on.
        self._over = False

    def feed(self, data: bytes) -> None:
        """Split what was read, behind what was read before, and hand it on."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        start, end = 0, len(data)
        if self._owed and not self._over:
            start = self._hand_on(data, 0, self._owed)
        while start < end and not self._over:
            batch: list[bytes] = []
            if not self._fragmented:
                start = self._cut(data, start, batch)
            if batch:
                self._over = not self._messages(batch, self._kind == _BINARY)
                continue
            head = parse_header(data, start) if start < end else None
            if head is None:
                self._rest = data[start:]
                return
            begin, size = head
            stop = begin + size
            plain = self._is_plain(data, start, size)
            if plain and stop <= end:
                self._kind = data[start]
                message = data[begin:stop]
                self._over = not self._messages([message], self._kind == _BINARY)
                start = stop
            elif plain and size <= _LARGE_BYTES:
                self._rest = data[start:]
                return
            else:
                self._note(data[start])
                start = self._hand_on(data, start, stop - start)
        if self._over and start < end:
            self._others(data[start:])

    def _cut(self, data: bytes, start: int, batch: list[bytes]) -> int:
        """Cut messages of one kind out of the data, up to anything else.

        Returns:
            Where that begins.
        """
        kind, limit, end = self._kind, self._max_bytes, len(data)
        append = batch.append
        try:
            while data[start] == kind:
                size = data[start + 1]
                begin = start + 2
                if size > _SHORT:
                    if size != _MEDIUM:
                        break
                    size = data[begin] << 8 | data[begin + 1]
                    begin += 2
                stop = begin + size
                if stop > end or size > limit:
                    break
                append(data[begin:stop])
                start = stop
        except IndexError:
            # The data ends, in a header or behind a frame.
            pass
        return start

    def _is_plain(self, data: bytes, start: int, size: int) -> bool:
        return (
            data[start] in {_TEXT, _BINARY}
            and data[start + 1] <= _LONG
            and size <= self._max_bytes
            and not self._fragmented
        )

    def _note(self, first: int) -> None:
        """Follow whether a fragmented message begins or ends with a frame."""
        is_control, is_last = first & 0x08, first & 0x80
        if not is_control:
            self._fragmented = not is_last

    def _hand_on(self, data: bytes, start: int, size: int) -> int:
        """Hand on a frame, or as much of it as there is; return where that ends."""
        stop = min(start + size, len(data))
        self._owed = start + size - stop
        self._over = not self._others(data[start:stop])
        return stop


def parse_header(data: bytes, start: int) -> tuple[int, int] | None:
    """Return where a frame's payload begins, and its size; None until that is known."""
    if start + 2 > len(data):
        return None
    second = data[start + 1]
    size = second & 0x7F
    begin = start + 2
    extra = {_MEDIUM: 2, _LONG: 8}.get(size, 0)
    masked = 4 if second & 0x80 else 0
    if begin + extra + masked > len(data):
        return None
    if extra:
        size = int.from_bytes(data[begin : begin + extra], "big")
    return begin + extra + masked, size
