"""OKX: text pings, signed logins, candles that are arrays."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
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
    from pathlib import Path

    from tests.support.mishaps import Script
    from tests.support.recipes import Recipe
    from tests.support.servers import Peer

TRADES = recipe("okx", "Trades")
CANDLES = recipe("okx", "Candles")
ORDERS = recipe("okx", "Orders")
NOTICE = TRADES.arrives[4]
SECRET = b"YOUR-SECRET-KEY"


async def _subscribed(peer: Peer, path: str, *args: dict[str, str]) -> None:
    assert peer.path == f"/ws/v5/{path}"
    assert await hear(peer) == {"op": "subscribe", "args": list(args)}


async def left(peer: Peer) -> None:
    """Wait until the client closes the connection, as the notice asks for."""
    await peer.wait()
    assert peer.close_code == 1000


async def _trades_subscribed(peer: Peer) -> None:
    pairs = [{"channel": "trades", "instId": name} for name in ("BTC-USDT", "ETH-USDT")]
    await _subscribed(peer, "public", *pairs)


async def trades(peer: Peer) -> None:
    bitcoin, one, ether, two, notice, three = TRADES.arrives
    await _trades_subscribed(peer)
    match peer.number:
        case 1:
            await say(peer, bitcoin, one, ether, two)
            await drop(peer)
        case 2:
            await say(peer, ether, bitcoin, notice)
            await left(peer)
        case _:
            await say(peer, ether, bitcoin, three)
            await peer.wait()


@pytest.mark.usefixtures("each_transport")
def test_trades_come_between_acknowledgements() -> None:
    outcome = play(TRADES, trades, max_messages=3, reconnect_backoff=0.1, overlap=0.1)
    outcome.gives(TRADES.tables)
    assert len(outcome.peers) == 3


@pytest.mark.usefixtures("each_transport")
def test_a_text_ping_keeps_the_connection() -> None:
    """The server sends its trades only as answers to pings."""
    bitcoin, one, ether, two, _, three = TRADES.arrives

    async def script(peer: Peer) -> None:
        await _trades_subscribed(peer)
        await say(peer, bitcoin, ether)
        for message in (one, two, three):
            assert await peer.recv() == "ping"
            await say(peer, "pong", message)
        await peer.wait()

    outcome = play(TRADES, script, heartbeat_interval=0.1, max_messages=3)
    outcome.gives(TRADES.tables)


def test_a_refused_subscription_ends_the_run() -> None:
    (failure,) = TRADES.failures

    outcome = play(TRADES, refuse(_trades_subscribed, failure))
    assert (outcome.code, outcome.error) == (1, failure)


async def candles(peer: Peer) -> None:
    subscribed, one, two = CANDLES.arrives
    args = {"channel": "candle1m", "instId": "BTC-USDT"}
    await _subscribed(peer, "business", args)
    match peer.number:
        case 1:
            await say(peer, subscribed, one)
            await drop(peer)
        case 2:
            await say(peer, subscribed, NOTICE)
            await left(peer)
        case _:
            await say(peer, subscribed, two)
            await peer.wait()


@pytest.mark.usefixtures("each_transport")
def test_candles_get_their_columns_by_name() -> None:
    outcome = play(CANDLES, candles, max_messages=2, reconnect_backoff=0.1, overlap=0.1)
    outcome.gives(CANDLES.tables)
    assert len(outcome.peers) == 3


def _is_signed(login: dict[str, Any]) -> bool:
    """Check a login as the server does."""
    (args,) = login["args"]
    text = f"{args['timestamp']}GET/users/self/verify".encode()
    sign = base64.b64encode(hmac.digest(SECRET, text, hashlib.sha256)).decode()
    return (
        login["op"] == "login"
        and args["apiKey"] == "00000000-0000-0000-0000-000000000000"
        and args["passphrase"] == "your-passphrase"
        and abs(time.time() - int(args["timestamp"])) < 30
        and hmac.compare_digest(sign, args["sign"])
    )


async def _orders_subscribed(peer: Peer) -> None:
    login, subscribed, *_ = ORDERS.arrives
    assert _is_signed(await hear(peer))
    await say(peer, login)
    await _subscribed(peer, "private", {"channel": "orders", "instType": "SPOT"})
    await say(peer, subscribed)


async def orders(peer: Peer) -> None:
    _, _, one, two = ORDERS.arrives
    await _orders_subscribed(peer)
    match peer.number:
        case 1:
            await say(peer, one)
            await drop(peer)
        case 2:
            await say(peer, NOTICE)
            await left(peer)
        case _:
            await say(peer, two)
            await peer.wait()


def test_a_login_is_signed_on_each_connection(tmp_path: Path) -> None:
    outcome = play(
        ORDERS,
        orders,
        process=tmp_path,
        max_messages=2,
        reconnect_backoff=0.1,
        overlap=0.1,
    )
    outcome.gives(ORDERS.tables)
    assert len(outcome.peers) == 3


def test_a_refused_login_ends_the_run(tmp_path: Path) -> None:
    (failure,) = ORDERS.failures

    async def refuses(peer: Peer) -> None:
        assert (await hear(peer))["op"] == "login"
        await say(peer, failure.partition("fatal: ")[2])
        await peer.wait()

    outcome = play(ORDERS, refuses, process=tmp_path)
    assert (outcome.code, outcome.error) == (1, failure)
    assert "your-passphrase" not in outcome.logs


EXCHANGE = recipe("okx", "A whole exchange")


def exchange(listing: str, trades: dict[str, str]) -> WholeExchange:
    ack = EXCHANGE.arrives[1]

    def symbols(request: Any) -> list[str]:
        assert request["op"] == "subscribe"
        assert {arg["channel"] for arg in request["args"]} == {"trades"}
        return [arg["instId"] for arg in request["args"]]

    def answers(_: Any, some: Sequence[str]) -> list[str]:
        args = [{"channel": "trades", "instId": name} for name in some]
        acks = [acknowledged(ack, arg=arg) for arg in args]
        return [*acks, *(trades[name] for name in some if name in trades)]

    return WholeExchange(
        symbols=symbols,
        answers=answers,
        per_connection=300,
        per_message=100,
        path="/api/v5/public/instruments?instType=SPOT",
        listing=listing,
    )


def test_every_instrument_that_is_traded_is_asked_for() -> None:
    listing, _, first, _, second = EXCHANGE.arrives
    server = exchange(listing, {"BTC-USDT": first, "ETH-USDT": second})
    play(EXCHANGE, server, http=server.http, max_messages=2).gives(EXCHANGE.tables)
    server.has_each_once(["BTC-USDT", "ETH-USDT"])


def test_a_whole_exchange_keeps_the_limits() -> None:
    names = [f"C{number}-USDT" for number in range(450)]
    rows = [{"instId": name, "state": "live"} for name in names]
    server = exchange(json.dumps({"data": rows}), {names[-1]: EXCHANGE.arrives[2]})
    play_listed(EXCHANGE, server, names, [300, 150])


async def _trades_acknowledged(peer: Peer) -> None:
    bitcoin, _, ether, *_ = TRADES.arrives
    await _trades_subscribed(peer)
    await say(peer, bitcoin, ether)


async def _candles_acknowledged(peer: Peer) -> None:
    args = {"channel": "candle1m", "instId": "BTC-USDT"}
    await _subscribed(peer, "business", args)
    await say(peer, CANDLES.arrives[0])


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize(
    ("given", "subscribed", "script", "count"),
    [
        pytest.param(TRADES, _trades_acknowledged, trades, 3, id="trades"),
        pytest.param(CANDLES, _candles_acknowledged, candles, 2, id="candles"),
        pytest.param(ORDERS, _orders_subscribed, orders, 2, id="orders"),
    ],
)
def test_drops_while_it_subscribes(
    given: Recipe, subscribed: Script, script: Script, count: int
) -> None:
    run = play_with_drops(given, subscribed, script, max_messages=count, overlap=0.1)
    run.gives(given.tables)


@pytest.mark.usefixtures("each_transport")
def test_an_announced_end_loses_nothing() -> None:
    """What the old connection brings until the new one is there is kept."""
    bitcoin, one, ether, two, notice, three = TRADES.arrives
    replaced = asyncio.Event()

    async def script(peer: Peer) -> None:
        await _trades_subscribed(peer)
        await say(peer, bitcoin, ether)
        if peer.number == 1:
            await say(peer, one, notice, two)
            await replaced.wait()
        replaced.set()
        await say(peer, three)
        await peer.wait()

    play(TRADES, script, max_messages=3, overlap=0.2).gives(TRADES.tables)


@pytest.mark.usefixtures("each_transport")
def test_requests_that_are_too_frequent_are_made_again() -> None:
    error = '{"event":"error","code":"60014","msg":"Requests too frequent"}'
    play_after(
        TRADES, answer(_trades_subscribed, error), trades, max_messages=3, overlap=0.1
    )


@pytest.mark.usefixtures("each_transport")
def test_a_login_that_fails_at_the_exchange_is_tried_again() -> None:
    error = '{"event":"error","code":"63999","msg":"Please try again later."}'

    async def fails(peer: Peer) -> None:
        await hear(peer)
        await say(peer, error)

    play_after(ORDERS, fails, orders, max_messages=2, overlap=0.1)


@pytest.mark.usefixtures("each_transport")
def test_a_connection_too_many_ends_the_run() -> None:
    """It is acknowledged first, and would be silent without an end."""
    count = '{"event":"channel-conn-count","channel":"orders","connCount":"30"}'
    error = '{"event":"channel-conn-count-error","channel":"orders","connCount":"30"}'
    outcome = play(ORDERS, answer(_orders_subscribed, count, error))
    assert outcome.error is not None
    assert outcome.error.endswith(error)


@pytest.mark.usefixtures("each_transport")
def test_a_refused_candle_ends_the_run() -> None:
    args = {"channel": "candle1m", "instId": "BTC-USDT"}

    async def refuses(peer: Peer) -> None:
        await _subscribed(peer, "business", args)
        await say(peer, TRADES.failures[0].partition("fatal: ")[2])
        await peer.wait()

    assert play(CANDLES, refuses).error == TRADES.failures[0]


@pytest.mark.usefixtures("each_transport")
def test_a_message_of_a_new_kind_is_no_record() -> None:
    _, one, _, two, _, three = TRADES.arrives
    new = '{"event":"somethingNew"}'
    shown = answer(_trades_acknowledged, new, one, two, three)
    play(TRADES, shown, max_messages=3).gives(TRADES.tables)


async def _exchange_acknowledged(peer: Peer) -> None:
    _, bitcoin, _, ether, _ = EXCHANGE.arrives
    await hear(peer)
    await say(peer, bitcoin, ether)


@pytest.mark.usefixtures("each_transport")
def test_drops_while_a_whole_exchange_is_subscribed() -> None:
    listing, _, one, _, two = EXCHANGE.arrives
    server = exchange(listing, {"BTC-USDT": one, "ETH-USDT": two})
    play_cut_off(EXCHANGE, _exchange_acknowledged, server)
    server.has_each_once(["BTC-USDT", "ETH-USDT"])


@pytest.mark.usefixtures("each_transport")
def test_a_whole_exchange_is_asked_for_again_after_a_drop() -> None:
    listing, _, one, _, two = EXCHANGE.arrives
    server = exchange(listing, {"ETH-USDT": two})

    async def dropped(peer: Peer) -> None:
        await _exchange_acknowledged(peer)
        await say(peer, one)
        await drop(peer)

    play_dropped(EXCHANGE, dropped, server)
    server.has_each_once(["BTC-USDT", "ETH-USDT"])


@pytest.mark.usefixtures("each_transport")
def test_an_instrument_of_the_list_that_is_gone_ends_the_run() -> None:
    listing, ack, *_ = EXCHANGE.arrives
    server = exchange(listing, {})

    failure = TRADES.failures[0]
    outcome = play(EXCHANGE, refuse(hears, failure, ack), http=server.http)
    assert outcome.error == failure
