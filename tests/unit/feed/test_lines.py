"""Lines: several connections to the same messages."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import ConnectionFailed, FeedError
from tap_websocket.network.errors import HandshakeRefused, Unreachable
from tests.support.fake_transport import feed_of, numbers, play, run_feed

if TYPE_CHECKING:
    from tap_websocket.feed.feed import Feed
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


def test_a_group_that_is_complete_waits_for_no_line_that_was_lost() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        peer.text("a")
        await asyncio.sleep(5 if peer.number == 2 else 10)
        if peer.number == 2:
            peer.drop()
        else:
            peer.text("stop")
            await peer.wait_closed()

    run = run_feed(
        script, reconnect=True, redundancy=2, overlap=4, reconnect_backoff=500
    )
    assert run.ending.error is None
    assert run.seconds == pytest.approx(14, abs=0.1)
    assert len(run.peers) == 2


@pytest.mark.parametrize("status", [401, 404])
def test_a_final_refusal_takes_down_one_line_alone(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(peer: FakePeer) -> None:
        if peer.number > 1:
            raise HandshakeRefused(status, {})
        await play(peer, feed_of(2000, 1))

    run = run_feed(
        script, records=True, reconnect=True, redundancy=2, max_duration=1500
    )
    assert run.ending.error is None
    assert numbers(run.records) == list(range(1500))
    assert sum(entry.levelname == "WARNING" for entry in caplog.records) == 1
    # 1 + 2 + 4 + … + 256 s, then every 300 s.
    assert 10 <= len(run.peers) <= 15


def test_a_final_refusal_ends_the_run_when_no_line_is_up() -> None:
    async def script(peer: FakePeer) -> None:
        if peer.number == 2:
            await asyncio.sleep(1)
        raise HandshakeRefused(404, {})

    run = run_feed(script, reconnect=True, redundancy=2)
    assert isinstance(run.ending.error, ConnectionFailed)


def test_the_line_that_is_let_in_decides_where_attempts_come_at_once() -> None:
    async def script(peer: FakePeer) -> None:
        if peer.number == 2:
            raise HandshakeRefused(403, {})
        if peer.number == 1:
            await asyncio.sleep(2)
        await play(peer, feed_of(20))

    run = run_feed(script, records=True, reconnect=True, redundancy=2, max_duration=15)
    assert run.ending.error is None
    assert numbers(run.records) == list(range(3, 15)) or numbers(run.records)[0] <= 3


def test_a_fatal_code_takes_down_one_line_alone() -> None:
    async def script(peer: FakePeer) -> None:
        if peer.number == 2:
            peer.accept()
            await asyncio.sleep(2)
            peer.close_frame(4001)
            return
        await play(peer, feed_of(100))

    given: dict[str, Any] = {"reconnect": True, "fatal_close_codes": ["4xxx"]}
    run = run_feed(script, records=True, redundancy=2, max_duration=20, **given)
    assert run.ending.error is None
    assert numbers(run.records) == list(range(20))


def test_a_line_that_the_server_sends_away_does_not_hurry_back() -> None:
    """One login at a time, it may be: it would cost the other line its own."""

    async def script(peer: FakePeer) -> None:
        if peer.number > 1:
            peer.accept()
            await asyncio.sleep(0.1)
            peer.close_frame(4008)
            return
        await play(peer, feed_of(100))

    run = run_feed(
        script,
        records=True,
        reconnect=True,
        reconnect_backoff=1,
        redundancy=2,
        max_duration=60,
    )
    assert numbers(run.records) == list(range(60))
    # After 1, 2, 4, 8, 16 and 32 s.
    assert len(run.peers) == 7


def test_a_fatal_message_ends_one_line_until_it_is_subscribed() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        peer.text("a")
        if peer.number == 2:
            peer.text("fail")
        await asyncio.sleep(5)
        peer.text("fail" if peer.number == 1 else "a")

    given: dict[str, Any] = {
        "reconnect": True,
        "subscribe_messages": [{"reply": "never", "reply_timeout": 100}],
    }
    run = run_feed(script, redundancy=2, max_duration=4, **given)
    assert run.ending.error is None
    run = run_feed(script, max_duration=20, **given)
    assert isinstance(run.ending.error, FeedError)


def test_a_fatal_message_on_each_line_ends_the_run() -> None:
    """Both are refused at once: none of them is the line that lives."""

    async def script(peer: FakePeer) -> None:
        peer.accept()
        peer.answers_close = False
        await asyncio.sleep(0.1)
        peer.text("fail")
        await asyncio.sleep(1)
        peer.drop()

    run = run_feed(
        script,
        reconnect=True,
        redundancy=2,
        subscribe_messages=[{"reply": "never", "reply_timeout": 100}],
        max_duration=50,
    )
    assert isinstance(run.ending.error, FeedError)


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


def test_a_line_that_stops_completes_its_group_after_overlap() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        peer.text("a")
        await asyncio.sleep(10)
        if peer.number == 1:
            peer.text("stop")
        await asyncio.sleep(1)
        peer.text("late")
        await peer.wait_closed()

    run = run_feed(script, reconnect=True, redundancy=3, overlap=4)
    assert run.ending.error is None
    assert run.seconds == pytest.approx(14, abs=0.1)
    assert run.texts.count("late") == 2
    assert [peer.closed_with for peer in run.peers] == [1000] * 3


def test_a_group_that_is_complete_waits_for_no_line_that_is_down() -> None:
    async def script(peer: FakePeer) -> None:
        if peer.number > 1:
            raise REFUSED
        peer.accept()
        await asyncio.sleep(10)
        peer.text("stop")
        await peer.wait_closed()

    run = run_feed(
        script, reconnect=True, redundancy=2, overlap=4, reconnect_backoff=500
    )
    assert run.ending.error is None
    assert run.seconds == pytest.approx(14, abs=0.1)


def test_a_line_that_was_lost_is_not_opened_again_in_a_complete_group() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        if peer.number == 2:
            await asyncio.sleep(5)
            peer.drop()
        elif peer.number == 1:
            await asyncio.sleep(10)
            peer.text("stop")
        await peer.wait_closed()

    run = run_feed(
        script, reconnect=True, redundancy=2, overlap=4, reconnect_backoff=500
    )
    assert run.seconds == pytest.approx(14, abs=0.1)
    assert len(run.peers) == 2


def test_a_complete_group_reads_what_its_other_lines_have_before_they_are_closed() -> (
    None
):
    async def script(peer: FakePeer) -> None:
        peer.accept()
        if peer.number == 1:
            peer.text("stop")
        await peer.wait_closed()

    async def during(feed: Feed) -> None:
        await asyncio.sleep(1)
        feed.pause()
        await asyncio.sleep(30)
        feed.resume()

    run = run_feed(script, during=during, reconnect=True, redundancy=2, overlap=4)
    assert not run.peers[1].aborted
    assert 31 < run.seconds < 40


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


async def two_minutes(feed: Feed) -> None:
    """Pause reading, as a target does that loads what it has."""
    await asyncio.sleep(2)
    feed.pause()
    await asyncio.sleep(120)
    feed.resume()


def test_what_two_lines_were_sent_before_a_long_pause_comes_once() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        await asyncio.sleep(1 if peer.number == 1 else 122.5)
        peer.text('{"n": 1}')
        await peer.wait_closed()

    run = run_feed(
        script,
        during=two_minutes,
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
        during=two_minutes,
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
