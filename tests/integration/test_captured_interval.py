"""A heartbeat interval that the server names."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tap_websocket.errors import ConfigError, ConnectionFailed
from tests.support.receive import make_settings, receive
from tests.support.servers import Kind, Peer, serve

pytestmark = pytest.mark.usefixtures("each_transport")

_RULES = [
    {
        "match": {"op": 10},
        "then": "ignore",
        "capture": {"interval": "$.d.heartbeat_interval"},
    }
]


def _hello(interval: Any) -> str:
    return json.dumps({"op": 10, "d": {"heartbeat_interval": interval}})


@pytest.mark.parametrize(
    ("named", "setting"),
    [(150, "{interval}ms"), (0.15, "{interval}"), ("150", "{interval}ms")],
)
def test_heartbeats_begin_when_their_interval_is_captured(
    named: Any, setting: str, kind: Kind
) -> None:
    async def script(peer: Peer) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(peer.recv(), 0.4)
        await peer.send(_hello(named))
        for _ in range(2):
            assert await peer.recv() == "beat"
        await peer.send('{"n":1}')
        await peer.close()
        await peer.wait()

    with serve(script, kind) as server:
        run = receive(
            url=server.url,
            message_rules=_RULES,
            heartbeat_message="beat",
            heartbeat_interval=setting,
        )
    assert run.error is None
    assert [record["n"] for record in run.records] == [1]


def test_each_connection_has_the_interval_that_it_was_told() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(_hello(100 if peer.number == 1 else 60_000))
        if peer.number == 1:
            assert await peer.recv() == "beat"
            await peer.close(4000)
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(peer.recv(), 0.5)
            await peer.send('{"n":1}')
        await peer.wait()

    with serve(script) as server:
        run = receive(
            url=server.url,
            message_rules=_RULES,
            heartbeat_message="beat",
            heartbeat_interval="{interval}ms",
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=1,
        )
    assert run.error is None


@pytest.mark.parametrize("named", [0, -5, "soon", {"a": 1}, True])
def test_what_is_no_interval_is_a_drop(named: Any) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(_hello(named))
        await peer.wait()

    with serve(script) as server:
        run = receive(
            url=server.url,
            message_rules=_RULES,
            heartbeat_message="beat",
            heartbeat_interval="{interval}ms",
        )
    assert isinstance(run.error, ConnectionFailed)
    assert "heartbeat_interval: {interval} is no number above 0" in str(run.error)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ("{other}", "'{other}' is captured nowhere"),
        ("{other}ms", "'{other}ms' is captured nowhere"),
    ],
)
def test_an_interval_that_is_captured_nowhere(given: str, line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        make_settings(heartbeat_message="beat", heartbeat_interval=given)
