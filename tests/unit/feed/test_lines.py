"""Lines: several connections to the same messages."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from tap_websocket.errors import ConnectionFailed
from tap_websocket.network.errors import HandshakeRefused, Unreachable
from tests.support.fake_transport import feed_of, numbers, pausing, play, run_feed

if TYPE_CHECKING:
    from tests.support.fake_transport import FakePeer

REFUSED = Unreachable("connection refused")


def test_two_lines_bring_each_message_once() -> None:
    async def script(peer: FakePeer) -> None:
        await play(peer, feed_of(20))

    run = run_feed(script, records=True, reconnect=True, redundancy=2, max_duration=30)
    assert numbers(run.records) == list(range(20))
    assert len(run.peers) == 2
    assert run.counts.deduplicated == 20
    assert run.counts.messages == run.counts.records == 20


def test_a_line_that_is_down_is_no_outage_while_another_is_up() -> None:
    peers: list[FakePeer] = []

    async def script(peer: FakePeer) -> None:
        peers.append(peer)
        playing = asyncio.create_task(play(peer, feed_of(40)))
        await asyncio.sleep(7)
        while sum(one.open for one in peers) < 2:
            await asyncio.sleep(0.5)
        playing.cancel()
        peer.drop()

    run = run_feed(
        script,
        records=True,
        reconnect=True,
        redundancy=2,
        reconnect_backoff=2,
        max_duration=60,
    )
    assert numbers(run.records) == sorted(numbers(run.records))
    assert set(range(40)) - set(numbers(run.records)) == set()
    assert len(run.records) == 40
    assert run.counts.reconnects == len(run.peers) - 2


def test_both_lines_at_once_are_an_outage() -> None:
    async def script(peer: FakePeer) -> None:
        playing = asyncio.create_task(play(peer, feed_of(40)))
        if peer.number <= 2:
            await asyncio.sleep(9.5 - asyncio.get_running_loop().time())
            playing.cancel()
            peer.drop()
        else:
            await playing

    run = run_feed(
        script,
        records=True,
        reconnect=True,
        redundancy=2,
        reconnect_backoff=5,
        max_duration=60,
    )
    assert numbers(run.records) == [*range(10), *range(15, 40)]
    assert run.counts.outages == 1
    assert run.counts.disconnected_seconds == pytest.approx(5, abs=0.1)


def test_an_outage_is_said_by_its_own_group() -> None:
    """The message after the outage ends its group, and leaves no record."""

    async def script(peer: FakePeer) -> None:
        peer.accept()
        if "/one" in peer.handshake.url:
            await asyncio.sleep(1)
            if "second" in peers:
                peer.text('{"end": 1}')
            else:
                peers.append("second")
                peer.drop()
        else:
            await asyncio.sleep(20)
            peer.text('{"n": 1}')
        await peer.wait_closed()

    peers: list[str] = []
    run = run_feed(
        script,
        records=True,
        url="ws://host/{name}",
        contexts=[{"name": "one"}, {"name": "two"}],
        record_metadata=True,
        message_rules=[{"match": {"end": 1}, "then": "stop"}],
        reconnect=True,
        reconnect_backoff=5,
        max_duration=30,
    )
    assert run.counts.outages == 1
    assert [record["_outage_seconds"] for record in run.records] == [None]


def test_attempts_count_only_while_no_line_is_up() -> None:
    async def script(peer: FakePeer) -> None:
        loop = asyncio.get_running_loop()
        if peer.number > 1:
            raise REFUSED
        playing = asyncio.create_task(play(peer, feed_of(100)))
        await asyncio.sleep(30 - loop.time())
        playing.cancel()
        peer.drop()

    run = run_feed(
        script, records=True, reconnect=True, redundancy=2, max_reconnect_attempts=3
    )
    assert "gave up" in str(run.ending.error)
    assert numbers(run.records) == list(range(30))


def test_lines_are_spread_over_addresses_and_move_on_after_a_failure() -> None:
    async def script(peer: FakePeer) -> None:
        if "//two" in peer.handshake.url:
            raise HandshakeRefused(404, {})
        await play(peer, feed_of(30))

    run = run_feed(
        script,
        records=True,
        reconnect=True,
        url="ws://one/",
        alternate_urls=["ws://two/", "ws://three/"],
        redundancy=2,
        max_duration=20,
    )
    assert run.ending.error is None
    urls = [peer.handshake.url for peer in run.peers]
    assert sorted(urls) == ["ws://one/", "ws://three/", "ws://two/"]
    assert numbers(run.records) == list(range(20))


def test_each_address_is_tried_once_without_reconnect() -> None:
    async def script(peer: FakePeer) -> None:
        del peer
        raise REFUSED

    run = run_feed(script, url="ws://one/", alternate_urls=["ws://two/"])
    assert [peer.handshake.url for peer in run.peers] == ["ws://one/", "ws://two/"]
    assert isinstance(run.ending.error, ConnectionFailed)


def test_what_two_lines_were_sent_before_a_long_pause_comes_once() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        await asyncio.sleep(1 if peer.number == 1 else 122.5)
        peer.text('{"n": 1}')
        await peer.wait_closed()

    run = run_feed(
        script,
        during=pausing(after=2, seconds=120),
        records=True,
        reconnect=True,
        redundancy=2,
        max_duration=150,
    )
    assert numbers(run.records) == [1]
    assert run.counts.deduplicated == 1


def test_what_another_line_has_not_read_in_a_long_pause_is_not_missing() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        await asyncio.sleep(1)
        peer.text('{"n": 1}')
        if peer.number == 1:
            peer.text('{"n": 3}')
        await asyncio.sleep(121)
        if peer.number == 1:
            peer.text('{"n": 4}')
        await asyncio.sleep(0.5)
        if peer.number == 2:
            peer.text('{"n": 2}', '{"n": 3}', '{"n": 4}')
        await peer.wait_closed()

    run = run_feed(
        script,
        during=pausing(after=2, seconds=120),
        records=True,
        reconnect=True,
        redundancy=2,
        sequence={"path": "$.n"},
        max_duration=150,
    )
    assert sorted(numbers(run.records)) == [1, 2, 3, 4]
    assert run.counts.missing == 0


@pytest.mark.parametrize("seed", range(30))
def test_nothing_is_lost_while_one_line_is_up(seed: int) -> None:
    """Whatever ends which line when: what was sent to one that was up is there once."""
    chance = random.Random(seed)  # noqa: S311 - it repeats
    messages = [(n / 4, f'{{"n": {n}}}') for n in range(800)]
    sent: set[int] = set()

    async def script(peer: FakePeer) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(chance.random() * 2)
        if chance.random() < 0.2:
            raise chance.choice([REFUSED, HandshakeRefused(503, {})])
        peer.accept()
        until = loop.time() + chance.expovariate(1 / 20)
        delay = chance.random() * 0.2
        for n, (at, text) in enumerate(messages):
            if at < loop.time():
                continue
            if at >= until:
                break
            await asyncio.sleep(at - loop.time() + delay)
            if not peer.open:
                return
            sent.add(n)
            peer.text(text)
        if chance.random() < 0.5:
            peer.drop()
        else:
            peer.close_frame(1012)

    run = run_feed(
        script,
        records=True,
        reconnect=True,
        redundancy=chance.choice([2, 3]),
        connection_lifetime=chance.choice([5, 12, 1000]),
        overlap=chance.choice([0.5, 3]),
        reconnect_backoff=0.5,
        max_duration=220,
    )
    assert run.ending.error is None
    got = numbers(run.records)
    assert len(got) == len(set(got))
    assert set(got) == sent
