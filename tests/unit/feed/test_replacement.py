"""Make before break: connections that are replaced while they are open."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

from tap_websocket.network.errors import HandshakeRefused, Unreachable
from tests.support.fake_transport import feed_of, numbers, pausing, play, run_feed

if TYPE_CHECKING:
    from tap_websocket.feed.feed import Feed
    from tests.support.fake_transport import FakePeer

REFUSED = Unreachable("connection refused")


def test_a_connection_is_replaced_before_its_end() -> None:
    async def script(peer: FakePeer) -> None:
        playing = asyncio.create_task(play(peer, feed_of(100)))
        await asyncio.sleep(10)
        playing.cancel()
        peer.close_frame(1000)

    run = run_feed(
        script,
        records=True,
        reconnect=True,
        connection_lifetime=6,
        overlap=2,
        max_duration=110,
    )
    assert numbers(run.records) == list(range(100))
    assert run.counts.outages == 0
    assert run.counts.disconnected_seconds == 0
    assert {peer.closed_with for peer in run.peers} == {1000}
    assert run.counts.reconnects == len(run.peers) - 1


def test_the_lifetime_is_shorter_at_random(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "random", lambda: 1.0)

    async def script(peer: FakePeer) -> None:
        peer.accept()
        await peer.wait_closed()

    run = run_feed(script, reconnect=True, connection_lifetime=100, max_duration=150)
    assert run.peers[1].at == pytest.approx(95, abs=0.1)


def test_a_replacement_that_is_refused_leaves_the_old_connection() -> None:
    async def script(peer: FakePeer) -> None:
        if 1 < peer.number < 5:
            raise HandshakeRefused(403, {})
        await play(peer, feed_of(60))
        await peer.wait_closed()

    run = run_feed(
        script,
        records=True,
        reconnect=True,
        connection_lifetime=10,
        max_duration=50,
    )
    assert run.ending.error is None
    assert numbers(run.records) == list(range(50))
    assert run.counts.outages == 0
    assert [round(peer.at) for peer in run.peers[1:4]] == [10, 11, 13]


def test_the_old_connection_is_kept_until_the_new_one_is_subscribed() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        await asyncio.sleep(4)
        peer.text('{"ok": true}')
        await peer.wait_closed()

    run = run_feed(
        script,
        records=True,
        reconnect=True,
        connection_lifetime=20,
        overlap=3,
        subscribe_messages=[{"message": "subscribe", "reply": {"ok": True}}],
        max_duration=45,
    )
    first, second = run.peers[0], run.peers[1]
    assert first.ended_at == pytest.approx(second.at + 4 + 3, abs=0.1)


def test_a_replacement_that_ends_at_once_is_tried_again() -> None:
    async def script(peer: FakePeer) -> None:
        if peer.number in {2, 3}:
            peer.accept()
            await asyncio.sleep(0.5)
            peer.close_frame(4008)
            return
        await play(peer, feed_of(60))
        await peer.wait_closed()

    run = run_feed(
        script,
        records=True,
        reconnect=True,
        connection_lifetime=10,
        fatal_close_codes=[4008],
        max_duration=40,
    )
    assert run.ending.error is None
    assert numbers(run.records) == list(range(40))
    assert run.counts.outages == 0


def test_an_old_connection_that_dies_meanwhile_leaves_the_new_attempt(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def script(peer: FakePeer) -> None:
        if peer.number == 2:
            await asyncio.sleep(6)
        playing = asyncio.create_task(play(peer, feed_of(60)))
        if peer.number == 1:
            await asyncio.sleep(12.5)
            playing.cancel()
            peer.drop()

    run = run_feed(
        script,
        records=True,
        reconnect=True,
        connection_lifetime=10,
        max_duration=18,
    )
    assert len(run.peers) == 2
    assert numbers(run.records) == [*range(13), *range(16, 18)]
    assert run.counts.outages == 1
    assert run.counts.disconnected_seconds == pytest.approx(3.3, abs=0.7)
    # It is said when it begins, and not when it is over.
    assert "its replacement is under way" in caplog.text


def test_an_old_connection_that_is_closed_for_the_new_one_s_sake() -> None:
    """One login at a time: the old one's fatal code comes before the new one's 101."""

    async def script(peer: FakePeer) -> None:
        if peer.number == 2:
            peers[0].close_frame(4004)
            await asyncio.sleep(0.5)
        peers.append(peer)
        await play(peer, feed_of(30))
        await peer.wait_closed()

    peers: list[FakePeer] = []
    run = run_feed(
        script,
        records=True,
        reconnect=True,
        connection_lifetime=10,
        fatal_close_codes=["4xxx"],
        max_duration=18,
    )
    assert run.ending.error is None
    assert len(run.peers) == 2
    assert run.counts.outages == 1


def test_a_message_asks_for_a_replacement() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        peer.text("a", "replace", "b")
        await asyncio.sleep(3)
        peer.text("c")
        await peer.wait_closed()

    run = run_feed(script, reconnect=True, overlap=5, max_messages=5)
    assert run.peers[1].at < 1
    assert "c" in run.texts
    assert run.counts.outages == 0


def test_a_replacement_that_opens_in_a_complete_group_is_closed() -> None:
    """The other line stops; the old connection's server is slow to answer a Close."""

    async def script(peer: FakePeer) -> None:
        if peer.number == 3:
            await asyncio.sleep(5)
        peer.accept()
        if peer.number == 1:
            peer.text("replace")
            peer.answers_close = False
            await asyncio.sleep(8)
            peer.drop()
        elif peer.number == 2:
            peer.text("stop")
        await peer.wait_closed()

    run = run_feed(script, reconnect=True, redundancy=2, overlap=4)
    assert run.seconds == pytest.approx(8, abs=0.1)
    assert run.peers[2].closed_with == 1000


def test_a_line_that_is_being_replaced_goes_on_for_overlap() -> None:
    """Its replacement fails while the group is complete: the old one stays open."""

    async def script(peer: FakePeer) -> None:
        if peer.number > 2:
            await asyncio.sleep(2)
            raise REFUSED
        peer.accept()
        if peer.number == 1:
            peer.text("replace")
        await asyncio.sleep(1)
        if peer.number == 2:
            peer.text("stop")
        await asyncio.sleep(2)
        peer.text("late")
        await peer.wait_closed()

    run = run_feed(script, reconnect=True, redundancy=2, overlap=4)
    assert run.texts == ["late"]
    assert run.seconds == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("how", ["at once", "later"])
def test_an_announced_address_serves_one_attempt_where_the_server_does_not_wait(
    how: str,
) -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        if peer.number == 1:
            peer.text('{"go": "two"}')
            if how == "later":
                await asyncio.sleep(0)
            peer.close_frame(1001)
        await asyncio.sleep(5)
        peer.drop()

    run = run_feed(
        script,
        records=True,
        url="ws://{host}/",
        placeholders={"host": "one"},
        message_rules=[
            {
                "match": {"go": {"$exists": True}},
                "capture": {"host": "$.go"},
                "then": "replace",
            }
        ],
        reconnect=True,
        max_duration=20,
    )
    urls = [peer.handshake.url for peer in run.peers]
    assert urls[:3] == ["ws://one/", "ws://two/", "ws://one/"]


def test_an_announced_end_hurries_the_next_attempt() -> None:
    """The old connection has little time left."""
    refused = asyncio.Event()

    async def script(peer: FakePeer) -> None:
        # They come after 10, 20 and 40 s; the next one would come after 80 s.
        if 1 < peer.number < 6:
            if peer.number == 5:
                refused.set()
            raise HandshakeRefused(503, {})
        peer.accept()
        peer.text(f'{{"n": {peer.number}}}')
        if peer.number == 1:
            await refused.wait()
            peer.text('{"end": "soon", "path": "again"}')
        await peer.wait_closed()

    run = run_feed(
        script,
        records=True,
        url="ws://feed/{path}",
        placeholders={"path": "first"},
        message_rules=[
            {
                "match": {"end": "soon"},
                "then": "replace",
                "capture": {"path": "$.path"},
            }
        ],
        reconnect=True,
        reconnect_backoff=10,
        connection_lifetime=100,
        max_messages=2,
    )
    assert run.counts.outages == 0
    urls = [peer.handshake.url for peer in run.peers]
    assert urls == [*["ws://feed/first"] * 5, "ws://feed/again"]
    assert run.peers[5].at - run.peers[4].at < 20


def test_a_signal_waits_for_no_replacement() -> None:
    async def script(peer: FakePeer) -> None:
        if peer.number > 1:
            await asyncio.sleep(1000)
        peer.accept()
        peer.text("replace")
        await peer.wait_closed()

    async def during(feed: Feed) -> None:
        await asyncio.sleep(20)
        feed.stop("SIGINT was received", 1001)

    run = run_feed(script, during=during, reconnect=True)
    assert run.seconds == pytest.approx(20, abs=0.1)
    assert run.peers[0].closed_with == 1001


def test_nothing_is_closed_while_reading_is_paused() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        if peer.number == 1:
            peer.text("replace")
        await peer.wait_closed()

    pause = pausing(after=2, seconds=50)
    run = run_feed(script, during=pause, reconnect=True, overlap=5, max_duration=80)
    assert run.peers[0].ended_at is not None
    assert 52 <= run.peers[0].ended_at <= 58
