"""Timers: what the parts of a run want of a scheduler, and a limit built on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

__all__ = ["Deadline", "Schedule", "StoppableClock", "Timer"]


class Timer(Protocol):
    """A call that is due later, as `asyncio.TimerHandle` is."""

    def cancel(self) -> None:
        """Drop the call."""


Schedule = Callable[[float, Callable[[], None]], Timer]
"""Calls back after a number of seconds, as `asyncio.AbstractEventLoop.call_later`."""


class StoppableClock:
    """A clock that stands still while reading is paused.

    Args:
        clock: The time in seconds, from any start.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # When it was stopped, by the clock behind it; None while it runs.
        self._stopped_at: float | None = None
        # Seconds that it has stood still, together.
        self._stood = 0.0

    def __call__(self) -> float:
        """Return the time in seconds, from any start."""
        now = self._clock() if self._stopped_at is None else self._stopped_at
        return now - self._stood

    def pause(self) -> None:
        """Stand still."""
        if self._stopped_at is None:
            self._stopped_at = self._clock()

    def resume(self) -> None:
        """Go on."""
        if self._stopped_at is not None:
            self._stood += self._clock() - self._stopped_at
            self._stopped_at = None


class Deadline:
    """Calls back when it was not put off for a number of seconds.

    While reading is paused nothing can arrive: the clock stops then, and starts
    afresh when reading resumes.

    Args:
        seconds: How long it lasts.
        expired: Called when it is over.
        schedule: Calls back after a number of seconds.
        clock: The time in seconds, from any start.
        behind: Returns whether something that has arrived is not read yet: what is
            awaited may be in it, and so the time begins anew.
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
        self._seconds = seconds
        self._expired = expired
        self._schedule = schedule
        self._clock = clock
        self._behind = behind
        # When it is over; None while it is not running.
        self._due: float | None = None
        self._paused = False
        # May fire before `_due`, and is set again then: putting a limit off with each
        # message must not cost a timer.
        self._timer: Timer | None = None

    @property
    def running(self) -> bool:
        """Whether it was started, and neither stopped nor over."""
        return self._due is not None

    def restart(self) -> None:
        """Start it, or put it off by its full length."""
        self._due = self._clock() + self._seconds
        if self._timer is None and not self._paused:
            self._timer = self._schedule(self._seconds, self._fire)

    def stop(self) -> None:
        """Stop it without a call."""
        self._due = None
        self._cancel()

    def pause(self) -> None:
        """Stop the clock."""
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
