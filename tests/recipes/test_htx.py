"""HTX: gzip in binary frames, and pings that want their number back."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

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
    _, bitcoin, first, cardano, second, third = TRADES.arrives
    await _subscribed(peer, "btcusdt", "id1")
    await _pinged(peer, 18212558000)
    await _say(peer, bitcoin)
    if peer.number == 1:
        await _say(peer, first)
    await _subscribed(peer, "adausdt", "id2")
    await _say(peer, cardano)
    await _pinged(peer, 18212563000)
    if peer.number == 1:
        await _say(peer, second)
        await drop(peer)
    else:
        await _say(peer, third)
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
