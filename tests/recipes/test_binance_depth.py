"""The recipe for Binance's order book: a snapshot over HTTP among its changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.support.recipes import drop, hear, play, recipe, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("binance-depth", "Depth")
SUBSCRIBED, FIRST, SNAPSHOT, SECOND = RECIPE.arrives


class Rest:
    """Binance's HTTP side: hands out snapshots."""

    def __init__(self, status: int = 200) -> None:
        self.asked = asyncio.Event()
        self._status = status

    async def depth(self, request: web.Request) -> web.Response:
        assert (request.method, request.path) == ("GET", "/api/v3/depth")
        assert dict(request.query) == {"symbol": "BNBBTC", "limit": "1000"}
        # Changes that come first are in front of it.
        await asyncio.sleep(0.2)
        self.asked.set()
        return web.Response(
            text=SNAPSHOT, content_type="application/json", status=self._status
        )


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    rest = Rest()

    async def script(peer: Peer) -> None:
        expected = {"method": "SUBSCRIBE", "params": ["bnbbtc@depth"], "id": 1}
        assert await hear(peer) == expected
        if peer.number == 1:
            await drop(peer)
            return
        await say(peer, SUBSCRIBED, FIRST)
        await rest.asked.wait()
        await asyncio.sleep(0.3)
        await say(peer, SECOND)
        await peer.wait()

    run = play(
        RECIPE,
        script,
        process=tmp_path if apart else None,
        http=rest.depth,
        max_messages=3,
        reconnect_backoff=0.1,
    )
    assert run.code == 0
    run.gives(RECIPE.tables)


def test_a_symbol_that_is_not_there(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await hear(peer)
        await say(peer, SUBSCRIBED)
        await peer.wait()

    run = play(RECIPE, script, process=tmp_path, http=Rest(400).depth)
    assert run.code == 1
    assert run.error in RECIPE.failures
