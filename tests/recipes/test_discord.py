"""The recipe for the Discord gateway: heartbeats carry the last sequence number."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.mishaps import play_with_drops
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

    async def greeted(self) -> Any:
        """Greet, and return what the client says first."""
        assert self._peer.path == "/?v=10&encoding=json"
        await say(self._peer, HELLO)
        return await hear(self._peer)

    async def identified(self, message: Any = None) -> None:
        """Take the identification, which must come first.

        The session is resumed at another name of the same server.

        Args:
            message: The identification, where it was received.
        """
        message = message or await self.greeted()
        assert self._peer.headers["host"].startswith("localhost:")
        assert message["op"] == 2
        assert message["d"].keys() == {"token", "intents", "properties"}
        if message["d"]["token"] != "YOUR-BOT-TOKEN":
            await self._peer.close(4004, "Authentication failed.")
        ready = json.loads(READY)
        host = self._peer.headers["host"].replace("localhost", "127.0.0.1")
        ready["d"]["resume_gateway_url"] = f"ws://{host}"
        await self.dispatch(json.dumps(ready))

    async def resumed(self, seq: int) -> None:
        """Greet, and take the wish to go on behind an event."""
        message = await self.greeted()
        assert self._peer.headers["host"].startswith("127.0.0.1:")
        assert message == wish(seq)

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


def wish(seq: int) -> Any:
    """Return what resumes a session behind an event."""
    session = {"token": "YOUR-BOT-TOKEN", "session_id": "s1", "seq": seq}
    return {"op": 6, "d": session}


class Session:
    """A session of many events, which outlives its connections.

    It ends a connection after some of them, and goes on behind the one that the client
    names.
    """

    def __init__(self, count: int, *, each: int) -> None:
        self._ids = [str(number) for number in range(count)]
        self._each = each
        self.resumed: list[int] = []

    async def __call__(self, peer: Peer) -> None:
        message = await Gateway(peer).greeted()
        if message["op"] == 2:
            await Gateway(peer).identified(message)
            seq = 1
        else:
            seq = message["d"]["seq"]
            assert message == wish(seq)
            self.resumed.append(seq)
        gateway = Gateway(peer, first=seq + 1)
        for number in self._ids[seq - 1 :][: self._each]:
            event = {"op": 0, "t": "MESSAGE_CREATE", "d": {"id": number}}
            await gateway.dispatch(json.dumps(event))
        await drop(peer)


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


@pytest.mark.usefixtures("each_transport")
def test_an_invalid_session_is_left() -> None:
    async def script(peer: Peer) -> None:
        gateway = Gateway(peer)
        if peer.number == 1:
            await gateway.identified()
            await drop(peer)
        elif peer.number == 2:
            await gateway.resumed(seq=1)
            await say(peer, json.dumps({"op": 9, "d": False, "s": None, "t": None}))
            await peer.wait()
            assert peer.close_code == 1000
        else:
            await gateway.identified()
            await gateway.dispatch(MESSAGE)
            await peer.wait()

    run = quick(RECIPE, script, max_messages=1)
    run.gives(RECIPE.tables)
    assert len(run.peers) == 3


@pytest.mark.usefixtures("each_transport")
def test_a_session_that_may_be_resumed() -> None:
    async def script(peer: Peer) -> None:
        if peer.number == 1:
            await Gateway(peer).identified()
            await say(peer, json.dumps({"op": 9, "d": True, "s": None, "t": None}))
            await peer.wait()
            assert peer.close_code == 4000
        else:
            gateway = Gateway(peer, first=2)
            await gateway.resumed(seq=1)
            await gateway.dispatch(MESSAGE)
            await peer.wait()

    quick(RECIPE, script, max_messages=1).gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize("code", [1001, 4000, 4008, 4009])
def test_a_close_code_that_passes_is_followed_by_the_session(code: int) -> None:
    async def script(peer: Peer) -> None:
        if peer.number == 1:
            await Gateway(peer).identified()
            await peer.close(code)
        else:
            gateway = Gateway(peer, first=2)
            await gateway.resumed(seq=1)
            await gateway.dispatch(MESSAGE)
            await peer.wait()

    quick(RECIPE, script, max_messages=1).gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_identifies() -> None:
    async def identified(peer: Peer) -> None:
        await Gateway(peer).identified()

    session = Session(1, each=1)

    async def script(peer: Peer) -> None:
        await session(peer)

    run = play_with_drops(RECIPE, identified, script, max_messages=1)
    assert run.error is None
    assert [row["id"] for row in run.records["messages"]] == ["0"]
    # The last drop came when there was a session.
    assert session.resumed == [1]


@pytest.mark.usefixtures("each_transport")
def test_nothing_is_lost_and_nothing_comes_twice() -> None:
    session = Session(100, each=30)
    run = quick(RECIPE, session, max_messages=100)
    assert run.error is None
    ids = [row["id"] for row in run.records["messages"]]
    assert ids == [str(number) for number in range(100)]
    assert session.resumed == [31, 61, 91]


def test_a_bad_token(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await Gateway(peer).identified()

    placeholders = RECIPE.config["placeholders"] | {"token": "WRONG-TOKEN"}
    config = with_changes(RECIPE, placeholders=placeholders)
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
