"""The recipe for Socket.IO, against a server that demands its pongs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.support.mishaps import answer, play_after, play_with_drops
from tests.support.recipes import drop, play, recipe, say, with_changes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("socketio", "Events")
OPEN, CONNECT, FIRST, PING, SECOND, CHART = RECIPE.arrives


async def connected(peer: Peer) -> None:
    """Open, and take the connection to the namespace and the subscription."""
    assert peer.path == "/socket.io/?EIO=4&transport=websocket"
    await say(peer, OPEN)
    packet = await peer.recv()
    if packet != '40{"token":"YOUR-TOKEN"}':
        assert isinstance(packet, str)
        assert packet.startswith("40")
        await say(peer, '44{"message":"Not authorized"}')
        await peer.wait()
    await asyncio.sleep(0.05)
    assert len(peer.received) == 1, "spoke before it was connected"
    await say(peer, CONNECT)
    assert await peer.recv() == '42["subscribe",{"room":"trades"}]'


async def pinged(peer: Peer) -> None:
    await say(peer, PING)
    assert await peer.recv() == "3"


async def trades(peer: Peer) -> None:
    await connected(peer)
    await pinged(peer)
    if peer.number == 1:
        await say(peer, FIRST)
        await drop(peer)
    elif peer.number == 2:
        await say(peer, "41")
        await peer.wait()
    else:
        await say(peer, SECOND)
        assert await peer.recv() == "4317[]"
        await peer.send(CHART)
        await peer.send(b"\x89PNG\xff")
        await pinged(peer)
        await peer.wait()


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    process = tmp_path if apart else None
    run = play(RECIPE, trades, process=process, max_messages=3, reconnect_backoff=0.1)
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert len(run.peers) == 3


def test_a_bad_token(tmp_path: Path) -> None:
    config = with_changes(RECIPE, placeholders={"token": "WRONG"})
    run = play(config, connected, process=tmp_path)
    assert run.code == 1
    assert run.error in RECIPE.failures


def test_no_reply_to_the_connection() -> None:
    async def script(peer: Peer) -> None:
        await say(peer, OPEN)
        await peer.wait()
        assert len(peer.received) == 1

    run = play(RECIPE, script, reply_timeout=2, max_reconnect_attempts=0)
    assert run.error is not None
    assert "subscribe_messages[1]: no reply within 2 s (reply_timeout)" in run.error


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes() -> None:
    run = play_with_drops(RECIPE, connected, trades, max_messages=3)
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_a_packet_of_a_new_kind_is_no_record() -> None:
    shown = answer(connected, "6", "48[]", FIRST, SECOND, CHART)
    play(RECIPE, shown, max_messages=3).gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_a_missed_ping_is_a_drop() -> None:
    async def closes(peer: Peer) -> None:
        await connected(peer)
        await say(peer, "1")
        await peer.close(1000, "ping timeout")

    play_after(RECIPE, closes, trades, max_messages=3)


def test_a_version_that_the_server_does_not_speak() -> None:
    error = {"code": 5, "message": "Unsupported protocol version"}

    def refuse(_: web.Request) -> web.Response:
        return web.json_response(error, status=400)

    run = play(RECIPE, trades, refuse=refuse)
    assert run.error is not None
    assert "HTTP 400" in run.error


@pytest.mark.usefixtures("each_transport")
def test_an_event_that_is_no_json_ends_the_run() -> None:
    run = play(RECIPE, answer(connected, FIRST, '42["trade",{"symbol":'))
    assert run.error is not None
    assert "not valid JSON" in run.error
    assert len(run.records["messages"]) == 1
