"""Reconnecting, back-off and the ends of a run, on a clock that jumps."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import ConnectionFailed, FeedError
from tap_websocket.feed.backoff import backoff
from tap_websocket.network.errors import BadHandshake, HandshakeRefused, Unreachable
from tests.support.fake_transport import run_feed
from tests.support.receive import make_settings

if TYPE_CHECKING:
    from tap_websocket.feed.feed import Feed
    from tests.support.fake_transport import FakePeer

REFUSED = Unreachable("connection refused")


async def one_then_drop(peer: FakePeer) -> None:
    peer.accept()
    peer.text(f"{peer.number}")
    await asyncio.sleep(5)
    peer.drop()


def test_a_drop_is_followed_by_another_connection() -> None:
    run = run_feed(one_then_drop, reconnect=True, reconnect_backoff=10, max_messages=3)
    assert run.texts == ["1", "2", "3"]
    assert [peer.at for peer in run.peers] == pytest.approx([0, 15, 30], abs=0.1)
    assert run.counts.reconnects == 2
    assert run.counts.outages == 2
    assert run.counts.disconnected_seconds == pytest.approx(20, abs=0.1)


async def one_then_away(peer: FakePeer) -> None:
    if peer.number > 1:
        raise REFUSED
    await one_then_drop(peer)


def test_an_outage_that_goes_on_is_counted() -> None:
    seen: list[float] = []

    async def look(feed: Feed) -> None:
        for _ in range(3):
            await asyncio.sleep(60)
            seen.append(feed._run.counts.disconnected_seconds)  # noqa: SLF001

    run = run_feed(one_then_away, during=look, reconnect=True, max_duration=200.5)
    assert seen == pytest.approx([55, 115, 175], abs=1.1)
    assert run.counts.disconnected_seconds == pytest.approx(195.5, abs=0.1)
    assert "disconnected_seconds=195.5" in run.summary


def test_an_outage_that_goes_on_is_warned_of_each_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run_feed(one_then_away, reconnect=True, reconnect_backoff=5, max_duration=200)
    texts = [entry.getMessage() for entry in caplog.records]
    went_on = [text for text in texts if "there has been no connection to" in text]
    assert [re.sub("to ws://[^;]+", "to it", text) for text in went_on] == [
        f"For {seconds} s there has been no connection to it; {attempts} attempts; the "
        "last: connection refused. Nothing is received meanwhile: check the network, "
        "url and auth"
        for seconds, attempts in ((60, 12), (120, 24), (180, 36))
    ]


def test_an_outage_is_warned_of_while_no_attempt_is_made(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run_feed(one_then_away, reconnect=True, reconnect_backoff=900, max_duration=200)
    texts = [entry.getMessage() for entry in caplog.records]
    went_on = [text for text in texts if "there has been no connection to" in text]
    assert [text.split()[1] for text in went_on] == ["60", "120", "180"]


def test_lines_that_are_down_beside_another_are_not_warned_of_each_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def script(peer: FakePeer) -> None:
        if peer.number == 2 or peer.number > 3:
            raise REFUSED
        peer.accept()
        peer.text("a")
        await asyncio.sleep(500)

    run_feed(script, reconnect=True, redundancy=2, max_duration=200)
    assert not [r for r in caplog.records if "no connection to" in r.getMessage()]


@pytest.mark.parametrize(
    ("sequence", "words"),
    [(None, "is lost"), ({"path": "$.n"}, "counts as missing (sequence)")],
)
def test_the_end_of_an_outage_says_what_becomes_of_what_was_sent(
    sequence: Any, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    given = {} if sequence is None else {"sequence": sequence}
    run_feed(one_then_drop, reconnect=True, max_messages=2, **given)
    (text,) = (
        entry.getMessage()
        for entry in caplog.records
        if "Connected again" in entry.getMessage()
    )
    assert f"what the server sent in between {words}, unless" in text


@pytest.mark.parametrize(
    ("limit", "words"), [(1, "1 message was"), (2, "2 messages were")]
)
def test_the_reason_of_an_end_counts_messages(limit: int, words: str) -> None:
    run = run_feed(one_then_drop, reconnect=True, max_messages=limit)
    assert run.ending.reason == f"max_messages: {words} received"


def test_without_reconnect_a_drop_ends_the_run() -> None:
    run = run_feed(one_then_drop)
    assert isinstance(run.ending.error, ConnectionFailed)
    assert "reconnect: true would go on" in str(run.ending.error)
    assert run.counts.outages == 0
    assert run.counts.disconnected_seconds == 0


def test_a_clean_end_without_reconnect_is_no_failure() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        peer.close_frame(1000)

    run = run_feed(script)
    assert run.ending.error is None
    assert run.ending.reason == "the server closed the connection, and reconnect is off"


def test_attempts_are_counted_from_the_last_data() -> None:
    async def script(peer: FakePeer) -> None:
        if peer.number in {2, 3, 5}:
            raise REFUSED
        if peer.number > 6:
            raise REFUSED
        await one_then_drop(peer)

    run = run_feed(script, reconnect=True, max_reconnect_attempts=3)
    assert run.texts == ["1", "4", "6"]
    assert "gave up" in str(run.ending.error)
    assert "after 3 retries" in str(run.ending.error)
    assert len(run.peers) == 9


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (HandshakeRefused(404, {}), "check it"),
        (BadHandshake("it speaks no WebSocket"), "no WebSocket"),
    ],
)
def test_what_retrying_cannot_fix_ends_the_run(error: Exception, said: str) -> None:
    async def script(peer: FakePeer) -> None:
        del peer
        raise error

    run = run_feed(script, reconnect=True)
    assert isinstance(run.ending.error, ConnectionFailed)
    assert said in str(run.ending.error)
    assert len(run.peers) == 1


def test_retry_after_is_waited_for() -> None:
    async def script(peer: FakePeer) -> None:
        if peer.number == 1:
            raise HandshakeRefused(429, {"retry-after": "90"})
        peer.accept()
        peer.text("a")

    run = run_feed(script, reconnect=True, max_messages=1)
    assert run.taken[0].at == pytest.approx(90, abs=0.1)
    assert run.counts.disconnected_seconds == pytest.approx(90, abs=0.1)


def test_fatal_close_codes_end_the_run() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        peer.close_frame(4003)

    run = run_feed(script, reconnect=True, fatal_close_codes=["4xxx"])
    assert isinstance(run.ending.error, FeedError)
    assert len(run.peers) == 1


def test_two_large_messages_in_a_row_end_the_run() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        if peer.number == 2:
            peer.text("data")
        peer.text("too big")
        await peer.wait_closed()

    run = run_feed(script, reconnect=True)
    assert [peer.closed_with for peer in run.peers] == [1009] * 3
    assert "max_message_bytes" in str(run.ending.error)


def test_a_rule_that_stops_closes_for_good() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        peer.text("a", "stop")
        await peer.wait_closed()

    run = run_feed(script, reconnect=True)
    assert run.ending.error is None
    assert run.ending.reason == "the feed is complete (then: stop)"
    assert run.texts == ["a"]
    assert [peer.closed_with for peer in run.peers] == [1000]


def test_the_wait_doubles_up_to_a_maximum() -> None:
    settings = make_settings(
        reconnect=True, reconnect_backoff=2, reconnect_backoff_max=30
    ).reconnect
    waits = [backoff(settings, attempt, 1.0) for attempt in range(1, 7)]
    assert waits == [2, 4, 8, 16, 30, 30]
    assert backoff(settings, 10_000, 0.5) == 15


def test_the_wait_is_fixed_without_a_maximum() -> None:
    settings = make_settings(reconnect=True, reconnect_backoff=2).reconnect
    assert [backoff(settings, attempt, 0.1) for attempt in (1, 5, 50)] == [2, 2, 2]


def test_idle_timeout_runs_through_an_outage() -> None:
    async def script(peer: FakePeer) -> None:
        if peer.number > 1:
            raise REFUSED
        await one_then_drop(peer)

    run = run_feed(script, reconnect=True, idle_timeout=60)
    assert run.seconds == pytest.approx(60, abs=0.1)
    assert run.ending.error is None


def test_a_run_that_never_connected_is_a_failure() -> None:
    async def script(peer: FakePeer) -> None:
        del peer
        raise REFUSED

    run = run_feed(script, reconnect=True, idle_timeout=7)
    assert "never connected" in str(run.ending.error)
    assert "connection refused" in str(run.ending.error)


def test_idle_timeout_is_reset_by_pongs_unless_only_messages_count() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        peer.text("a")
        await peer.wait_closed()

    given: dict[str, Any] = {"ping_interval": 10, "idle_timeout": 25}
    run = run_feed(script, **given, max_duration=500)
    assert run.seconds == pytest.approx(500)
    run = run_feed(script, **given, max_duration=500, idle_reset="message")
    assert run.seconds == pytest.approx(25, abs=0.1)


def test_the_idle_clock_stands_still_while_reading_is_paused() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        await peer.wait_closed()

    async def during(feed: Feed) -> None:
        await asyncio.sleep(5)
        feed.pause()
        await asyncio.sleep(100)
        feed.resume()

    run = run_feed(script, during=during, idle_timeout=10)
    assert 114.99 <= run.seconds < 126


def test_no_pong_is_a_drop() -> None:
    async def script(peer: FakePeer) -> None:
        peer.pongs = peer.number > 1
        peer.accept()
        peer.text("a")
        await peer.wait_closed()

    run = run_feed(
        script, reconnect=True, ping_interval=10, ping_timeout=3, max_messages=2
    )
    assert run.peers[0].aborted
    assert run.peers[1].at == pytest.approx(14, abs=0.1)


def test_a_stale_connection_is_a_drop() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        for _ in range(3):
            peer.text("a")
            await asyncio.sleep(20)
        while peer.open:
            peer.text("noise")
            await asyncio.sleep(1)

    run = run_feed(script, reconnect=True, stale_timeout=30, max_messages=4)
    assert run.peers[1].at == pytest.approx(40 + 30 + 1, abs=0.1)


def test_a_signal_closes_with_1001() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        await peer.wait_closed()

    async def during(feed: Feed) -> None:
        await asyncio.sleep(3)
        feed.stop("SIGTERM was received", 1001)

    run = run_feed(script, during=during)
    assert run.seconds == pytest.approx(3, abs=0.1)
    assert run.peers[0].closed_with == 1001
    assert run.ending.error is None


def test_a_trial_waits_for_data_no_longer_than_somebody_in_front_of_it() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        peer.text("noise")
        await peer.wait_closed()

    run = run_feed(script, trial=True, max_duration=2_592_000, connect_timeout=1)
    assert isinstance(run.ending.error, ConnectionFailed)
    assert "No data message came in 31 s (--test): " in str(run.ending.error)
    assert run.seconds == pytest.approx(31, abs=0.1)
