"""Connections are opened a few at a time, so that many do not storm a server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["ConnectThrottle"]

_AT_ONCE = 32
"""Attempts under way: enough for one slow handshake not to hold up the others."""

_MIN_INTERVAL = 0.003
"""Seconds; a thousand connections are opened in three of them, at most."""


class ConnectThrottle:
    """Bounds the connection attempts under way, and spaces their starts.

    A run with one connection never waits here. A thousand are open after some
    seconds, and come back as slowly after an outage that took all of them.

    Args:
        interval: Seconds between the starts of two attempts (`connect_interval`).
    """

    def __init__(self, interval: float = 0.0) -> None:
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._interval = max(interval, _MIN_INTERVAL)
        self._loop = asyncio.get_running_loop()
        # When the next attempt may start, by the loop's clock.
        self._next = self._loop.time()

    async def __aenter__(self) -> Self:
        """Wait until this attempt may start."""
        await self._room.acquire()
        try:
            await self.turn()
        except BaseException:
            self._room.release()
            raise
        return self

    async def turn(self) -> None:
        """Wait for the start of one more attempt by whoever has room already."""
        now = self._loop.time()
        start = max(now, self._next)
        self._next = start + self._interval
        await asyncio.sleep(start - now)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Make room for the next attempt."""
        self._room.release()
