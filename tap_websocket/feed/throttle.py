"""Connections are opened a few at a time, so that many do not storm a server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["ConnectThrottle"]

_AT_ONCE = 32
_APART_SECONDS = 0.003


class ConnectThrottle:
    """Bounds the connection attempts under way, and spaces their starts.

    A run with one connection never waits here. A thousand are open after some
    seconds, and come back as slowly after an outage that took all of them.
    """

    def __init__(
        self,
        at_once: int = _AT_ONCE,
        apart: float = _APART_SECONDS,
    ) -> None:
        """Make a throttle, within the running loop.

        Args:
            at_once: Attempts that may be under way.
            apart: Seconds between the starts of two.
        """
        self._room = asyncio.Semaphore(at_once)
        self._apart = apart
        self._loop = asyncio.get_running_loop()
        # When the next attempt may start, by the loop's clock.
        self._next = self._loop.time()

    async def __aenter__(self) -> Self:
        """Wait until this attempt may start."""
        await self._room.acquire()
        now = self._loop.time()
        entry = max(now, self._next)
        self._next = entry + self._apart
        try:
            await asyncio.sleep(entry - now)
        except BaseException:
            self._room.release()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Make room for the next attempt."""
        self._room.release()
