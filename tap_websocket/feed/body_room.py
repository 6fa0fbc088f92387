"""How much of what came over HTTP may wait while reading is paused."""

from __future__ import annotations

import asyncio

__all__ = ["BodyRoom"]

_MAX_BYTES = 16 * 1024 * 1024
"""Sixteen of the largest (`http.answer.MAX_REPLY_BYTES`)."""


class BodyRoom:
    """The room for bodies that wait for the resumption, on all connections together.

    A request whose reply is data is made only while there is some: a target may take
    nothing for hours, while steps are repeated (`every`).

    Made within the running loop.
    """

    def __init__(self) -> None:
        self._bytes = 0
        self._some = asyncio.Event()
        self._some.set()

    async def wait(self) -> None:
        """Wait until there is some room."""
        await self._some.wait()

    def take(self, size: int) -> None:
        """Take room for a body of this many bytes, which is there already."""
        self._bytes += size
        if self._bytes >= _MAX_BYTES:
            self._some.clear()

    def give_back(self, size: int) -> None:
        """Give back the room of a body that is handed on."""
        self._bytes -= size
        if self._bytes < _MAX_BYTES:
            self._some.set()
