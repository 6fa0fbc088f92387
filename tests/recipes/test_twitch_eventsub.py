"""The recipe for Twitch EventSub: subscribed over HTTP, and moved before the end."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tests.support.recipes import drop, play, recipe, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("twitch-eventsub", "Follows")
WELCOME, FIRST, KEEPALIVE, MOVE, SECOND = RECIPE.arrives


class Helix:
    """Twitch's HTTP side: takes subscriptions."""

    def __init__(self, status: int = 202) -> None:
        self.taken: list[Any] = []
        self._status = status

    async def subscribed(self, count: int) -> None:
        """Wait until this many subscriptions were taken."""
        while len(self.taken) < count:
            await asyncio.sleep(0.01)
        # Their answers, too, are on their way.
        await asyncio.sleep(0.1)

    async def subscribe(self, request: web.Request) -> web.Response:
        assert (request.method, request.path) == (
            "POST",
            "/helix/eventsub/subscriptions",
        )
        assert request.headers["Authorization"] == "Bearer YOUR-USER-TOKEN"
        assert request.headers["Client-Id"] == "YOUR-CLIENT-ID"
        self.taken.append(await request.json())
        return web.json_response({"data": []}, status=self._status)


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    helix = Helix()

    async def script(peer: Peer) -> None:
        moved = peer.path == "/moved?id=1"
        assert moved or peer.path == "/ws?keepalive_timeout_seconds=30"
        await say(peer, WELCOME)
        if peer.number == 1:
            await helix.subscribed(1)
            await say(peer, KEEPALIVE, FIRST)
            await drop(peer)
            return
        if peer.number == 2:
            await helix.subscribed(2)
            move = json.loads(MOVE)
            address = f"ws://{peer.headers['host']}/moved?id=1"
            move["payload"]["session"]["reconnect_url"] = address
            await say(peer, json.dumps(move))
            await peer.wait()
        else:
            assert moved
            await say(peer, SECOND)
            await peer.wait()
        assert not peer.received, "Twitch ends a connection that sends anything"

    run = play(
        RECIPE,
        script,
        process=tmp_path if apart else None,
        http=helix.subscribe,
        max_messages=2,
        reconnect_backoff=0.1,
    )
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert len(run.peers) == 3
    # Once for each session; the one that was moved keeps its subscription.
    assert len(helix.taken) == 2
    assert helix.taken[0] == {
        "type": "channel.follow",
        "version": "2",
        "condition": {"broadcaster_user_id": "1337", "moderator_user_id": "1337"},
        "transport": {
            "method": "websocket",
            "session_id": "AQoQexAWVYKSTIu4ec_2VAxyuhAB",
        },
    }


def test_a_bad_token(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await say(peer, WELCOME)
        await peer.wait()

    helix = Helix(401)
    run = play(RECIPE, script, process=tmp_path, http=helix.subscribe)
    assert run.code == 1
    assert run.error in RECIPE.failures
    assert "YOUR-USER-TOKEN" not in run.logs
