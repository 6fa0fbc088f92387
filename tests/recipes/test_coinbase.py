"""Coinbase Exchange: trades around the acknowledgement, refusals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.mishaps import (
    answer,
    hears,
    play_after,
    play_with_drops,
    refuse,
)
from tests.support.recipes import drop, hear, play, recipe, say
from tests.support.whole_exchange import (
    WholeExchange,
    acknowledged,
    play_cut_off,
    play_dropped,
    play_listed,
)

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

    outcome = play(MATCHES, refuse(_subscribed, failure))
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
    play_listed(EXCHANGE, server, names, [200, 200, 50])


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes() -> None:
    async def subscribed(peer: Peer) -> None:
        await _subscribed(peer)
        await say(peer, MATCHES.arrives[0])

    play_with_drops(MATCHES, subscribed, script, max_messages=3).gives(MATCHES.tables)


@pytest.mark.usefixtures("each_transport")
def test_a_slow_reader_comes_back() -> None:
    slow = answer(_subscribed, '{"type":"error","message":"ErrSlowConsume"}')
    play_after(MATCHES, slow, script, max_messages=3)


@pytest.mark.usefixtures("each_transport")
def test_messages_of_a_new_kind_are_no_records() -> None:
    acknowledged, last, match, _, later = MATCHES.arrives
    new = '{"type":"somethingNew","product_id":"ETH-USD"}'
    shown = answer(_subscribed, acknowledged, new, last, match, new, later)
    play(MATCHES, shown, max_messages=3).gives(MATCHES.tables)


async def _one_message(peer: Peer) -> None:
    await hear(peer)
    await say(peer, EXCHANGE.arrives[1])


@pytest.mark.usefixtures("each_transport")
def test_drops_while_a_whole_exchange_is_subscribed() -> None:
    listing, _, ether, bitcoin = EXCHANGE.arrives
    server = exchange(listing, {"ETH-USD": ether, "BTC-USD": bitcoin})
    play_cut_off(EXCHANGE, _one_message, server)
    server.has_each_once(["ETH-USD", "BTC-USD"])


@pytest.mark.usefixtures("each_transport")
def test_what_a_whole_exchange_repeats_after_a_drop_comes_once() -> None:
    listing, _, ether, bitcoin = EXCHANGE.arrives
    server = exchange(listing, {"ETH-USD": ether, "BTC-USD": bitcoin})

    async def dropped(peer: Peer) -> None:
        await _one_message(peer)
        await say(peer, ether)
        await drop(peer)

    play_dropped(EXCHANGE, dropped, server)


@pytest.mark.usefixtures("each_transport")
def test_a_whole_exchange_that_is_refused_ends_the_run() -> None:
    (failure,) = MATCHES.failures
    server = exchange(EXCHANGE.arrives[0], {})

    outcome = play(EXCHANGE, refuse(hears, failure), http=server.http)
    assert (outcome.code, outcome.error) == (1, failure)
