"""When a run ends, over real sockets on two servers (docs/behaviour.md, "Ends")."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest

from tap_websocket.errors import ConnectionFailed, FeedError
from tests.support.raw import frame, opens, serve_raw
from tests.support.receive import receive
from tests.support.servers import free_port, serve

if TYPE_CHECKING:
    from tests.support.servers import Kind, Peer


pytestmark = pytest.mark.usefixtures("each_transport")


async def count(peer: Peer) -> None:
    """Send numbers for ever."""
    for number in itertools.count():
        await peer.send(f'{{"n": {number}}}')
        await asyncio.sleep(0.001)


async def hello(peer: Peer) -> None:
    """Send one message, then listen."""
    await peer.send('{"n": 0}')
    await peer.wait()


def closing(code: int, messages: int = 3) -> object:
    async def script(peer: Peer) -> None:
        for number in range(messages):
            await peer.send(f'{{"n": {number}}}')
        await peer.close(code, "bye")

    return script


def test_max_messages_is_exact(kind: Kind) -> None:
    with serve(count, kind) as server:
        run = receive(url=server.url, max_messages=250)
    assert run.error is None
    assert [record["n"] for record in run.records] == list(range(250))
    assert run.counts.messages == run.counts.records == 250


def test_max_messages_ends_within_a_batch() -> None:
    with serve_raw(
        opens(*(frame(b'{"n": %d}' % number) for number in range(1000)))
    ) as server:
        run = receive(url=server.url, max_messages=250)
    assert run.error is None
    assert [record["n"] for record in run.records] == list(range(250))


def test_max_messages_counts_messages_and_not_records(kind: Kind) -> None:
    async def script(peer: Peer) -> None:
        for number in itertools.count():
            await peer.send(f'[{{"n": {number}, "part": 1}}, {{"n": {number}}}]')
            await asyncio.sleep(0.001)

    with serve(script, kind) as server:
        run = receive(url=server.url, max_messages=5)
    assert len(run.records) == 10
    assert run.counts.messages == 5


def test_idle_timeout_ends_a_silent_feed(kind: Kind) -> None:
    with serve(hello, kind) as server:
        run = receive(url=server.url, idle_timeout=2, max_duration=30)
    assert run.error is None
    assert [record["n"] for record in run.records] == [0]
    assert 2 <= run.seconds < 20


def test_idle_timeout_is_reset_by_pings(kind: Kind) -> None:
    with serve(hello, kind) as server:
        run = receive(url=server.url, idle_timeout=2, ping_interval=0.1, max_duration=3)
    assert run.error is None
    assert run.seconds >= 3


def test_idle_reset_message_is_not_reset_by_pongs(kind: Kind) -> None:
    with serve(hello, kind) as server:
        run = receive(
            url=server.url,
            idle_timeout=2,
            idle_reset="message",
            ping_interval=0.1,
            max_duration=30,
        )
    assert run.error is None
    assert run.seconds < 20


def test_idle_timeout_is_reset_by_a_message_that_is_skipped(kind: Kind) -> None:
    async def script(peer: Peer) -> None:
        await peer.send('{"n": 0}')
        for _ in range(5):
            await asyncio.sleep(0.5)
            await peer.send("no json")
        await peer.wait()

    with serve(script, kind) as server:
        run = receive(url=server.url, idle_timeout=2, on_parse_error="skip")
    assert run.counts.skipped == 5
    assert run.seconds > 4


def test_idle_timeout_runs_through_an_outage(kind: Kind) -> None:
    with serve(closing(1011), kind) as server:
        run = receive(
            url=server.url,
            idle_timeout=2,
            max_duration=30,
            reconnect=True,
            reconnect_backoff=60,
        )
    assert run.error is None
    assert len(run.records) == 3
    assert run.seconds < 20


def test_max_duration_alone_is_an_end(kind: Kind) -> None:
    with serve(hello, kind) as server:
        run = receive(url=server.url, max_duration=2)
    assert run.error is None
    assert 2 <= run.seconds < 20


def test_a_clean_close_ends_the_run(kind: Kind) -> None:
    with serve(closing(1000), kind) as server:
        run = receive(url=server.url)
    assert run.error is None
    assert len(run.records) == 3


@pytest.mark.parametrize("code", [1001, 1008, 1011, 1012, 4000])
def test_any_other_close_is_an_error(kind: Kind, code: int) -> None:
    with serve(closing(code), kind) as server:
        run = receive(url=server.url)
    assert isinstance(run.error, ConnectionFailed)
    assert f"code {code} ('bye')" in str(run.error)
    assert len(run.records) == 3


def test_a_reset_is_an_error_and_what_came_before_is_kept(kind: Kind) -> None:
    async def script(peer: Peer) -> None:
        await peer.send('{"n": 0}')
        # A reset throws away what is not read yet.
        assert await peer.recv() == "read"
        await peer.reset()

    with serve(script, kind) as server:
        run = receive(url=server.url, message_rules=[{"reply": "read"}])
    assert isinstance(run.error, ConnectionFailed)
    assert len(run.records) == 1


@pytest.mark.parametrize(
    "codes", [[4001], ["4xxx"], ["4001"], ["3500-4001"], [" 4001 - 4001 "]]
)
def test_fatal_close_codes_end_the_run_in_spite_of_reconnect(
    kind: Kind,
    codes: list[object],
) -> None:
    with serve(closing(4001), kind) as server:
        run = receive(url=server.url, reconnect=True, fatal_close_codes=codes)
    assert isinstance(run.error, FeedError)
    assert "4001" in str(run.error)
    assert "fatal_close_codes" in str(run.error)
    assert len(run.records) == 3


def test_never_connected_is_an_error_with_the_last_reason() -> None:
    run = receive(
        url=f"ws://localhost:{free_port()}/",
        # Time for one attempt at least, on a busy machine too.
        idle_timeout=2,
        reconnect=True,
        reconnect_backoff=0.1,
    )
    assert isinstance(run.error, ConnectionFailed)
    assert "never connected" in str(run.error)
    assert "refused" in str(run.error).lower() or "Connect call failed" in str(
        run.error
    )


def test_several_connections_share_the_run(kind: Kind) -> None:
    async def script(peer: Peer) -> None:
        name = peer.path.rpartition("/")[2]
        for number in range(10):
            await peer.send(f'{{"from": "{name}", "n": {number}}}')
        await peer.close(1000)

    with serve(script, kind) as server:
        run = receive(
            url=server.url + "/{symbol}",
            contexts=[{"symbol": "a"}, {"symbol": "b"}, {"symbol": "c"}],
        )
    assert run.error is None
    assert len(run.records) == 30
    for name in "abc":
        own = [record for record in run.records if record["symbol"] == name]
        assert [record["n"] for record in own] == list(range(10))
        assert {record["from"] for record in own} == {name}


def test_a_failure_of_one_connection_ends_the_run(kind: Kind) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(f'{{"path": "{peer.path}"}}')
        if peer.path.endswith("bad"):
            await peer.close(1008)
        await peer.wait()

    with serve(script, kind) as server:
        run = receive(url=server.url + "/{s}", contexts=[{"s": "good"}, {"s": "bad"}])
    assert isinstance(run.error, ConnectionFailed)
    assert {record["s"] for record in run.records} >= {"bad"}
