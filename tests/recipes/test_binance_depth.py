"""The recipe for Binance's order book: a snapshot over HTTP among its changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.support.mishaps import answer, first, play_after, play_with_drops
from tests.support.recipes import drop, hear, play, recipe, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("binance-depth", "Depth")
SUBSCRIBED, FIRST, SNAPSHOT, SECOND = RECIPE.arrives


class Rest:
    """Binance's two sides: the feed, and the one that hands out snapshots."""

    def __init__(self, *statuses: int) -> None:
        self.asked = asyncio.Event()
        self._statuses = list(statuses)

    async def depth(self, request: web.Request) -> web.Response:
        assert (request.method, request.path) == ("GET", "/api/v3/depth")
        assert dict(request.query) == {"symbol": "BNBBTC", "limit": "1000"}
        # Changes that come first are in front of it.
        await asyncio.sleep(0.2)
        if self._statuses:
            return web.Response(
                status=self._statuses.pop(0), headers={"Retry-After": "0"}
            )
        self.asked.set()
        return web.Response(text=SNAPSHOT, content_type="application/json")

    async def script(self, peer: Peer) -> None:
        """Play the feed, whose first connection is lost while it is subscribed."""
        expected = {"method": "SUBSCRIBE", "params": ["bnbbtc@depth"], "id": 1}
        assert await hear(peer) == expected
        if peer.number == 1:
            await drop(peer)
            return
        await say(peer, SUBSCRIBED, FIRST)
        await self.asked.wait()
        await asyncio.sleep(0.3)
        await say(peer, SECOND)
        await peer.wait()


async def _subscribed(peer: Peer) -> None:
    await hear(peer)
    await say(peer, SUBSCRIBED)


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    rest = Rest()
    run = play(
        RECIPE,
        rest.script,
        process=tmp_path if apart else None,
        http=rest.depth,
        max_messages=3,
        reconnect_backoff=0.1,
    )
    assert run.code == 0
    run.gives(RECIPE.tables)


def test_a_symbol_that_is_not_there(tmp_path: Path) -> None:
    run = play(RECIPE, answer(_subscribed), process=tmp_path, http=Rest(400).depth)
    assert run.code == 1
    assert run.error in RECIPE.failures


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes() -> None:
    rest = Rest(500)

    async def script(peer: Peer) -> None:
        peer.number += 1
        await rest.script(peer)

    run = play_with_drops(RECIPE, _subscribed, script, http=rest.depth, max_messages=3)
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_an_announced_end_begins_the_book_anew() -> None:
    rest = Rest()
    shutdown = answer(_subscribed, '{"e":"serverShutdown","E":1672515782500}')
    run = play(
        RECIPE,
        first(shutdown, rest.script),
        http=rest.depth,
        max_messages=3,
        reconnect_backoff=0.1,
    )
    run.gives(RECIPE.tables)
    assert run.peers[0].close_code == 1000


@pytest.mark.usefixtures("each_transport")
def test_too_many_requests_for_snapshots_are_tried_again() -> None:
    rest = Rest(429)

    async def script(peer: Peer) -> None:
        peer.number += 1
        await rest.script(peer)

    play_after(RECIPE, answer(_subscribed), script, http=rest.depth, max_messages=3)


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize(
    "refusal",
    [
        '{"code":2,"msg":"Invalid request: unknown variant","id":1}',
        '{"error":{"code":3,"msg":"Invalid JSON"},"id":1}',
    ],
)
def test_a_refused_subscription_ends_the_run(refusal: str) -> None:
    async def refuses(peer: Peer) -> None:
        await hear(peer)
        await say(peer, refusal)
        await peer.wait()

    run = play(RECIPE, refuses, http=Rest().depth)
    assert run.error is not None
    assert run.error.endswith(refusal)
