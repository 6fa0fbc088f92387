"""The part of a server in the recipes that ask for a whole exchange."""

from __future__ import annotations

import asyncio
import collections
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.support.mishaps import play_after, play_with_drops
from tests.support.recipes import hear, play, say

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tests.support.mishaps import Script
    from tests.support.recipes import Recipe
    from tests.support.servers import Peer

    Http = Callable[[web.Request], Awaitable[web.StreamResponse]]

__all__ = [
    "WholeExchange",
    "acknowledged",
    "play_cut_off",
    "play_dropped",
    "play_listed",
]


class WholeExchange:
    """A server that lists its symbols, and asserts that its limits are kept.

    Attributes:
        asked: How often each symbol was asked for.
        messages: Symbols of each message, in the order of their arrival.
        connections: Symbols of each connection.
        expected: Symbols, all of which are asked for before the last one is answered:
            its data ends a run.
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
        self.expected: list[str] = []
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
            if self.expected and self.expected[-1] in some:
                while self.asked.total() < len(self.expected):
                    await asyncio.sleep(0.01)
            await say(peer, *self._answers(request, some))

    def has_each_once(self, symbols: Sequence[str]) -> None:
        """Assert that every symbol was asked for, and none twice."""
        assert self.asked == collections.Counter(symbols)


def play_listed(
    given: Recipe,
    server: WholeExchange,
    symbols: list[str],
    connections: list[int],
    http: Http | None = None,
) -> None:
    """Assert that a recipe asks for each symbol of a list once, within the limits.

    Args:
        given: The recipe.
        server: Lists the symbols; the last one alone has data.
        symbols: All of them.
        connections: How many each connection asks for, the largest number first.
        http: Answers plain requests, in the server's place.
    """
    server.expected = symbols
    outcome = play(given, server, http=http or server.http, max_messages=1)
    assert outcome.error is None
    server.has_each_once(symbols)
    assert sorted(server.connections, reverse=True) == connections


def play_cut_off(
    given: Recipe, subscribed: Script, server: WholeExchange, http: Http | None = None
) -> None:
    """Assert that a recipe has all its records though its subscription is cut off.

    Args:
        given: The recipe; two messages of it yield records.
        subscribed: Plays the server's part up to the end of the subscription.
        server: Plays it on the connections that follow.
        http: Answers plain requests, in the server's place.
    """
    run = play_with_drops(
        given,
        subscribed,
        server,
        http=http or server.http,
        max_messages=2,
        connect_interval=0.01,
    )
    run.gives(given.tables)


def play_dropped(
    given: Recipe, dropped: Script, server: WholeExchange, http: Http | None = None
) -> None:
    """Assert that a recipe has all its records though its first connection is lost.

    Args:
        given: The recipe; two messages of it yield records.
        dropped: Plays on the first connection, and drops it.
        server: Plays on the others.
        http: Answers plain requests, in the server's place.
    """
    play_after(
        given,
        dropped,
        server,
        http=http or server.http,
        max_messages=2,
        connect_interval=0.01,
    )


def acknowledged(text: str, **changed: Any) -> str:
    """Return an acknowledgement of the page with other values."""
    return json.dumps(json.loads(text) | changed)
