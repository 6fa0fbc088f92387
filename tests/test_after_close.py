"""What the tap does between its own Close frame and the end of the connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from tests.support.raw import close_frame, frame, serve_raw
from tests.support.receive import receive

if TYPE_CHECKING:
    from tests.support.raw import RawPeer

PONG = 10
"""The answer to a Ping is owed until the server's own Close (RFC 6455, 5.5.2)."""

pytestmark = pytest.mark.usefixtures("each_transport")


@pytest.mark.parametrize("then", ["reconnect", "stop"])
def test_nothing_is_said_behind_a_close_frame(then: str) -> None:
    async def script(peer: RawPeer) -> None:
        await peer.upgrade()
        if peer.number == 2:
            await peer.send(frame(b'{"n":3}'))
            await peer.wait()
            return
        await peer.send(
            frame(b'{"n":1}'),
            frame(b'{"bye":1}'),
            frame(b'{"n":2}'),
            frame(b"", opcode=9),
        )
        opcode = 0
        while opcode != 8:
            opcode, _ = await peer.recv()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await peer.wait()
        await peer.send(close_frame(1000))

    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            message_rules=[
                {"match": {"bye": 1}, "then": then},
                {"match": {"n": {"$exists": True}}, "reply": {"ack": "{$.n}"}},
            ],
            heartbeat_message="beat",
            heartbeat_interval=0.05,
            ping_interval=0.05,
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=3,
            max_duration=3,
        )
    assert run.error is None
    first = server.peers[0]
    assert first.close_code == 1000
    texts = [
        json.loads(text) for code, text in first.frames if code == 1 and text != b"beat"
    ]
    assert texts[:1] == [{"ack": 1}]
    opcodes = [opcode for opcode, _ in first.frames]
    assert set(opcodes[opcodes.index(8) + 1 :]) <= {PONG}
    expected = [1, 2, 3] if then == "reconnect" else [1]
    assert [record["n"] for record in run.records] == expected
