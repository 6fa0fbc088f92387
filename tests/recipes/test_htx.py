"""HTX: gzip in binary frames, and pings that want their number back."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pytest

from tests.support.mishaps import play_after, play_with_drops
from tests.support.recipes import drop, hear, play, recipe

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

TRADES = recipe("htx", "Trades")


async def _say(peer: Peer, *messages: str) -> None:
    for message in messages:
        await peer.send(gzip.compress(message.encode()))


async def _pinged(peer: Peer, number: int) -> None:
    await _say(peer, json.dumps({"ping": number}))
    answer = await hear(peer)
    assert answer == {"pong": number}
    assert type(answer["pong"]) is int


async def _subscribed(peer: Peer, market: str, number: str) -> None:
    topic = f"market.{market}.trade.detail"
    assert await hear(peer) == {"sub": topic, "id": number}


async def script(peer: Peer) -> None:
    _, bitcoin, one, cardano, two, three = TRADES.arrives
    await _subscribed(peer, "btcusdt", "id1")
    await _pinged(peer, 18212558000)
    await _say(peer, bitcoin)
    if peer.number == 1:
        await _say(peer, one)
    await _subscribed(peer, "adausdt", "id2")
    await _say(peer, cardano)
    await _pinged(peer, 18212563000)
    if peer.number == 1:
        await _say(peer, two)
        await drop(peer)
    else:
        await _say(peer, three)
        await peer.wait()


def test_pings_are_answered_with_their_number(tmp_path: Path) -> None:
    outcome = play(TRADES, script, process=tmp_path, max_messages=3)
    outcome.gives(TRADES.tables)


def test_a_refused_subscription_ends_the_run() -> None:
    (failure,) = TRADES.failures

    async def refuses(peer: Peer) -> None:
        await _subscribed(peer, "btcusdt", "id1")
        await _say(peer, failure.partition("fatal: ")[2])
        await peer.wait()

    outcome = play(TRADES, refuses)
    assert (outcome.code, outcome.error) == (1, failure)


async def _all_subscribed(peer: Peer) -> None:
    _, bitcoin, _, cardano, *_ = TRADES.arrives
    await _subscribed(peer, "btcusdt", "id1")
    await _pinged(peer, 18212558000)
    await _say(peer, bitcoin)
    await _subscribed(peer, "adausdt", "id2")
    await _say(peer, cardano)


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes() -> None:
    run = play_with_drops(TRADES, _all_subscribed, script, max_messages=3)
    run.gives(TRADES.tables)


@pytest.mark.usefixtures("each_transport")
def test_a_ping_that_was_missed_is_a_drop() -> None:
    async def closes(peer: Peer) -> None:
        await _subscribed(peer, "btcusdt", "id1")
        await peer.close(1003, "ping check expired")

    play_after(TRADES, closes, script, max_messages=3)


@pytest.mark.usefixtures("each_transport")
def test_a_message_of_a_new_kind_is_no_record() -> None:
    async def shows(peer: Peer) -> None:
        await _all_subscribed(peer)
        new = '{"somethingNew":1}'
        await _say(peer, new, *(TRADES.arrives[number] for number in (2, 4, 5)))
        await peer.wait()

    play(TRADES, shows, max_messages=3).gives(TRADES.tables)


@pytest.mark.usefixtures("each_transport")
def test_what_is_no_gzip_ends_the_run() -> None:
    async def breaks(peer: Peer) -> None:
        await _all_subscribed(peer)
        await _say(peer, TRADES.arrives[2])
        await peer.send(gzip.compress(TRADES.arrives[4].encode())[:40])
        await peer.wait()

    outcome = play(TRADES, breaks)
    assert outcome.error is not None
    assert "gzip" in outcome.error
    assert outcome.records["trades"] == TRADES.table[:1]
