"""Coinbase Exchange: trades around the acknowledgement, refusals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.recipes import drop, hear, play, recipe, say
from tests.support.whole_exchange import WholeExchange, acknowledged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.servers import Peer

MATCHES = recipe("coinbase", "Matches")


async def _subscribed(peer: Peer) -> None:
    products = ["ETH-USD", "BTC-USD"]
    expected = {"type": "subscribe", "product_ids": products, "channels": ["matches"]}
    assert await hear(peer) == expected


async def script(peer: Peer) -> None:
    acknowledged, last, match, repeated, later = MATCHES.arrives
    await _subscribed(peer)
    if peer.number == 1:
        await say(peer, acknowledged, last, match)
        await drop(peer)
    else:
        await say(peer, repeated, acknowledged, later)
        await peer.wait()


@pytest.mark.usefixtures("each_transport")
def test_trades_before_the_acknowledgement_are_kept() -> None:
    play(MATCHES, script, max_messages=3).gives(MATCHES.tables)


@pytest.mark.usefixtures("each_transport")
def test_what_ten_reconnects_repeat_comes_once() -> None:
    acknowledged, last, *_ = MATCHES.arrives
    example = json.loads(last)
    made = 0

    def match(kind: str, product: str) -> str:
        trade = {"type": kind, "product_id": product, "trade_id": made}
        return json.dumps({**example, **trade})

    async def repeats(peer: Peer) -> None:
        nonlocal made
        await _subscribed(peer)
        products = ("ETH-USD", "BTC-USD")
        await say(peer, *(match("last_match", product) for product in products))
        await say(peer, acknowledged)
        for _ in range(5):
            made += 1
            await say(peer, *(match("match", product) for product in products))
        await peer.close(1012)

    outcome = play(
        MATCHES, repeats, max_messages=2 * (1 + 11 * 5), reconnect_backoff=0.02
    )
    assert outcome.error is None
    assert len(outcome.peers) >= 11
    for product in ("ETH-USD", "BTC-USD"):
        ids = [
            record["trade_id"]
            for record in outcome.records["matches"]
            if record["product_id"] == product
        ]
        assert ids == list(range(1 + 11 * 5))


def test_a_refused_subscription_ends_the_run() -> None:
    (failure,) = MATCHES.failures

    async def refuses(peer: Peer) -> None:
        await _subscribed(peer)
        await say(peer, failure.partition("fatal: ")[2])
        await peer.wait()

    outcome = play(MATCHES, refuses)
    assert (outcome.code, outcome.error) == (1, failure)


EXCHANGE = recipe("coinbase", "A whole exchange")


def exchange(listing: str, matches: dict[str, str]) -> WholeExchange:
    def symbols(request: Any) -> list[str]:
        assert (request["type"], request["channels"]) == ("subscribe", ["matches"])
        found: list[str] = request["product_ids"]
        return found

    def answers(_: Any, some: Sequence[str]) -> list[str]:
        channels = [{"name": "matches", "product_ids": some}]
        found = [matches[name] for name in some if name in matches]
        return [acknowledged(EXCHANGE.arrives[1], channels=channels), *found]

    return WholeExchange(
        symbols=symbols,
        answers=answers,
        per_connection=200,
        per_message=50,
        path="/products",
        listing=listing,
    )


def test_every_product_that_is_traded_is_asked_for() -> None:
    listing, _, first, second = EXCHANGE.arrives
    server = exchange(listing, {"ETH-USD": first, "BTC-USD": second})
    play(EXCHANGE, server, http=server.http, max_messages=2).gives(EXCHANGE.tables)
    server.has_each_once(["ETH-USD", "BTC-USD"])


def test_a_whole_exchange_keeps_the_limits() -> None:
    names = [f"C{number}-USD" for number in range(450)]
    listing = json.dumps([{"id": name, "status": "online"} for name in names])
    server = exchange(listing, {names[-1]: EXCHANGE.arrives[2]})
    outcome = play(EXCHANGE, server, http=server.http, max_messages=1)
    assert outcome.error is None
    server.has_each_once(names)
    assert server.connections == [200, 200, 50]
