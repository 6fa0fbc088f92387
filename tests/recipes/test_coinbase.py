"""Coinbase Exchange: trades between acknowledgements, heartbeats, refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.recipes import drop, hear, play, recipe, say

if TYPE_CHECKING:
    from tests.support.servers import Peer

MATCHES = recipe("coinbase", "Matches")


async def _subscribed(peer: Peer, channel: str, *products: str) -> None:
    expected = {
        "type": "subscribe",
        "product_ids": list(products),
        "channels": [channel],
    }
    assert await hear(peer) == expected


async def script(peer: Peer) -> None:
    matches, last, both, heartbeat, match, repeated = MATCHES.arrives
    await _subscribed(peer, "matches", "BAND-GBP", "BTC-USD")
    await say(peer, matches)
    await _subscribed(peer, "heartbeat", "BTC-USD")
    if peer.number == 1:
        await say(peer, last, both, heartbeat, match, heartbeat)
        await drop(peer)
    else:
        await say(peer, heartbeat, both, repeated)
        await peer.wait()


@pytest.mark.usefixtures("each_transport")
def test_trades_between_acknowledgements_are_kept() -> None:
    play(MATCHES, script, max_messages=3).gives(MATCHES.tables)


def test_a_refused_subscription_ends_the_run() -> None:
    (failure,) = MATCHES.failures

    async def refuses(peer: Peer) -> None:
        await _subscribed(peer, "matches", "BAND-GBP", "BTC-USD")
        await say(peer, failure.partition("fatal: ")[2])
        await peer.wait()

    outcome = play(MATCHES, refuses)
    assert (outcome.code, outcome.error) == (1, failure)
