"""The recipe for Home Assistant, against a server that counts the ids."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tests.support.mishaps import answer, play_after, play_with_drops
from tests.support.recipes import drop, hear, play, recipe, say, with_changes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("home-assistant", "State changes")
REQUIRED, AUTH_OK, RESULT, EVENT, PONG = RECIPE.arrives
TOKEN = "YOUR-LONG-LIVED-ACCESS-TOKEN"


class Ids:
    """Checks that the ids of a connection increase."""

    def __init__(self) -> None:
        self.last = 0

    def check(self, message: Any) -> int:
        number = message["id"]
        assert isinstance(number, int)
        assert number > self.last, "Identifier values have to increase"
        self.last = number
        return number


async def log_in(peer: Peer) -> None:
    assert peer.path == "/api/websocket"
    await say(peer, REQUIRED)
    message = await hear(peer)
    assert message.keys() == {"type", "access_token"}
    if message["access_token"] != TOKEN:
        failure = {
            "type": "auth_invalid",
            "message": "Invalid access token or password",
        }
        await say(peer, json.dumps(failure, separators=(",", ":")))
        await peer.close()
    await say(peer, AUTH_OK)


async def home(peer: Peer) -> None:
    ids = Ids()
    await log_in(peer)
    subscribe = await hear(peer)
    assert subscribe["type"] == "subscribe_events"
    assert subscribe["event_type"] == "state_changed"
    subscription = ids.check(subscribe)
    assert subscription == json.loads(RESULT)["id"]
    await say(peer, RESULT)
    if peer.number == 1:
        await drop(peer)
        return
    for _ in range(3):
        ping = await hear(peer)
        assert ping["type"] == "ping"
        await say(peer, json.dumps(json.loads(PONG) | {"id": ids.check(ping)}))
    await say(peer, EVENT)
    await peer.wait()


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    run = play(
        RECIPE,
        home,
        process=tmp_path if apart else None,
        heartbeat_interval=0.05,
        max_messages=1,
    )
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert len(run.peers) == 2


def test_a_bad_token(tmp_path: Path) -> None:
    config = with_changes(RECIPE, placeholders={"token": "WRONG"})
    run = play(config, log_in, process=tmp_path)
    assert run.code == 1
    assert run.error in RECIPE.failures
    assert "WRONG" not in run.logs


def test_a_refused_subscription() -> None:
    async def script(peer: Peer) -> None:
        await log_in(peer)
        message = await hear(peer)
        error = {"code": "invalid_format", "message": "no such event"}
        result = {"id": message["id"], "type": "result", "success": False}
        await say(peer, json.dumps(result | {"error": error}))
        await peer.wait()

    run = play(RECIPE, script)
    assert run.error is not None
    assert "invalid_format" in run.error


async def subscribed(peer: Peer) -> None:
    await log_in(peer)
    await hear(peer)
    await say(peer, RESULT)


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes() -> None:
    run = play_with_drops(
        RECIPE, subscribed, home, heartbeat_interval=0.05, max_messages=1
    )
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_a_restart_is_waited_for() -> None:
    """Home Assistant closes cleanly, and its proxy answers while it starts."""
    statuses = [502, 503]

    async def closes(peer: Peer) -> None:
        await subscribed(peer)
        await peer.close(1000)

    def refuse(_: web.Request) -> web.Response | None:
        if closed.is_set() and statuses:
            return web.Response(status=statuses.pop())
        closed.set()
        return None

    closed = asyncio.Event()
    play_after(
        RECIPE, closes, home, refuse=refuse, heartbeat_interval=0.05, max_messages=1
    )
    assert not statuses


@pytest.mark.usefixtures("each_transport")
def test_events_of_another_kind_are_no_records() -> None:
    new = '{"id": 1, "type": "somethingNew", "x": 1}'
    play(RECIPE, answer(subscribed, new, EVENT), max_messages=1).gives(RECIPE.tables)


def test_a_banned_address_ends_the_run() -> None:
    def refuse(_: web.Request) -> web.Response:
        return web.Response(status=403)

    run = play(RECIPE, home, refuse=refuse)
    assert run.error is not None
    assert "HTTP 403" in run.error
