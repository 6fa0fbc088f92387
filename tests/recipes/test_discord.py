"""The recipe for the Discord gateway: heartbeats carry the last sequence number."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

import pytest

from tests.support.recipes import drop, hear, play, recipe, say, with_changes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("discord", "Messages")
HELLO, READY, GUILD, MESSAGE, BEAT_ACK, RECONNECT = RECIPE.arrives

quick = functools.partial(play, heartbeat_interval=0.05, reconnect_backoff=0.1)


class Gateway:
    """The server's side of one connection, with the numbers of what it sent."""

    def __init__(self, peer: Peer, first: int = 1) -> None:
        self._peer = peer
        self._next = first

    async def identified(self) -> None:
        """Greet, and take the identification, which must come first."""
        assert self._peer.path == "/?v=10&encoding=json"
        await say(self._peer, HELLO)
        message = await hear(self._peer)
        assert message["op"] == 2
        assert message["d"].keys() == {"token", "intents", "properties"}
        if message["d"]["token"] != "YOUR-BOT-TOKEN":
            await self._peer.close(4004, "Authentication failed.")
        await self.dispatch(READY)

    async def resumed(self, seq: int) -> None:
        """Greet, and take the wish to go on behind an event."""
        assert self._peer.path == "/?v=10&encoding=json"
        await say(self._peer, HELLO)
        message = await hear(self._peer)
        session = {"token": "YOUR-BOT-TOKEN", "session_id": "s1", "seq": seq}
        assert message == {"op": 6, "d": session}

    async def dispatch(self, event: str) -> None:
        """Send an event with the next number."""
        await say(self._peer, json.dumps(json.loads(event) | {"s": self._next}))
        self._next += 1

    async def beat(self) -> None:
        """Take heartbeats, up to one with the number of what was sent last."""
        while True:
            message = await hear(self._peer)
            assert message["op"] == 1
            await say(self._peer, BEAT_ACK)
            if message["d"] == self._next - 1:
                return
            assert message["d"] < self._next


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    async def script(peer: Peer) -> None:
        if peer.number == 1:
            gateway = Gateway(peer)
            await gateway.identified()
            await gateway.beat()
            await gateway.dispatch(GUILD)
            await gateway.beat()
            await say(peer, RECONNECT)
        else:
            gateway = Gateway(peer, first=3)
            await gateway.resumed(seq=2)
            if peer.number == 2:
                await drop(peer)
                return
            await gateway.dispatch(MESSAGE)
        await peer.wait()
        if peer.number == 1:
            assert peer.close_code == 4000

    process = tmp_path if apart else None
    run = quick(RECIPE, script, process=process, max_messages=1)
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert len(run.peers) == 3
    assert "YOUR-BOT-TOKEN" not in run.logs


def test_a_heartbeat_that_the_server_asks_for() -> None:
    async def script(peer: Peer) -> None:
        gateway = Gateway(peer, first=41)
        await gateway.identified()
        await gateway.dispatch(GUILD)
        await say(peer, json.dumps({"op": 1, "d": None, "s": None, "t": None}))
        assert await hear(peer) == {"op": 1, "d": 42}
        await gateway.dispatch(MESSAGE)
        await peer.wait()

    run = play(RECIPE, script, max_messages=1)
    run.gives(RECIPE.tables)


def test_an_invalid_session_is_left() -> None:
    async def script(peer: Peer) -> None:
        gateway = Gateway(peer)
        if peer.number == 1:
            await gateway.identified()
            await drop(peer)
            return
        await gateway.resumed(seq=1)
        await say(peer, json.dumps({"op": 9, "d": False, "s": None, "t": None}))
        message = await hear(peer)
        assert (message["op"], message["d"]["intents"]) == (2, 33281)
        await gateway.dispatch(READY)
        await gateway.dispatch(MESSAGE)
        await peer.wait()

    run = quick(RECIPE, script, max_messages=1)
    run.gives(RECIPE.tables)


def test_a_bad_token(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await Gateway(peer).identified()

    config = with_changes(RECIPE, placeholders={"token": "WRONG-TOKEN"})
    run = play(config, script, process=tmp_path)
    assert run.code == 1
    assert run.error in RECIPE.failures
    assert "WRONG-TOKEN" not in run.logs


def test_no_greeting() -> None:
    async def script(peer: Peer) -> None:
        await peer.wait()
        assert not peer.received, "spoke before the greeting"

    run = play(RECIPE, script, reply_timeout=0.2, max_reconnect_attempts=0)
    assert run.error is not None
    assert "subscribe_messages[0]: no reply within 0.2 s (reply_timeout)" in run.error
