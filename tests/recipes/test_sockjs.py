"""The recipe for SockJS, against the server of those who made the protocol."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.recipes import located
from tests.support.node import NodeServer
from tests.support.receive import receive
from tests.support.recipes import Outcome, drop, play, recipe, say, with_changes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import Peer

RECIPE = recipe("sockjs", "Messages")
SCRIPT = Path(__file__).parent / "servers" / "sockjs.js"
OPEN, SUBSCRIBED, BOTH, BEAT, CLOSING, LAST = RECIPE.arrives


@pytest.fixture
def server() -> Iterator[NodeServer]:
    with NodeServer(SCRIPT) as server:
        yield server


@pytest.mark.usefixtures("each_transport")
def test_table(server: NodeServer) -> None:
    first, second = json.loads(BOTH[1:])
    (third,) = json.loads(LAST[1:])

    def publish() -> None:
        server.wait_for("subscribed to prices")
        server.tell(f"publish {json.dumps([first])}", "close")
        server.wait_for("subscribed to prices")
        line = f"publish {json.dumps([second])}"
        server.tell(line)
        server.wait_for(line)
        server.kill()
        server.start()
        server.wait_for("subscribed to prices")
        server.tell(f"publish {json.dumps([third])}")

    publisher = threading.Thread(target=publish, daemon=True)
    publisher.start()
    settings = {"max_duration": 60, "max_messages": 3, "reconnect_backoff": 0.1}
    run = receive(**located(RECIPE.config, server.port) | settings)
    publisher.join()
    assert run.error is None
    assert run.counts.reconnects == 2
    Outcome(0, None, {"prices": run.records}, []).gives(RECIPE.tables)


def test_a_wrong_token(server: NodeServer) -> None:
    config = with_changes(RECIPE, placeholders={"token": "WRONG"}).config
    run = receive(**located(config, server.port) | {"max_duration": 60})
    assert str(run.error) in RECIPE.failures


@pytest.mark.parametrize("apart", [True, False])
def test_several_messages_in_a_frame(tmp_path: Path, *, apart: bool) -> None:
    """As on the page; each connection has a session of its own."""
    sessions: set[str] = set()

    async def script(peer: Peer) -> None:
        _, prices, number, session, transport = peer.path.split("/")
        assert (prices, number, transport) == ("prices", "000", "websocket")
        sessions.add(session)
        await say(peer, OPEN)
        (text,) = json.loads(await peer.recv())
        assert json.loads(text) == {
            "action": "subscribe",
            "topic": "prices",
            "token": "YOUR-TOKEN",
        }
        await say(peer, SUBSCRIBED)
        if peer.number == 1:
            await say(peer, BOTH, BEAT)
            await drop(peer)
        elif peer.number == 2:
            await say(peer, BEAT, CLOSING)
            await peer.wait()
        else:
            await say(peer, LAST)
            await peer.wait()

    process = tmp_path if apart else None
    run = play(RECIPE, script, process=process, max_messages=3, reconnect_backoff=0.1)
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert len(sessions) == 3
