"""Large messages, worked on beside the loop, and the order of what comes meanwhile.

A message of megabytes may take a minute: the loop has to answer Pings, fire its timers
and hear of the end of the run in that time. So one message at a time is worked on in
another thread. What handles messages belongs to that thread then, and all that would
touch it waits here for its turn.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import threading
from typing import TYPE_CHECKING

from tap_websocket.jsontext import without_collections

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Backlog"]

_MAX_BYTES = 16 * 1024 * 1024
"""Messages that wait take no more; then nothing is read. Until then it is, since Pings
are behind them."""

_OVERHEAD = 128
"""Memory that a message takes beside its bytes, rounded up."""

_TURN_SECONDS = 0.05
"""What has waited is taken for so long at once; then the loop has its turn."""

_GRACE_SECONDS = 1.0
"""A run that is to end waits so long for what has come to be taken."""

_STOP_SECONDS = 2.0
"""Then work is stopped at its next record, and waited for so long: what is still under
way after that is a record of megabytes, which is dropped."""


class Backlog:
    """Works on one message at a time; made within the running loop.

    Args:
        changed: Called when `busy` or `is_full` has changed.

    Attributes:
        busy: What would touch the handler of messages is to be put off (`defer`).
        is_full: Nothing is to be read.
    """

    def __init__(self, *, changed: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = changed
        self.busy = False
        self.is_full = False
        # What waits, with the bytes that it keeps, and these together.
        self._waiting: collections.deque[tuple[Callable[[], None], int]]
        self._waiting = collections.deque()
        self._bytes = 0
        # Is done when the work that is under way is; None while there is none.
        self._done: asyncio.Future[None] | None = None
        # Is set while nothing is worked on and nothing waits.
        self._idle = asyncio.Event()
        self._idle.set()
        # Keeps the task that ends the run from being collected; None before.
        self._ending: asyncio.Task[None] | None = None
        # Stops that work.
        self._stop: Callable[[], None] = _nothing

    def start(
        self,
        work: Callable[[], None],
        *,
        stop: Callable[[], None],
        done: Callable[[Exception | None], None],
    ) -> None:
        """Begin with a piece of work; there is none under way.

        Args:
            work: Is run in another thread, without garbage collection: it makes
                millions of objects and no cycles.
            stop: Asks it to come to an early end.
            done: Is called in the loop's thread, with the error of `work`.
        """
        finished = self._done = self._loop.create_future()
        self._stop = stop
        self._idle.clear()
        if not self.busy:
            self.busy = True
            self._changed()

        def finish(error: Exception | None) -> None:
            # The run may have ended without it.
            if self._done is finished:
                self._done = None
                finished.set_result(None)
                done(error)
                self._take_waiting()

        def run() -> None:
            failure: Exception | None = None
            try:
                with without_collections():
                    work()
            except Exception as error:  # noqa: BLE001 - raised in the main thread
                failure = error
            try:
                self._loop.call_soon_threadsafe(finish, failure)
            except RuntimeError:
                # The loop has ended without it.
                return

        threading.Thread(target=run, name="tap-websocket-message", daemon=True).start()

    def defer(self, act: Callable[[], None], size: int = 0) -> None:
        """Call back behind the work that is under way, and what waits already.

        Args:
            act: It may start more work.
            size: Bytes of messages that it keeps.
        """
        self._waiting.append((act, size + _OVERHEAD))
        self._bytes += size + _OVERHEAD
        if self._bytes >= _MAX_BYTES and not self.is_full:
            self.is_full = True
            self._changed()

    def in_turn(self, act: Callable[[], None]) -> None:
        """Call now, or behind the work that is under way and what waits already."""
        if self.busy:
            self.defer(act)
        else:
            act()

    def once_taken(self, act: Callable[[], None]) -> None:
        """Call once nothing is worked on and nothing waits, or after a second."""
        if self.busy:
            self._ending = self._loop.create_task(self._wait(act))
        else:
            act()

    async def _wait(self, act: Callable[[], None]) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), _GRACE_SECONDS)
        act()

    def _take_waiting(self) -> None:
        """Take what waits, up to what is work for another thread."""
        until = self._loop.time() + _TURN_SECONDS
        # What is called now is next: nothing of it is put off again.
        self.busy = False
        while self._waiting and self._done is None:
            if self._loop.time() > until:
                self.busy = True
                self._loop.call_soon(self._take_waiting)
                return
            act, size = self._waiting.popleft()
            self._bytes -= size
            act()
        if self._done is not None:
            self.busy = True
        elif not self.busy:
            self.is_full = False
            self._idle.set()
            self._changed()

    async def finish(self) -> None:
        """Come to an end with the run: nothing is worked on any more, nothing waits."""
        if self._done is not None:
            self._stop()
            await asyncio.wait([self._done], timeout=_STOP_SECONDS)
        self._done = None
        self.busy = False
        while self._waiting:
            self._waiting.popleft()[0]()


def _nothing() -> None:
    """Do nothing."""
