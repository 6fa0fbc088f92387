"""Binance: single and combined streams, server pings, an announced end."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

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
    from pathlib import Path

    from tests.support.servers import Peer

TRADES = recipe("binance", "Trades")
BOOKS = recipe("binance", "Order books")


async def _subscribed(peer: Peer) -> None:
    streams = ["bnbbtc@trade", "btcusdt@trade"]
    assert peer.path == "/ws"
    assert await hear(peer) == {"method": "SUBSCRIBE", "params": streams, "id": 1}


async def trades(peer: Peer) -> None:
    reply, first, second, shutdown, between, third = TRADES.arrives
    await _subscribed(peer)
    if peer.number == 1:
        await say(peer, reply, first)
        await peer.ping()
        await say(peer, second, shutdown, between)
    else:
        await say(peer, third, reply)
    await peer.wait()
    assert peer.close_code == 1000


@pytest.mark.usefixtures("each_transport")
def test_an_announced_end_loses_nothing() -> None:
    play(TRADES, trades, max_messages=4).gives(TRADES.tables)


def test_without_a_schema_names_that_differ_by_case_are_columns() -> None:
    whole = {"schema", "schema_evolution"}
    config = {name: v for name, v in TRADES.config.items() if name not in whole}
    given = dataclasses.replace(TRADES, config=config)
    records = play(given, trades, max_messages=4).records["trades"]
    assert [record["t"] for record in records] == [12345, 7012, 12346, 12347]
    assert [record["event_time"] for record in records[:1]] == [1672515782136]
    assert [records[1][name] for name in "eETmM"] == [
        "trade",
        1672515782201,
        1672515782200,
        False,
        True,
    ]
    assert {record.get("_rescued_data") for record in records} == {None}


def test_a_refused_subscription_ends_the_run() -> None:
    (failure,) = TRADES.failures

    outcome = play(TRADES, refuse(_subscribed, failure))
    assert (outcome.code, outcome.error) == (1, failure)


async def books(peer: Peer) -> None:
    first, second, shutdown, third = BOOKS.arrives
    assert urlsplit(peer.path).query == "streams=bnbbtc@depth5/btcusdt@depth5"
    match peer.number:
        case 1:
            await say(peer, first)
            await peer.close(1000, "24 hours are over")
        case 2:
            await peer.ping()
            await say(peer, second)
            await drop(peer)
        case 3:
            await say(peer, shutdown)
            await peer.wait()
            assert peer.close_code == 1000
        case 4:
            await say(peer, f'{{"stream":"bnbbtc@depth5","data":{shutdown}}}')
            await peer.wait()
            assert peer.close_code == 1000
        case _:
            await say(peer, third)
            await peer.wait()
    assert peer.received == []


def test_combined_streams_name_their_records(tmp_path: Path) -> None:
    outcome = play(
        BOOKS,
        books,
        process=tmp_path,
        max_messages=3,
        reconnect_backoff=0.1,
        overlap=0.1,
    )
    outcome.gives(BOOKS.tables)
    assert len(outcome.peers) == 5


def test_each_item_of_a_wrapped_array_is_a_record() -> None:
    async def tickers(peer: Peer) -> None:
        items = '[{"s":"BNBBTC","c":"0.0025"},{"s":"BTCUSDT","c":"16850.10"}]'
        await say(peer, f'{{"stream":"!miniTicker@arr","data":{items}}}')
        await peer.wait()

    records = play(BOOKS, tickers, max_messages=1).records["books"]
    assert [(record["stream"], record["s"], record["c"]) for record in records] == [
        ("!miniTicker@arr", "BNBBTC", "0.0025"),
        ("!miniTicker@arr", "BTCUSDT", "16850.10"),
    ]


def test_too_many_streams_end_the_run() -> None:
    (failure,) = BOOKS.failures

    async def refuses(peer: Peer) -> None:
        await say(peer, failure.partition("fatal: ")[2])
        await peer.wait()

    outcome = play(BOOKS, refuses)
    assert (outcome.code, outcome.error) == (1, failure)


EXCHANGE = recipe("binance", "A whole exchange")


def exchange(listing: str, trades: dict[str, str]) -> WholeExchange:
    ack = EXCHANGE.arrives[1]

    def symbols(request: Any) -> list[str]:
        assert request["method"] == "SUBSCRIBE"
        names = [stream.removesuffix("@trade") for stream in request["params"]]
        assert names == [name.lower() for name in names]
        return [name.upper() for name in names]

    def answers(request: Any, some: Sequence[str]) -> list[str]:
        found = [trades[name] for name in some if name in trades]
        return [acknowledged(ack, id=request["id"]), *found]

    return WholeExchange(
        symbols=symbols,
        answers=answers,
        per_connection=1024,
        per_message=200,
        path="/api/v3/exchangeInfo?permissions=SPOT",
        listing=listing,
    )


def test_every_symbol_that_is_traded_is_asked_for() -> None:
    listing, _, first, second = EXCHANGE.arrives
    server = exchange(listing, {"BNBBTC": first, "BTCUSDT": second})
    play(EXCHANGE, server, http=server.http, max_messages=2).gives(EXCHANGE.tables)
    server.has_each_once(["BNBBTC", "BTCUSDT"])


def test_a_whole_exchange_keeps_the_limits() -> None:
    _, _, first, _ = EXCHANGE.arrives
    names = [f"SYM{number}USDT" for number in range(1100)]
    rows = [{"symbol": name, "status": "TRADING"} for name in names]
    server = exchange(json.dumps({"symbols": rows}), {names[-1]: first})
    play_listed(EXCHANGE, server, names, [1000, 100])


def test_an_exchange_without_symbols_ends_the_run() -> None:
    (failure,) = EXCHANGE.failures
    server = exchange('{"symbols": []}', {})
    outcome = play(EXCHANGE, server, http=server.http)
    assert (outcome.code, outcome.error) == (1, failure)


@pytest.mark.usefixtures("each_transport")
def test_drops_while_trades_are_subscribed() -> None:
    async def subscribed(peer: Peer) -> None:
        await _subscribed(peer)
        await say(peer, TRADES.arrives[0])

    run = play_with_drops(TRADES, subscribed, trades, max_messages=4, overlap=0.1)
    run.gives(TRADES.tables)


@pytest.mark.usefixtures("each_transport")
def test_trades_go_on_after_a_drop() -> None:
    reply, one, two, _, three, four = TRADES.arrives

    async def script(peer: Peer) -> None:
        await _subscribed(peer)
        if peer.number == 1:
            await say(peer, reply, one, two)
            await drop(peer)
        else:
            await say(peer, reply, three, four)
            await peer.wait()

    run = play(TRADES, script, max_messages=4, reconnect_backoff=0.1)
    run.gives(TRADES.tables)
    assert len(run.peers) == 2


@pytest.mark.usefixtures("each_transport")
def test_drops_of_combined_streams() -> None:
    async def opened(peer: Peer) -> None:
        await peer.ping()

    run = play_with_drops(BOOKS, opened, books, max_messages=3, overlap=0.1)
    run.gives(BOOKS.tables)


@pytest.mark.usefixtures("each_transport")
def test_a_message_of_a_new_kind_is_no_trade() -> None:
    reply, *_ = TRADES.arrives
    arrives = [text for text in TRADES.arrives if '"trade"' in text]
    new = '{"e":"somethingNew","E":1672515782136}'
    shown = answer(_subscribed, reply, new, *arrives)
    play(TRADES, shown, max_messages=4).gives(TRADES.tables)


@pytest.mark.usefixtures("each_transport")
def test_a_client_that_sends_too_much_comes_back() -> None:
    async def closes(peer: Peer) -> None:
        await _subscribed(peer)
        await peer.close(1008, "Too many requests")

    play_after(TRADES, closes, trades, max_messages=4)


@pytest.mark.usefixtures("each_transport")
def test_drops_while_a_whole_exchange_is_subscribed() -> None:
    listing, ack, one, two = EXCHANGE.arrives
    server = exchange(listing, {"BNBBTC": one, "BTCUSDT": two})

    async def subscribed(peer: Peer) -> None:
        await hear(peer)
        await say(peer, ack)

    play_cut_off(EXCHANGE, subscribed, server)
    server.has_each_once(["BNBBTC", "BTCUSDT"])


@pytest.mark.usefixtures("each_transport")
def test_a_whole_exchange_is_asked_for_again_after_a_drop() -> None:
    listing, ack, one, two = EXCHANGE.arrives
    server = exchange(listing, {"BTCUSDT": two})

    async def dropped(peer: Peer) -> None:
        request = await hear(peer)
        await say(peer, acknowledged(ack, id=request["id"]), one)
        await drop(peer)

    play_dropped(EXCHANGE, dropped, server)
    server.has_each_once(["BNBBTC", "BTCUSDT"])


@pytest.mark.usefixtures("each_transport")
def test_a_whole_exchange_that_is_refused_ends_the_run() -> None:
    refusal = '{"error":{"code":4,"msg":"Too many subscriptions"},"id":1}'
    server = exchange(EXCHANGE.arrives[0], {})
    outcome = play(EXCHANGE, answer(hears, refusal), http=server.http)
    assert outcome.error is not None
    assert outcome.error.endswith(refusal)
