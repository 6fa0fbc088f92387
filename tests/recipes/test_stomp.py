"""The recipe for STOMP, against a broker, and against what others send."""

from __future__ import annotations

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

RECIPE = recipe("stomp", "A destination")
SCRIPT = Path(__file__).parent / "servers" / "stomp.js"
SUBPROTOCOLS = ("v12.stomp",)
CONNECTED = "CONNECTED\nversion:1.2\nheart-beat:20000,20000\n\n\x00"


@pytest.fixture
def broker() -> Iterator[NodeServer]:
    with NodeServer(SCRIPT) as server:
        yield server


@pytest.mark.usefixtures("each_transport")
def test_table(broker: NodeServer) -> None:
    first, second, third = RECIPE.arrives

    def publish() -> None:
        broker.wait_for("subscribed to /topic/prices")
        broker.tell(first, second)
        broker.wait_for(second)
        broker.kill()
        broker.start()
        broker.wait_for("subscribed to /topic/prices")
        broker.tell(third)

    publisher = threading.Thread(target=publish, daemon=True)
    publisher.start()
    settings = {"max_duration": 60, "max_messages": 3, "reconnect_backoff": 0.1}
    run = receive(**located(RECIPE.config, broker.port) | settings)
    publisher.join()
    assert run.error is None
    assert run.counts.reconnects == 1
    Outcome(0, None, {"prices": run.records}, []).gives(RECIPE.tables)


def test_credentials_that_are_not_accepted(broker: NodeServer) -> None:
    placeholders = {"login": "YOUR-LOGIN", "passcode": "WRONG"}
    config = with_changes(RECIPE, placeholders=placeholders).config
    run = receive(**located(config, broker.port) | {"max_duration": 60})
    assert str(run.error) in RECIPE.failures


async def subscribed(peer: Peer) -> None:
    """Take the connection and the subscription, as a strict server would."""
    connect = await peer.recv()
    assert connect == (
        "CONNECT\naccept-version:1.2,1.1\nhost:/\nlogin:YOUR-LOGIN\n"
        "passcode:YOUR-PASSCODE\nheart-beat:20000,20000\n\n\x00"
    )
    await say(peer, CONNECTED)
    subscribe = await peer.recv()
    assert subscribe == "SUBSCRIBE\nid:0\ndestination:/topic/prices\nack:auto\n\n\x00"


def message(*lines: str, end: str = "\n") -> str:
    """Return a frame of headers and, as the last line, a body."""
    *headers, body = lines
    return end.join(["MESSAGE", *headers, "", f"{body}\x00"])


@pytest.mark.parametrize("apart", [True, False])
def test_frames_of_other_brokers(tmp_path: Path, *, apart: bool) -> None:
    """Headers in any order, lines that end as in 1.2, several frames in a message."""
    place = "destination:/topic/prices"

    async def script(peer: Peer) -> None:
        await subscribed(peer)
        assert await peer.recv() == "\n"
        first = message("message-id:a", "subscription:0", place, '{"n":1}')
        second = message("redelivered:false", place, "message-id:b", '\n{"n":\n2}')
        third = message(place, "x-message-id:no", "message-id:c", '{"n":3}', end="\r\n")
        fourth = message("message-id:d\\c1", place, '{"text":"x\\nmessage-id:no"}')
        if peer.number == 1:
            await say(peer, "\n", first + "\n" + second)
            await drop(peer)
        else:
            await say(peer, third, "\n" + fourth + "\n\n")
            await peer.wait()

    run = play(
        RECIPE,
        script,
        process=tmp_path if apart else None,
        subprotocols=SUBPROTOCOLS,
        heartbeat_interval=0.1,
        reconnect_backoff=0.1,
        max_messages=4,
    )
    assert run.error is None
    rows = run.records["prices"]
    assert {row["destination"] for row in rows} == {"/topic/prices"}
    assert [row["message_id"] for row in rows] == ["a", "b", "c", "d\\c1"]
    assert [row["n"] for row in rows[:3]] == [1, 2, 3]


def test_messages_that_are_acknowledged() -> None:
    """As the page says."""
    name = "(?=(?:[^\\r\\n]+\\r?\\n)*?ack:(?P<ack>[^\\r\\n]*))"
    pattern = RECIPE.config["message_pattern"].replace("(?=", f"{name}(?=", 1)
    rule = {"match": {"$regex": "^\\s*MESSAGE"}, "reply": "ACK\nid:{$ack}\n\n\x00"}
    config = with_changes(RECIPE, message_pattern=pattern, message_rules=[rule])

    async def script(peer: Peer) -> None:
        await subscribed(peer)
        headers = ("destination:/topic/prices", "ack:17", "message-id:a")
        await say(peer, message(*headers, '{"n":1}'))
        assert await peer.recv() == "ACK\nid:17\n\n\x00"
        await peer.wait()

    run = play(config, script, subprotocols=SUBPROTOCOLS, max_messages=1)
    assert run.error is None
    assert [row["ack"] for row in run.records["prices"]] == ["17"]
