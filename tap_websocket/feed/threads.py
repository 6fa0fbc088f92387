"""Threads beside the loop's: what blocks, and what takes long."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, TypeVar

from tap_websocket.daemon_threads import call_in_thread, fulfil

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LoopThread", "in_thread"]

_Result = TypeVar("_Result")

_MAX_POSTED = 1000
"""Calls that wait for the loop's thread: more would be memory without a bound."""


async def in_thread(act: Callable[[], _Result]) -> _Result:
    """Run what blocks in a thread of its own, and return what it returns.

    A run that ends meanwhile, at a signal say, does not wait for it, as it would for
    a thread of the loop's pool.
    """
    return await asyncio.wrap_future(
        call_in_thread(act, name="tap-websocket-request"),
    )


class LoopThread:
    """Runs what belongs to the loop's thread there; made within the running loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._room = threading.BoundedSemaphore(_MAX_POSTED)

    @property
    def is_here(self) -> bool:
        """Whether the loop's thread is the one that asks."""
        return threading.get_ident() == self._thread

    def __call__(self, act: Callable[[], None]) -> None:
        """Call a function in the loop's thread, and wait for it.

        Raises:
            RuntimeError: When the loop is closed.
        """
        if self.is_here:
            act()
            return
        future: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._loop.call_soon_threadsafe(fulfil, future, act)
        future.result()

    def post(self, act: Callable[[], None]) -> None:
        """Call a function in the loop's thread, soon and in order, from another one.

        Raises:
            RuntimeError: When the loop is closed.
        """

        def run() -> None:
            self._room.release()
            act()

        self._room.acquire()
        self._loop.call_soon_threadsafe(run)
