"""The part of a server in the recipes that ask for a whole exchange."""

from __future__ import annotations

import collections
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.support.recipes import hear, say

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.servers import Peer

__all__ = ["WholeExchange", "acknowledged"]


class WholeExchange:
    """A server that lists its symbols, and asserts that its limits are kept.

    Attributes:
        asked: How often each symbol was asked for.
        messages: Symbols of each message, in the order of their arrival.
        connections: Symbols of each connection.
    """

    def __init__(
        self,
        *,
        symbols: Callable[[Any], Sequence[str]],
        answers: Callable[[Any, Sequence[str]], Sequence[str]],
        per_connection: int,
        per_message: int,
        path: str = "",
        listing: str = "",
        greet: Callable[[Peer], Any] | None = None,
    ) -> None:
        """Open an exchange.

        Args:
            symbols: Returns the symbols that a subscription asks for.
            answers: Returns what is sent to it.
            per_connection: How many a connection may ask for.
            per_message: How many a message may ask for.
            path: Where the list is.
            listing: The list.
            greet: Plays what comes before the first subscription.
        """
        self.asked: collections.Counter[str] = collections.Counter()
        self.messages: list[int] = []
        self.connections: list[int] = []
        self._symbols = symbols
        self._answers = answers
        self._per_connection = per_connection
        self._per_message = per_message
        self._path = path
        self._listing = listing
        self._greet = greet

    async def http(self, request: web.Request) -> web.StreamResponse:
        assert (request.method, request.path_qs) == ("GET", self._path)
        return web.Response(text=self._listing)

    async def __call__(self, peer: Peer) -> None:
        number = len(self.connections)
        self.connections.append(0)
        if self._greet is not None:
            await self._greet(peer)
        while True:
            request = await hear(peer)
            if request in ("ping", {"type": "ping"}):
                continue
            some = self._symbols(request)
            self.asked.update(some)
            self.messages.append(len(some))
            self.connections[number] += len(some)
            assert len(some) <= self._per_message
            assert self.connections[number] <= self._per_connection
            await say(peer, *self._answers(request, some))

    def has_each_once(self, symbols: Sequence[str]) -> None:
        """Assert that every symbol was asked for, and none twice."""
        assert self.asked == collections.Counter(symbols)


def acknowledged(text: str, **changed: Any) -> str:
    """Return an acknowledgement of the page with other values."""
    return json.dumps(json.loads(text) | changed)
