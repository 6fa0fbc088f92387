"""Threads for the event loop's own blocking calls: the look-ups of names."""

from __future__ import annotations

import collections
import concurrent.futures
import functools
import threading
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from tap_websocket.daemon_threads import fulfil

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DaemonExecutor"]

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")

_MAX_THREADS = 32
"""As many as there may be connection attempts at once (`feed.throttle`)."""


class DaemonExecutor(concurrent.futures.ThreadPoolExecutor):
    """Runs calls in threads that no end waits for, neither the loop's nor Python's.

    A name server that does not answer holds a look-up for up to a minute, and nothing
    can interrupt it. asyncio's own pool would hold a run that has ended as long.
    """

    def __init__(self) -> None:
        # asyncio takes no other executors, but the pool of this one stays empty.
        super().__init__(max_workers=1)
        self._guard = threading.Lock()
        self._calls: collections.deque[Callable[[], None]] = collections.deque()
        self._running = 0

    def submit(
        self,
        fn: Callable[_Params, _Result],
        /,
        *args: _Params.args,
        **kwargs: _Params.kwargs,
    ) -> concurrent.futures.Future[_Result]:
        """Call a function in another thread, once one of them is free."""
        future: concurrent.futures.Future[_Result] = concurrent.futures.Future()
        call = functools.partial(fn, *args, **kwargs)
        with self._guard:
            self._calls.append(functools.partial(fulfil, future, call))
            if self._running < _MAX_THREADS:
                self._running += 1
                threading.Thread(
                    target=self._work, name="tap-websocket-lookup", daemon=True
                ).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as the base class has it
        """Return at once: what is under way is left alone."""
        del wait, cancel_futures

    def _work(self) -> None:
        """Make calls until none is left."""
        while True:
            with self._guard:
                if not self._calls:
                    self._running -= 1
                    return
                call = self._calls.popleft()
            call()
