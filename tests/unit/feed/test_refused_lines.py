"""Lines that a server refuses, while others are up or not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import ConnectionFailed, FeedError
from tap_websocket.network.errors import HandshakeRefused, Unreachable
from tests.support.fake_transport import feed_of, numbers, play, run_feed

if TYPE_CHECKING:
    from tests.support.fake_transport import FakePeer

REFUSED = Unreachable("connection refused")


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
