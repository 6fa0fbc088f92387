"""For how long a closing handshake may go on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ClosingDeadline"]


class ClosingDeadline:
    """Drops a connection that does not end in time after a Close frame.

    The answer to a Close is behind everything that was sent before it. So the time
    stands still while the feed reads nothing: what is not read yet would be lost.

    Made within the running loop.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        # What ends the connection; None while no time is set.
        self._abort: Callable[[], None] | None = None
        # Seconds that are left while the time stands still.
        self._left = 0.0
        self._paused = False
        # Whether it stands still in pauses.
        self._reads = True

    @property
    def is_set(self) -> bool:
        """Whether a time is set."""
        return self._abort is not None

    def start(
        self, seconds: float, abort: Callable[[], None], *, reads: bool = True
    ) -> None:
        """Set the time, in place of any other.

        Args:
            seconds: How long the connection may go on.
            abort: Drops it.
            reads: What it still sends is wanted; else no pause counts.
        """
        self.stop()
        self._abort, self._left, self._reads = abort, seconds, reads
        if not (self._paused and reads):
            self._run()

    def stop(self) -> None:
        """Forget the time."""
        self._abort = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pause(self) -> None:
        """Let the time stand still: nothing is read."""
        self._paused = True
        if self._timer is not None and self._reads:
            self._left = max(0.0, self._timer.when() - self._loop.time())
            self._timer.cancel()
            self._timer = None

    def resume(self) -> None:
        """Let the time go on."""
        self._paused = False
        if self._timer is None:
            self._run()

    def _run(self) -> None:
        if self._abort is not None:
            self._timer = self._loop.call_later(self._left, self._abort)
