"""Whether another connection is to take the place of one that is open, and why."""

from __future__ import annotations

import asyncio

__all__ = ["ReplacementRequest"]


class ReplacementRequest:
    """Is made of one connection: at a certain age, or as a message announces its end.

    Made within the running loop.

    Attributes:
        asked: Is given why there is a request; a new one, each time that it was taken.
        announced: Names of captured values that serve the first attempt alone; whoever
            makes it takes them.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.asked: asyncio.Future[str] = self._loop.create_future()
        self.announced: frozenset[str] = frozenset()
        # Asks at the end of `connection_lifetime`; None without it.
        self._lifetime: asyncio.TimerHandle | None = None

    def ask(self, reason: str, announced: frozenset[str] = frozenset()) -> None:
        """Have another connection opened, which then takes this one's place.

        Args:
            reason: In a few words, for the log.
            announced: Names of captured values that serve the first attempt alone.
        """
        self.announced |= announced
        if not self.asked.done():
            self.asked.set_result(reason)

    def ask_after(self, seconds: float) -> None:
        """Ask at this age of the connection (`connection_lifetime`)."""
        self._lifetime = self._loop.call_later(
            seconds, self.ask, "connection_lifetime is over"
        )

    def stop(self) -> None:
        """Ask for no age any more: the connection is closed."""
        if self._lifetime is not None:
            self._lifetime.cancel()

    def take(self) -> frozenset[str]:
        """Return what serves the attempt that was asked for; wait for another request.

        Returns:
            Names of captured values that serve that attempt alone.
        """
        announced, self.announced = self.announced, frozenset()
        self.asked = self._loop.create_future()
        return announced
