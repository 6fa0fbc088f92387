"""KuCoin: token and address from a call, a welcome, pings by message."""

from __future__ import annotations

import functools
import json
import time
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from tests.support.mishaps import answer, play_after, play_with_drops
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

MATCHES = recipe("kucoin", "Matches")


class Exchange:
    """The exchange's two halves; each token is good for one connection."""

    def __init__(self) -> None:
        self.tokens: set[str] = set()
        self.pings: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        assert (request.method, request.path) == ("POST", "/api/v1/bullet-public")
        assert await request.read() == b""
        answer = json.loads(MATCHES.arrives[0])
        token = f"2neAiuYvAU61ZDXANAGAsiL4+{len(self.tokens)}=="
        self.tokens.add(token)
        answer["data"]["token"] = token
        server = answer["data"]["instanceServers"][0]
        server["endpoint"] = f"ws://{request.host}/"
        return web.json_response(answer)

    async def subscribed(self, peer: Peer) -> None:
        welcome, ack = MATCHES.arrives[1:3]
        query = parse_qs(urlsplit(peer.path).query, strict_parsing=True)
        self.tokens.remove(query["token"][0])
        uuid.UUID(query["connectId"][0])
        await say(peer, welcome)
        subscription = await hear(peer)
        number = subscription.pop("id")
        assert abs(time.time() - number / 1000) < 30
        assert subscription == {
            "type": "subscribe",
            "topic": "/market/match:BTC-USDT,ETH-USDT",
            "privateChannel": False,
            "response": True,
        }
        await say(peer, json.dumps(json.loads(ack) | {"id": str(number)}))

    async def __call__(self, peer: Peer) -> None:
        one, _, two = MATCHES.arrives[3:]
        await self.subscribed(peer)
        if peer.number == 1:
            await say(peer, one)
            await drop(peer)
        else:
            await say(peer, two)
            await peer.wait()

    async def pinged(self, peer: Peer) -> None:
        ping = await hear(peer)
        assert ping["type"] == "ping"
        assert type(ping["id"]) is str
        self.pings.append(ping["id"])
        await say(peer, json.dumps({"id": ping["id"], "type": "pong"}))


def test_each_connection_has_its_own_token(tmp_path: Path) -> None:
    exchange = Exchange()
    outcome = play(
        MATCHES, exchange, http=exchange.answer, process=tmp_path, max_messages=2
    )
    outcome.gives(MATCHES.tables)
    assert len(outcome.peers) == 2
    assert "2neAiuYv" not in outcome.logs


@pytest.mark.usefixtures("each_transport")
def test_pings_go_by_message() -> None:
    exchange = Exchange()
    one, _, two = MATCHES.arrives[3:]

    async def script(peer: Peer) -> None:
        await exchange.subscribed(peer)
        await exchange.pinged(peer)
        await say(peer, one)
        await exchange.pinged(peer)
        await say(peer, two)
        await peer.wait()

    outcome = play(
        MATCHES,
        script,
        http=exchange.answer,
        heartbeat_interval=0.1,
        max_messages=2,
    )
    outcome.gives(MATCHES.tables)
    assert len(set(exchange.pings)) == 2


def test_a_call_without_a_token_ends_the_run(tmp_path: Path) -> None:
    async def refuses(_: web.Request) -> web.Response:
        return web.json_response({"code": "400003", "msg": "no"})

    async def script(peer: Peer) -> None:
        raise AssertionError(peer.path)

    outcome = play(MATCHES, script, http=refuses, process=tmp_path)
    assert (outcome.code, outcome.error) == (1, MATCHES.failures[0])


def test_a_refused_topic_ends_the_run() -> None:
    exchange = Exchange()

    async def refuses(peer: Peer) -> None:
        await say(peer, MATCHES.arrives[1])
        assert (await hear(peer))["type"] == "subscribe"
        await say(peer, MATCHES.failures[1].partition("fatal: ")[2])
        await peer.wait()

    outcome = play(MATCHES, refuses, http=exchange.answer)
    assert (outcome.code, outcome.error) == (1, MATCHES.failures[1])


EXCHANGE = recipe("kucoin", "A whole exchange")


def exchange(listing: str, matches: dict[str, str]) -> WholeExchange:
    _, welcome, ack, _, _ = EXCHANGE.arrives

    def symbols(request: Any) -> list[str]:
        assert request["type"] == "subscribe"
        topic, _, names = request["topic"].partition(":")
        assert topic == "/market/match"
        return list(names.split(","))

    def answers(request: Any, some: Sequence[str]) -> list[str]:
        found = [matches[name] for name in some if name in matches]
        return [acknowledged(ack, id=str(request["id"])), *found]

    return WholeExchange(
        symbols=symbols,
        answers=answers,
        per_connection=400,
        per_message=100,
        path="/api/v2/symbols",
        listing=listing,
        greet=lambda peer: say(peer, welcome),
    )


async def answered(server: WholeExchange, request: web.Request) -> web.StreamResponse:
    """Answer either HTTP call of the recipe."""
    if request.method == "POST":
        return await Exchange().answer(request)
    return await server.http(request)


def test_every_symbol_that_is_traded_is_asked_for() -> None:
    listing, _, _, first, second = EXCHANGE.arrives
    server = exchange(listing, {"BTC-USDT": first, "ETH-USDT": second})
    http = functools.partial(answered, server)
    play(EXCHANGE, server, http=http, max_messages=2).gives(EXCHANGE.tables)
    server.has_each_once(["BTC-USDT", "ETH-USDT"])


def test_a_whole_exchange_keeps_the_limits() -> None:
    names = [f"C{number}-USDT" for number in range(450)]
    rows = [{"symbol": name, "enableTrading": True} for name in names]
    listing = json.dumps({"data": rows})
    server = exchange(listing, {names[-1]: EXCHANGE.arrives[3]})
    http = functools.partial(answered, server)
    play_listed(EXCHANGE, server, names, [400, 50], http)


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes() -> None:
    exchange = Exchange()
    run = play_with_drops(
        MATCHES, exchange.subscribed, exchange, http=exchange.answer, max_messages=2
    )
    run.gives(MATCHES.tables)


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize(
    ("code", "data"),
    [
        (400, "ping timeout"),
        (401, "token is invalid"),
        (500, "system error"),
        (509, "service busy, please retry later"),
        (509, "exceed max permits per second"),
    ],
)
def test_an_error_that_passes_is_tried_again(code: int, data: str) -> None:
    exchange = Exchange()
    error = json.dumps({"id": "x", "type": "error", "code": code, "data": data})
    refuses = answer(lambda peer: say(peer, MATCHES.arrives[1]), error)
    play_after(MATCHES, refuses, exchange, http=exchange.answer, max_messages=2)


@pytest.mark.usefixtures("each_transport")
def test_too_many_topics_end_the_run() -> None:
    exchange = Exchange()
    data = "exceed max subscription count limitation of 100 per time"
    error = json.dumps({"id": "x", "type": "error", "code": 509, "data": data})
    run = play(MATCHES, answer(exchange.subscribed, error), http=exchange.answer)
    assert run.error is not None
    assert data in run.error


@pytest.mark.usefixtures("each_transport")
def test_a_call_for_a_token_that_comes_too_often_is_made_again() -> None:
    exchange = Exchange()
    refusals = [429, 503]

    async def http(request: web.Request) -> web.StreamResponse:
        if refusals:
            headers = {"Retry-After": "0"}
            return web.json_response({}, status=refusals.pop(), headers=headers)
        return await exchange.answer(request)

    run = play(MATCHES, exchange, http=http, max_messages=2, reconnect_backoff=0.1)
    run.gives(MATCHES.tables)


@pytest.mark.usefixtures("each_transport")
def test_a_message_of_a_new_kind_is_no_record() -> None:
    exchange = Exchange()
    one, pong, two = MATCHES.arrives[3:]
    shown = answer(exchange.subscribed, '{"type":"somethingNew"}', one, pong, two)
    run = play(MATCHES, shown, http=exchange.answer, max_messages=2)
    run.gives(MATCHES.tables)


@pytest.mark.usefixtures("each_transport")
def test_drops_while_a_whole_exchange_is_subscribed() -> None:
    listing, welcome, ack, one, two = EXCHANGE.arrives
    server = exchange(listing, {"BTC-USDT": one, "ETH-USDT": two})

    async def subscribed(peer: Peer) -> None:
        await say(peer, welcome)
        request = await hear(peer)
        await say(peer, acknowledged(ack, id=str(request["id"])))

    play_cut_off(EXCHANGE, subscribed, server, functools.partial(answered, server))
    server.has_each_once(["BTC-USDT", "ETH-USDT"])


@pytest.mark.usefixtures("each_transport")
def test_a_whole_exchange_is_asked_for_again_after_a_drop() -> None:
    listing, welcome, ack, one, two = EXCHANGE.arrives
    server = exchange(listing, {"ETH-USDT": two})

    async def dropped(peer: Peer) -> None:
        await say(peer, welcome)
        request = await hear(peer)
        await say(peer, acknowledged(ack, id=str(request["id"])), one)
        await drop(peer)

    play_dropped(EXCHANGE, dropped, server, functools.partial(answered, server))
    server.has_each_once(["BTC-USDT", "ETH-USDT"])


@pytest.mark.usefixtures("each_transport")
def test_a_whole_exchange_that_is_refused_ends_the_run() -> None:
    listing, welcome, *_ = EXCHANGE.arrives
    failure = MATCHES.failures[1]
    server = exchange(listing, {})

    async def refuses(peer: Peer) -> None:
        await say(peer, welcome)
        await hear(peer)
        await say(peer, failure.partition("fatal: ")[2])
        await peer.wait()

    http = functools.partial(answered, server)
    outcome = play(EXCHANGE, refuses, http=http)
    assert (outcome.code, outcome.error) == (1, failure)
