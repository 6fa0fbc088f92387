"""The recipe for SignalR: negotiation, framing, calls and pings."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tests.support.mishaps import play_after, play_with_drops
from tests.support.recipes import drop, play, recipe, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("signalr", "Calls of a hub")
SEPARATOR = "\x1e"
HANDSHAKEN, COMPLETION, PRICES, CLOSE = (
    line.replace("␞", SEPARATOR) for line in RECIPE.arrives
)
PING = {"type": 6}


class Hub:
    """Hands out tokens with characters that a URL cannot hold as they are."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    async def negotiate(self, request: web.Request) -> web.Response:
        assert request.method == "POST"
        assert request.path_qs == "/hubs/prices/negotiate?negotiateVersion=1"
        self.tokens.append(f"a+b/c={len(self.tokens)}")
        reply = {
            "negotiateVersion": 1,
            "connectionId": "public",
            "connectionToken": self.tokens[-1],
            "availableTransports": [{"transport": "WebSockets"}],
        }
        return web.json_response(reply)

    async def called(self, peer: Peer) -> Any:
        """Take the handshake and the first call, and return that."""
        token = self.tokens[-1]
        quoted = token.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
        assert peer.path in {f"/hubs/prices?id={quoted}", f"/hubs/prices?id={token}"}
        assert await heard(peer) == {"protocol": "json", "version": 1}
        await asyncio.sleep(0.05)
        assert len(peer.received) == 1, "called before the handshake was answered"
        await say(peer, HANDSHAKEN)
        return await heard(peer)

    async def subscribed(self, peer: Peer) -> None:
        """Play up to the end of the subscription."""
        assert await self.called(peer) == {
            "type": 1,
            "invocationId": "1",
            "target": "Subscribe",
            "arguments": ["EUR/USD"],
        }
        await say(peer, COMPLETION)

    async def __call__(self, peer: Peer) -> None:
        """Play it as a whole: a drop, a close that allows to come back, and prices."""
        one, two = PRICES.split(SEPARATOR)[:-1]
        await self.subscribed(peer)
        assert await heard(peer) == PING
        if peer.number == 1:
            await say(peer, one + SEPARATOR)
            await drop(peer)
            return
        if peer.number == 2:
            await say(peer, CLOSE)
        else:
            ping = json.dumps(PING)
            await say(peer, SEPARATOR.join([ping, two, ping, ""]))
            assert await heard(peer) == PING
        await peer.wait()


async def heard(peer: Peer) -> Any:
    """Receive one document, with its separator."""
    text = await peer.recv()
    assert isinstance(text, str)
    assert text.endswith(SEPARATOR)
    return json.loads(text[:-1])


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    hub = Hub()
    run = play(
        RECIPE,
        hub,
        process=tmp_path if apart else None,
        http=hub.negotiate,
        heartbeat_interval=0.05,
        max_messages=2,
    )
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert len(hub.tokens) == 3


def test_several_documents_in_one_message() -> None:
    hub = Hub()

    async def script(peer: Peer) -> None:
        await hub.called(peer)
        await say(peer, COMPLETION, PRICES)
        await peer.wait()

    run = play(RECIPE, script, http=hub.negotiate, max_messages=1)
    run.gives(RECIPE.tables)


def test_a_refused_call(tmp_path: Path) -> None:
    hub = Hub()

    async def script(peer: Peer) -> None:
        call = await hub.called(peer)
        error = f"Unknown hub method '{call['target']}'"
        reply = {"type": 3, "invocationId": call["invocationId"], "error": error}
        await say(peer, json.dumps(reply, separators=(",", ":")) + SEPARATOR)
        await peer.wait()

    run = play(RECIPE, script, process=tmp_path, http=hub.negotiate)
    assert run.code == 1
    assert run.error in RECIPE.failures


def test_a_protocol_that_is_refused() -> None:
    async def script(peer: Peer) -> None:
        await heard(peer)
        error = "Requested protocol 'json' is not available."
        await say(peer, json.dumps({"error": error}) + SEPARATOR)
        await peer.wait()

    run = play(RECIPE, script, http=Hub().negotiate)
    assert run.error is not None
    assert "is not available" in run.error


def test_no_connection_token() -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"error": "no"})

    run = play(RECIPE, drop, http=refuse)
    assert run.error is not None
    assert run.error.startswith("auth.values.connection_token: the reply of ")


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes() -> None:
    hub = Hub()
    run = play_with_drops(
        RECIPE,
        hub.subscribed,
        hub,
        http=hub.negotiate,
        heartbeat_interval=0.05,
        max_messages=2,
    )
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_a_negotiation_that_fails_for_now_is_made_again() -> None:
    hub = Hub()
    statuses = [503, 429]

    async def negotiate(request: web.Request) -> web.Response:
        if statuses:
            return web.Response(status=statuses.pop(), headers={"Retry-After": "0"})
        return await hub.negotiate(request)

    run = play(
        RECIPE,
        hub,
        http=negotiate,
        heartbeat_interval=0.05,
        max_messages=2,
        reconnect_backoff=0.1,
    )
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_a_close_with_an_error_ends_the_run() -> None:
    hub = Hub()

    async def closes(peer: Peer) -> None:
        await hub.subscribed(peer)
        error = "Connection closed with an error."
        await say(peer, json.dumps({"type": 7, "error": error}) + SEPARATOR)
        await peer.wait()

    run = play(RECIPE, closes, http=hub.negotiate)
    assert run.error is not None
    assert "Connection closed with an error." in run.error


@pytest.mark.usefixtures("each_transport")
def test_a_server_that_shuts_down_is_left() -> None:
    hub = Hub()

    async def shuts_down(peer: Peer) -> None:
        await hub.subscribed(peer)
        close = {"type": 7, "error": "Server shutdown", "allowReconnect": True}
        await say(peer, json.dumps(close) + SEPARATOR)

    play_after(
        RECIPE,
        shuts_down,
        hub,
        http=hub.negotiate,
        heartbeat_interval=0.05,
        max_messages=2,
    )


@pytest.mark.parametrize("status", [401, 404])
def test_a_negotiation_that_is_refused_ends_the_run(status: int) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=status)

    run = play(RECIPE, drop, http=refuse)
    assert run.error is not None
    assert f"HTTP {status}" in run.error


@pytest.mark.usefixtures("each_transport")
def test_a_message_of_a_new_kind_is_no_record() -> None:
    hub = Hub()

    async def shows(peer: Peer) -> None:
        await hub.subscribed(peer)
        await say(peer, json.dumps({"type": 99, "x": 1}) + SEPARATOR, PRICES)
        await peer.wait()

    run = play(RECIPE, shows, http=hub.negotiate, max_messages=1)
    run.gives(RECIPE.tables)
