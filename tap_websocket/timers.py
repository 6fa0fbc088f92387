"""A time limit that can be put off, and stands still while reading is paused."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.delivery.pages import Schedule, Timer

__all__ = ["Deadline"]


class Deadline:
    """Calls back when it was not put off for so many seconds.

    While reading is paused nothing can arrive: the clock stands still then, and
    starts afresh when reading resumes (contract, "Back-pressure").
    """

    def __init__(
        self,
        seconds: float,
        expired: Callable[[], None],
        *,
        schedule: Schedule,
        clock: Callable[[], float],
        behind: Callable[[], bool] = lambda: False,
    ) -> None:
        """Make one that is not running.

        Args:
            seconds: How long it lasts.
            expired: Called when it is over.
            schedule: Calls back after a number of seconds.
            clock: The time in seconds, from any start.
            behind: Tells whether something that has arrived is not read yet: what is
                awaited may stand in it, and so the time begins anew.
        """
        self._seconds = seconds
        self._expired = expired
        self._schedule = schedule
        self._clock = clock
        self._behind = behind
        self._due: float | None = None
        self._paused = False
        self._timer: Timer | None = None

    @property
    def running(self) -> bool:
        """Whether it was started, and neither stopped nor over."""
        return self._due is not None

    def restart(self) -> None:
        """Start it, or put it off. Cheap: the timer is set again when it fires."""
        self._due = self._clock() + self._seconds
        if self._timer is None and not self._paused:
            self._timer = self._schedule(self._seconds, self._fire)

    def stop(self) -> None:
        """Forget it."""
        self._due = None
        self._cancel()

    def pause(self) -> None:
        """Let the clock stand still."""
        self._paused = True
        self._cancel()

    def resume(self) -> None:
        """Start the clock afresh, if it is running."""
        self._paused = False
        if self.running:
            self._cancel()
            self.restart()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        if self._due is None:
            return
        left = self._due - self._clock()
        if left > 0:
            self._timer = self._schedule(left, self._fire)
        elif self._behind():
            self.restart()
        else:
            self._due = None
            self._expired()
