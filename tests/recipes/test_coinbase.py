"""Coinbase Exchange: trades around the acknowledgement, refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.recipes import drop, hear, play, recipe, say

if TYPE_CHECKING:
    from tests.support.servers import Peer

MATCHES = recipe("coinbase", "Matches")


async def _subscribed(peer: Peer) -> None:
    products = ["ETH-USD", "BTC-USD"]
    expected = {"type": "subscribe", "product_ids": products, "channels": ["matches"]}
    assert await hear(peer) == expected


async def script(peer: Peer) -> None:
    acknowledged, last, match, repeated = MATCHES.arrives
    await _subscribed(peer)
    if peer.number == 1:
        await say(peer, acknowledged, last, match)
        await drop(peer)
    else:
        await say(peer, repeated, acknowledged)
        await peer.wait()


@pytest.mark.usefixtures("each_transport")
def test_trades_before_the_acknowledgement_are_kept() -> None:
    play(MATCHES, script, max_messages=3).gives(MATCHES.tables)


def test_a_refused_subscription_ends_the_run() -> None:
    (failure,) = MATCHES.failures

    async def refuses(peer: Peer) -> None:
        await _subscribed(peer)
        await say(peer, failure.partition("fatal: ")[2])
        await peer.wait()

    outcome = play(MATCHES, refuses)
    assert (outcome.code, outcome.error) == (1, failure)
