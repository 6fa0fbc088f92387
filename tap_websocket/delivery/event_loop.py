"""The event loop of the bridge: messages that come one by one are read a few at a time.

To wake up, poll and read costs ten times what a small message does. So a loop that
is woken again and again within milliseconds sleeps for a few of them before it looks
at its sockets; the kernel keeps meanwhile what arrives. A quiet feed is read at once,
and so is one that always has something to read.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import time
from typing import TYPE_CHECKING

from tap_websocket.delivery.executor import DaemonExecutor

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.settings import Settings

__all__ = ["GatherPolicy", "GatheringSelector", "gather_seconds", "make_event_loop"]

_GATHER_SECONDS = 0.004
"""Four messages of 1,000 a second: two thirds of their CPU are saved, for a delay that
is nothing beside a `flush_interval` of a second."""

_FLUSHES = 10
"""What is gathered waits for a tenth of `flush_interval` at most."""

_MIN_GATHER_SECONDS = 0.001
"""Less is not worth the sleep, which is some 0.06 ms longer than it was asked for."""

_SOON_SECONDS = 0.002
_STREAK = 8
"""The loop gathers when it was woken within 2 ms this many times in a row: a
handshake and a subscription are over before that."""

_BUSY_SECONDS = 0.0005
"""Who worked for so long on what was read may be behind, and must not sleep."""


def gather_seconds(settings: Settings) -> float:
    """Return how long a busy feed's messages may wait to be read, in seconds; 0: never.

    Records that show when they were received are read at once.
    """
    if settings.decoding.envelope or settings.decoding.record_metadata:
        return 0.0
    seconds = min(_GATHER_SECONDS, settings.delivery.flush_interval / _FLUSHES)
    return seconds if seconds >= _MIN_GATHER_SECONDS else 0.0


def make_event_loop(seconds: float) -> asyncio.AbstractEventLoop:
    """Return a new event loop that gathers for this long; 0: it does not.

    Its end does not wait for look-ups of names. Windows has another kind of loop,
    without selectors, and gathers nothing.
    """
    loop: asyncio.AbstractEventLoop
    if sys.platform == "win32" or not seconds:
        loop = asyncio.new_event_loop()
    else:
        loop = asyncio.SelectorEventLoop(GatheringSelector(GatherPolicy(seconds)))
    loop.set_default_executor(DaemonExecutor())
    return loop


class GatherPolicy:
    """Decides how long to sleep before sockets are looked at.

    Args:
        seconds: The longest sleep.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # Times in a row that something was there at once, or almost.
        self._streak = 0
        # When the loop was last woken: since then it has worked.
        self._woken_at = 0.0

    def pause(self, now: float, timeout: float | None) -> float:
        """Return how many seconds to sleep, 0 for not at all.

        Args:
            now: The time in seconds, from any start.
            timeout: Seconds until the loop has something else to do; None: never.
        """
        if self._streak < _STREAK or now - self._woken_at > _BUSY_SECONDS:
            return 0.0
        return self._seconds if timeout is None else min(self._seconds, timeout)

    def woken(self, now: float, waited: float, *, ready: bool) -> None:
        """Take that a wait for sockets is over.

        Args:
            now: The time in seconds, by the clock of `pause`.
            waited: How long it took, in seconds, after the sleep.
            ready: Whether there is something to read.
        """
        self._woken_at = now
        self._streak = self._streak + 1 if ready and waited <= _SOON_SECONDS else 0


class GatheringSelector(selectors.DefaultSelector):
    """The platform's selector, which sleeps first where its policy says so.

    Args:
        policy: Decides how long.
        clock: The time in seconds, from any start.
        sleep: Sleeps for a number of seconds.
    """

    def __init__(
        self,
        policy: GatherPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__()
        self._policy = policy
        self._clock = clock
        self._sleep = sleep

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for sockets that are ready (see `selectors.BaseSelector.select`)."""
        if timeout is not None and timeout <= 0:
            return super().select(timeout)
        began = self._clock()
        pause = self._policy.pause(began, timeout)
        if pause:
            # What has arrived already must not wait: a feed that is faster than this
            # process would be held up by each sleep.
            events = super().select(0)
            if not events:
                self._sleep(pause)
                timeout = None if timeout is None else max(0.0, timeout - pause)
                began = self._clock()
                events = super().select(timeout)
        else:
            events = super().select(timeout)
        now = self._clock()
        self._policy.woken(now, now - began, ready=bool(events))
        return events
