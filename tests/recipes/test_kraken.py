"""Kraken v2: one acknowledgement for each symbol, records in arrays."""

from __future__ import annotations

import dataclasses
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
from tests.support.whole_exchange import WholeExchange, acknowledged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.servers import Peer

TRADES = recipe("kraken", "Trades")


async def _subscribed(peer: Peer) -> None:
    symbols = ["BTC/USD", "ETH/USD"]
    params = {"channel": "trade", "symbol": symbols, "snapshot": True}
    assert await hear(peer) == {"method": "subscribe", "params": params, "req_id": 1}


async def script(peer: Peer) -> None:
    bitcoin, snapshot, ether, heartbeat, update, missed = TRADES.arrives
    await _subscribed(peer)
    if peer.number == 1:
        await say(peer, bitcoin, snapshot, heartbeat, ether, update)
        await drop(peer)
    else:
        await say(peer, heartbeat, bitcoin, ether, missed)
        await peer.wait()


@pytest.mark.usefixtures("each_transport")
def test_trades_come_between_and_behind_acknowledgements() -> None:
    run = play(TRADES, script, max_messages=3, reconnect_backoff=0.1)
    run.gives(TRADES.tables)


@pytest.mark.usefixtures("each_transport")
def test_what_ten_snapshots_repeat_comes_once() -> None:
    """Trades go on while nobody is connected; 50 of each symbol come again."""
    bitcoin, first, ether, *_ = TRADES.arrives
    (example,) = json.loads(first)["data"]
    made = 0

    def trades(kind: str, last: int) -> list[str]:
        ids = range(max(0, made - last), made)
        return [
            json.dumps(
                {
                    "channel": "trade",
                    "type": kind,
                    "data": [
                        {**example, "symbol": symbol, "trade_id": number}
                        for number in ids
                    ],
                }
            )
            for symbol in ("BTC/USD", "ETH/USD")
        ]

    async def repeats(peer: Peer) -> None:
        nonlocal made
        await _subscribed(peer)
        # The first 20 of these were made before it came.
        made += 30
        await say(peer, bitcoin, ether, *trades("snapshot", 50))
        for _ in range(5):
            made += 2
            await say(peer, *trades("update", 2))
        await peer.close(1012)

    outcome = play(TRADES, repeats, max_messages=11 * 12, reconnect_backoff=0.02)
    assert outcome.error is None
    assert len(outcome.peers) >= 11
    for symbol in ("BTC/USD", "ETH/USD"):
        ids = [
            record["trade_id"]
            for record in outcome.records["trades"]
            if record["symbol"] == symbol
        ]
        assert ids == list(range(11 * 40))


def test_the_same_from_a_process(tmp_path: Path) -> None:
    run = play(TRADES, script, process=tmp_path, max_messages=3, reconnect_backoff=0.1)
    run.gives(TRADES.tables)


def test_a_refused_subscription_ends_the_run(tmp_path: Path) -> None:
    failure = TRADES.failures[0]

    outcome = play(TRADES, refuse(_subscribed, failure), process=tmp_path)
    assert (outcome.code, outcome.error) == (1, failure)


def test_a_missing_acknowledgement_is_a_drop() -> None:
    failure = TRADES.failures[1].replace("within 10 s", "within 2 s")

    async def forgets(peer: Peer) -> None:
        await _subscribed(peer)
        await say(peer, TRADES.arrives[0])
        await peer.wait()

    outcome = play(
        TRADES,
        forgets,
        reply_timeout=2,
        max_reconnect_attempts=2,
        reconnect_backoff=0.1,
    )
    assert (outcome.code, outcome.error) == (1, failure)
    assert len(outcome.peers) == 3


EXCHANGE = recipe("kraken", "A whole exchange")


def test_every_pair_is_asked_for_and_acknowledged_by_itself() -> None:
    bitcoin, ether, first, doge, second = EXCHANGE.arrives

    def symbols(request: Any) -> list[str]:
        assert request["method"] == "subscribe"
        assert request["params"]["channel"] == "trade"
        assert request["params"]["snapshot"] is False
        found: list[str] = request["params"]["symbol"]
        return found

    server = WholeExchange(
        symbols=symbols,
        answers=lambda _request, _some: [bitcoin, ether, first, doge, second],
        per_connection=500,
        per_message=100,
    )
    play(EXCHANGE, server, max_messages=2).gives(EXCHANGE.tables)
    server.has_each_once(["BTC/USD", "ETH/USD", "DOGE/EUR"])


def test_a_whole_exchange_keeps_the_limits() -> None:
    names = [f"C{number}/USD" for number in range(250)]
    ack, trade = EXCHANGE.arrives[0], EXCHANGE.arrives[2]

    def answers(request: Any, some: Sequence[str]) -> list[str]:
        acks = [acknowledged(ack, req_id=request["req_id"]) for _ in some]
        return [*acks, trade] if names[-1] in some else acks

    server = WholeExchange(
        symbols=lambda request: list(request["params"]["symbol"]),
        answers=answers,
        per_connection=500,
        per_message=100,
    )
    many = dataclasses.replace(EXCHANGE, config=EXCHANGE.config | {"topics": names})
    outcome = play(many, server, max_messages=1)
    assert outcome.error is None
    server.has_each_once(names)
    assert server.messages == [100, 100, 50]


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes() -> None:
    async def subscribed(peer: Peer) -> None:
        bitcoin, _, ether, *_ = TRADES.arrives
        await _subscribed(peer)
        await say(peer, bitcoin, ether)

    play_with_drops(TRADES, subscribed, script, max_messages=3).gives(TRADES.tables)


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize(
    "error",
    [
        '{"Error":"Exceeded msg rate"}',
        '{"method":"subscribe","success":false,"error":"Exceeded msg rate"}',
    ],
)
def test_a_client_that_sends_too_much_comes_back(error: str) -> None:
    async def refuses(peer: Peer) -> None:
        await _subscribed(peer)
        await say(peer, error)

    play_after(TRADES, refuses, script, max_messages=3)


@pytest.mark.usefixtures("each_transport")
def test_the_exchange_s_status_is_no_record() -> None:
    bitcoin, snapshot, ether, _, update, missed = TRADES.arrives
    data = '[{"system":"maintenance","api_version":"v2"}]'
    status = f'{{"channel":"status","type":"update","data":{data}}}'
    arrives = [status, bitcoin, snapshot, ether, status, update, missed]
    shown = answer(_subscribed, *arrives)
    play(TRADES, shown, max_messages=3).gives(TRADES.tables)


async def _exchange_subscribed(peer: Peer) -> None:
    bitcoin, ether, _, doge, _ = EXCHANGE.arrives
    await hear(peer)
    await say(peer, bitcoin, ether, doge)


@pytest.mark.usefixtures("each_transport")
def test_drops_while_a_whole_exchange_is_subscribed() -> None:
    async def serves(peer: Peer) -> None:
        bitcoin, ether, one, doge, two = EXCHANGE.arrives
        request = await hear(peer)
        symbols = ["BTC/USD", "ETH/USD", "DOGE/EUR"]
        assert request["params"]["symbol"] == symbols
        if peer.number == 1:
            await say(peer, bitcoin, ether, one, doge)
            await drop(peer)
        else:
            await say(peer, bitcoin, ether, doge, two)
            await peer.wait()

    run = play_with_drops(
        EXCHANGE, _exchange_subscribed, serves, max_messages=2, connect_interval=0.01
    )
    run.gives(EXCHANGE.tables)


@pytest.mark.usefixtures("each_transport")
def test_a_pair_of_the_list_that_is_gone_ends_the_run() -> None:
    failure = TRADES.failures[0]

    bitcoin, ether, *_ = EXCHANGE.arrives
    outcome = play(EXCHANGE, refuse(hears, failure, bitcoin, ether))
    assert (outcome.code, outcome.error) == (1, failure)
