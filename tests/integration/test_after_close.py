"""What the tap does between its own Close frame and the end of the connection."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import FeedError
from tests.support.raw import close_frame, frame, opens, serve_raw
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
            max_duration=20,
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


@pytest.mark.parametrize("code", [1000, 4001])
def test_no_clock_has_a_say_behind_the_server_s_close(code: int) -> None:
    async def script(peer: RawPeer) -> None:
        await peer.upgrade(frame(b'{"n":1}'), close_frame(code))
        while True:
            await peer.recv()

    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            fatal_close_codes=[4001],
            reconnect=code == 4001,
            reconnect_backoff=0.01,
            stale_timeout=0.2,
            ping_interval=0.1,
            ping_timeout=0.1,
            close_timeout=0.6,
            max_duration=5,
        )
        assert len(server.peers) == 1
    assert [record["n"] for record in run.records] == [1]
    if code == 1000:
        assert run.error is None
    else:
        assert isinstance(run.error, FeedError)
        assert "fatal_close_codes" in str(run.error)


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize("limit", ["idle_timeout", "max_duration"])
@pytest.mark.parametrize(
    ("code", "reconnect"), [(1000, False), (1011, False), (4001, True)]
)
def test_no_limit_has_a_say_before_the_server_s_close_is_judged(
    code: int, limit: str, *, reconnect: bool
) -> None:
    """Also where the server leaves TCP open, for all of `close_timeout`."""

    async def script(peer: RawPeer) -> None:
        await peer.upgrade(frame(b'{"n":1}'), close_frame(code, b"why"))
        while True:
            await peer.recv()

    limits: dict[str, Any] = {"max_duration": 60, limit: 2}
    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            fatal_close_codes=[4001],
            reconnect=reconnect,
            close_timeout=2.5,
            **limits,
        )
    assert [record["n"] for record in run.records] == [1]
    assert run.seconds < 30
    if code == 1000:
        assert run.error is None
    else:
        assert run.error is not None
        assert f"code {code} ('why')" in str(run.error)


def test_a_limit_ends_a_run_though_connections_end_again_and_again() -> None:
    with serve_raw(opens(frame(b'{"n":1}'), close_frame(1011))) as server:
        run = receive(
            url=server.url, reconnect=True, reconnect_backoff=0.01, max_duration=1
        )
    assert run.error is None
    assert run.seconds < 30


def test_the_answer_to_the_server_s_close_is_the_last_word() -> None:
    async def script(peer: RawPeer) -> None:
        await peer.upgrade(frame(b'{"n":1}'), close_frame(1000))
        while True:
            await peer.recv()

    with serve_raw(script) as server:
        receive(
            url=server.url,
            heartbeat_message="beat",
            heartbeat_interval=0.1,
            close_timeout=2,
            max_duration=2,
        )
        (peer,) = server.peers
    opcodes = [opcode for opcode, _ in peer.frames]
    assert opcodes[opcodes.index(8) :] == [8]


def test_a_feed_that_goes_on_behind_our_close_is_not_stale() -> None:
    async def script(peer: RawPeer) -> None:
        await peer.upgrade(frame(b'{"bye":1}'))
        opcode = 0
        while opcode != 8:
            opcode, _ = await peer.recv()
        await peer.send(frame(b'{"n":1}'))
        await asyncio.sleep(0.5)
        await peer.send(frame(b'{"n":2}'), close_frame(1000))

    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            message_rules=[{"match": {"bye": 1}, "then": "reconnect"}],
            stale_timeout=0.2,
            close_timeout=5,
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=3,
            max_duration=10,
        )
    assert [record["n"] for record in run.records][:2] == [1, 2]
