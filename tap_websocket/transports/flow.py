"""Flow control: when a connection is read, and how much may wait to be written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["STALLED_TEXT", "FlowControl"]

STALLED_TEXT = "the server does not read what is sent to it"

_HIGH_BYTES = 1024 * 1024
"""From here on what can wait waits: Pongs."""

_LOW_BYTES = 256 * 1024
"""They go on when no more than this waits to be written."""

_MAX_ANSWERS_BYTES = 4 * 1024 * 1024
"""From here on nothing is read, since what is read asks for more replies."""

_MAX_UNSENT_BYTES = 16 * 1024 * 1024
"""More is never kept. One read of small messages can ask for that many replies."""

_LOOK_SECONDS = 1.0
_PATIENCE_SECONDS = 10.0
"""A server that takes nothing for this long is dead, whatever its TCP says."""


class FlowControl:
    """Decides when a connection is read, and bounds what waits to be written.

    A server that sends and does not read makes this side keep what it asks for: Pongs
    and replies. When much of it waits, of the Pongs only the last one is kept (RFC
    6455, section 5.5.3), then reading stops. A server that goes on is given up.

    Args:
        transport: The connection. Its limits for writing are set.
        stalled: Gives the connection up; called at most once.
        pong: Sends the Pong frame that was held.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        *,
        stalled: Callable[[], None],
        pong: Callable[[bytes], None],
    ) -> None:
        self._transport = transport
        # None when the connection is given up, or has ended.
        self._stalled: Callable[[], None] | None = stalled
        self._send_pong = pong
        self._loop = asyncio.get_running_loop()
        # The feed has asked to read no more: its buffer is full.
        self._feed_waits = False
        # Reading has stopped, for too many replies wait to be written.
        self._replies_wait = False
        # The payload of the last Ping that is not answered yet.
        self._ping: bytes | None = None
        # Looks whether the server takes anything, from `_HIGH_BYTES` down to
        # `_LOW_BYTES`; None at other times.
        self._timer: asyncio.TimerHandle | None = None
        transport.set_write_buffer_limits(_HIGH_BYTES, _LOW_BYTES)

    def start(self) -> None:
        """Begin to read: until now the transport was paused."""
        self._read_on()

    @property
    def is_paused(self) -> bool:
        """Whether the feed has no room."""
        return self._feed_waits

    def pause(self) -> None:
        """Stop reading; the feed has no room."""
        self._feed_waits = True
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again, unless too many replies wait."""
        self._feed_waits = False
        self._read_on()

    def holds_pong(self, payload: bytes) -> bool:
        """Return whether a Ping cannot be answered now; its payload is kept then."""
        if self._timer is None:
            return False
        self._ping = payload
        return True

    def pause_writing(self) -> None:
        """Begin to watch what waits to be written (asyncio's callback)."""
        if self._stalled is not None:
            self._watch(self._transport.get_write_buffer_size(), 0.0)

    def resume_writing(self) -> None:
        """Go on as before (asyncio's callback)."""
        self._stop_timer()
        self._replies_wait = False
        if self._ping is not None and self._stalled is not None:
            payload, self._ping = self._ping, None
            self._send_pong(payload)
        self._read_on()

    def check(self) -> None:
        """Stop reading, or give the connection up, where too much waits.

        To be called after each write.
        """
        if self._timer is None or self._transport.is_closing():
            return
        unsent = self._transport.get_write_buffer_size()
        if unsent > _MAX_UNSENT_BYTES:
            self._give_up()
        elif unsent > _MAX_ANSWERS_BYTES and not self._replies_wait:
            self._replies_wait = True
            self._transport.pause_reading()

    def stop(self) -> None:
        """Stop watching: the connection has ended, or is given up."""
        # Without references back, the connection need not wait for the garbage
        # collector, with all that was read.
        self._stalled = None
        self._send_pong = _nothing
        self._stop_timer()

    def _read_on(self) -> None:
        # TLS transports of CPython 3.11 fail in all of these when they are closed.
        if not (self._feed_waits or self._replies_wait or self._transport.is_closing()):
            self._transport.resume_reading()

    def _watch(self, before: int, seconds: float) -> None:
        """Look again and again whether less waits than before.

        Args:
            before: Bytes that waited at the last look.
            seconds: How long the server has taken nothing.
        """
        if self._transport.is_closing():
            return
        unsent = self._transport.get_write_buffer_size()
        if unsent < before:
            seconds = 0.0
        elif seconds >= _PATIENCE_SECONDS:
            self._give_up()
            return
        self._timer = self._loop.call_later(
            _LOOK_SECONDS,
            self._watch,
            unsent,
            seconds + _LOOK_SECONDS,
        )

    def _give_up(self) -> None:
        stalled = self._stalled
        self.stop()
        if stalled is not None:
            stalled()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _nothing(_: bytes) -> None:
    """Send nothing: the connection is over."""
