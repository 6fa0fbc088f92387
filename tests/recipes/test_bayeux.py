"""The recipe for Bayeux: an id in every message, and a request that is kept open."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.mishaps import play_after, play_with_drops
from tests.support.recipes import drop, hear, play, recipe, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("bayeux", "Channels")
HANDSHAKEN, SUBSCRIBED, FIRST, SECOND = RECIPE.arrives


class Server:
    """The server's side of one connection, with a client id of its own."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._client = f"c{peer.number}"
        self._next = 1

    async def hear(self, channel: str) -> dict[str, Any]:
        """Receive a message on a channel, with the client's id and the next number."""
        (message,) = await hear(self._peer)
        assert isinstance(message, dict)
        assert message["channel"] == channel
        assert message["id"] == self._next
        self._next += 1
        if channel != "/meta/handshake":
            assert message["clientId"] == self._client
        return message

    async def say(self, text: str) -> None:
        """Send messages to this client."""
        await say(self._peer, text.replace('"c1"', f'"{self._client}"'))

    async def connected(self) -> None:
        """Take the handshake, and the request that is kept open."""
        handshake = await self.hear("/meta/handshake")
        assert handshake["supportedConnectionTypes"] == ["websocket"]
        await self.say(HANDSHAKEN)
        await self.hear("/meta/connect")
        subscription = await self.hear("/meta/subscribe")
        assert subscription["subscription"] == "/trades/*"


async def script(peer: Peer) -> None:
    server = Server(peer)
    await server.connected()
    await server.say(SUBSCRIBED)
    if peer.number == 1:
        await server.say(FIRST)
        await server.hear("/meta/connect")
        await drop(peer)
    elif peer.number == 2:
        forgotten = {
            "channel": "/meta/connect",
            "successful": False,
            "error": "402::unknown client",
            "advice": {"reconnect": "handshake", "interval": 0},
        }
        await server.say(json.dumps([forgotten]))
        await peer.wait()
    else:
        await server.say(SECOND)
        await peer.wait()


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    process = tmp_path if apart else None
    run = play(RECIPE, script, process=process, max_messages=2, reconnect_backoff=0.1)
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert len(run.peers) == 3


def test_a_channel_that_may_not_be_subscribed(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await Server(peer).connected()
        await say(peer, f"[{RECIPE.failures[0].partition('fatal: ')[2]}]")
        await peer.wait()

    run = play(RECIPE, script, process=tmp_path)
    assert run.code == 1
    assert run.error in RECIPE.failures


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes() -> None:
    async def subscribed(peer: Peer) -> None:
        server = Server(peer)
        await server.connected()
        await server.say(SUBSCRIBED)

    run = play_with_drops(RECIPE, subscribed, script, max_messages=2)
    run.gives(RECIPE.tables)


def failure(channel: str, error: str, reconnect: str) -> str:
    """Return the failure of a message of the protocol, with the server's advice."""
    message = {"channel": channel, "successful": False, "error": error}
    return json.dumps([message | {"advice": {"reconnect": reconnect, "interval": 0}}])


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize("advice", ["retry", "handshake"])
@pytest.mark.parametrize("channel", ["/meta/handshake", "/meta/connect"])
def test_what_the_server_advises_to_try_again(advice: str, channel: str) -> None:
    async def fails(peer: Peer) -> None:
        server = Server(peer)
        if channel == "/meta/connect":
            await server.connected()
        else:
            await server.hear(channel)
        await server.say(failure(channel, "500::overloaded", advice))

    play_after(RECIPE, fails, script, max_messages=2)


@pytest.mark.usefixtures("each_transport")
def test_a_handshake_that_is_denied_ends_the_run() -> None:
    async def denies(peer: Peer) -> None:
        server = Server(peer)
        await server.hear("/meta/handshake")
        await server.say(failure("/meta/handshake", "403::Handshake denied", "none"))
        await peer.wait()

    run = play(RECIPE, denies)
    assert run.error is not None
    assert "403::Handshake denied" in run.error
