"""Kraken v2: one acknowledgement for each symbol, records in arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.recipes import drop, hear, play, recipe, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

TRADES = recipe("kraken", "Trades")


async def _subscribed(peer: Peer) -> None:
    symbols = ["BTC/USD", "ETH/USD"]
    params = {"channel": "trade", "symbol": symbols, "snapshot": True}
    assert await hear(peer) == {"method": "subscribe", "params": params, "req_id": 1}


async def script(peer: Peer) -> None:
    bitcoin, first, ether, heartbeat, update, missed = TRADES.arrives
    await _subscribed(peer)
    if peer.number == 1:
        await say(peer, bitcoin, first, heartbeat, ether, update)
        await drop(peer)
    else:
        await say(peer, heartbeat, bitcoin, ether, missed)
        await peer.wait()


@pytest.mark.usefixtures("each_transport")
def test_trades_come_between_and_behind_acknowledgements() -> None:
    play(TRADES, script, max_messages=3).gives(TRADES.tables)


def test_the_same_from_a_process(tmp_path: Path) -> None:
    play(TRADES, script, process=tmp_path, max_messages=3).gives(TRADES.tables)


def test_a_refused_subscription_ends_the_run(tmp_path: Path) -> None:
    failure = TRADES.failures[0]

    async def refuses(peer: Peer) -> None:
        await _subscribed(peer)
        await say(peer, failure.partition("fatal: ")[2])
        await peer.wait()

    outcome = play(TRADES, refuses, process=tmp_path)
    assert (outcome.code, outcome.error) == (1, failure)


def test_a_missing_acknowledgement_is_a_drop() -> None:
    failure = TRADES.failures[1].replace("within 10 s", "within 0.2 s")

    async def forgets(peer: Peer) -> None:
        await _subscribed(peer)
        await say(peer, TRADES.arrives[0])
        await peer.wait()

    outcome = play(TRADES, forgets, reply_timeout=0.2, max_reconnect_attempts=2)
    assert (outcome.code, outcome.error) == (1, failure)
    assert len(outcome.peers) == 3
