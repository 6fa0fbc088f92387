"""The script that a user would write for a feed: `python recipe_script.py NAME URL`.

It prints the records that the tap makes of the recipe, with `json.loads` and plain
Python; a login and a subscription are left out, and so is whatever is no data.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

if TYPE_CHECKING:
    from collections.abc import Callable

__all__: list[str] = []

Records = Iterator[dict[str, Any]]

_PORTABLE = {"E": "E_2", "T": "T_2", "M": "M_2"}
_CANDLE = ("ts", "open", "high", "low", "close", "vol", "volCcy", "volCcyQuote")
_TRADE = {
    "symbol": "sym",
    "time": "t",
    "trade_id": "i",
    "exchange": "x",
    "price": "p",
    "size": "s",
    "conditions": "c",
}
_QUOTE = {
    "symbol": "sym",
    "time": "t",
    "bid_exchange": "bx",
    "bid_price": "bp",
    "ask_exchange": "ax",
    "ask_price": "ap",
    "condition": "c",
}


def _whole(text: str) -> Records:
    yield json.loads(text)


def _portable(text: str) -> Records:
    message = json.loads(text)
    yield {_PORTABLE.get(name, name): value for name, value in message.items()}


def _aisstream(text: str) -> Records:
    message = json.loads(text)
    if message["MessageType"] == "SubscriptionConfirmation":
        return
    about = message["MetaData"]
    record = message["Message"]["PositionReport"]
    record |= {"ship_name": about["ShipName"], "time_utc": about["time_utc"]}
    yield record


def _appsync(text: str) -> Records:
    message = json.loads(text)
    if message["type"] == "data":
        events = message["event"]
        for event in events if isinstance(events, list) else [events]:
            yield json.loads(event)


def _bayeux(text: str) -> Records:
    for message in json.loads(text):
        if not message["channel"].startswith("/meta/"):
            yield {**message["data"], "channel": message["channel"]}


def _binance_trades(text: str) -> Records:
    message = json.loads(text)
    if message.get("e") == "trade":
        record = {name: message[name] for name in ("s", "t", "p", "q", "m")}
        record |= {"event_time": message["E"], "trade_time": message["T"]}
        yield record


def _binance_exchange(text: str) -> Records:
    message = json.loads(text)
    if message.get("e") == "trade":
        yield message


def _binance_depth(text: str) -> Records:
    message = json.loads(text)
    if "code" in message:
        raise ValueError(message)
    yield message


def _binance_user_data(text: str) -> Records:
    message = json.loads(text)
    if "error" in message:
        raise ValueError(message)
    if message["event"]["e"] != "eventStreamTerminated":
        yield message["event"]


def _binance_books(text: str) -> Records:
    message = json.loads(text)
    if "stream" in message:
        yield {**message["data"], "stream": message["stream"]}


def _centrifugo(text: str) -> Records:
    for line in text.split("\n"):
        message = json.loads(line)
        if "push" in message:
            yield message["push"]["pub"]["data"]


def _coinbase(text: str) -> Records:
    message = json.loads(text)
    if message["type"] == "error":
        raise ValueError(message)
    yield message


def _coinbase_advanced(text: str) -> Records:
    message = json.loads(text)
    if message["channel"] == "user":
        for event in message["events"]:
            for order in event["orders"]:
                yield {**order, "timestamp": message["timestamp"]}


def _devtools(text: str) -> Records:
    message = json.loads(text)
    if message.get("method") == "Runtime.consoleAPICalled":
        params = message["params"]
        yield {**params, "text": params["args"][0]["value"]}


def _discord(text: str) -> Records:
    message = json.loads(text)
    if message["op"] == 0 and message["t"] == "MESSAGE_CREATE":
        yield message["d"]


def _ethereum(text: str) -> Records:
    message = json.loads(text)
    if "error" in message:
        raise ValueError(message)
    params = message["params"]
    yield {**params["result"], "subscription": params["subscription"]}


def _graphql(text: str) -> Records:
    message = json.loads(text)
    if message["type"] == "next":
        yield message["payload"]["data"]["tradeAdded"]


def _home_assistant(text: str) -> Records:
    message = json.loads(text)
    if message["type"] == "event":
        event = message["event"]
        yield {**event["data"], "time_fired": event["time_fired"]}


def _htx(data: bytes) -> Records:
    message = json.loads(gzip.decompress(data))
    if "tick" in message:
        for trade in message["tick"]["data"]:
            yield {**trade, "channel": message["ch"]}


def _jetstream(text: str) -> Records:
    message = json.loads(text)
    if message["kind"] not in {"identity", "account"}:
        yield message


def _kraken(text: str) -> Records:
    message = json.loads(text)
    if message.get("channel") == "trade":
        for trade in message["data"]:
            yield {**trade, "type": message["type"]}


def _kraken_exchange(text: str) -> Records:
    message = json.loads(text)
    if message.get("channel") == "trade":
        yield from message["data"]


def _kucoin(text: str) -> Records:
    message = json.loads(text)
    if message["type"] == "message":
        yield message["data"]


def _mastodon(text: str) -> Records:
    message = json.loads(text)
    if message["event"] == "update":
        yield json.loads(message["payload"])


def _nats(text: str) -> Records:
    while text:
        head, _, rest = text.partition("\r\n")
        _, subject, *_, size = head.split()
        # Counted in bytes; this feed is in ASCII.
        payload, text = rest[: int(size)], rest[int(size) + 2 :]
        data = json.loads(payload)
        for record in data if isinstance(data, list) else [data]:
            yield {**record, "subject": subject}


def _okx(text: str) -> Records:
    message = json.loads(text)
    if "data" in message:
        yield from message["data"]


def _candles(text: str) -> Records:
    message = json.loads(text)
    if "data" in message:
        about = message["arg"]
        for values in message["data"]:
            record = dict(zip((*_CANDLE, "confirm"), values, strict=True))
            record |= {"instId": about["instId"], "channel": about["channel"]}
            yield record


def _polygon(text: str) -> Records:
    for event in json.loads(text):
        names = {"T": _TRADE, "Q": _QUOTE}.get(event["ev"])
        if names is not None:
            yield {name: event.get(field) for name, field in names.items()}


def _signalr(text: str) -> Records:
    for part in filter(None, text.split("\x1e")):
        message = json.loads(part)
        if message["type"] == 1:
            yield {**message["arguments"][0], "target": message["target"]}


def _slack(text: str) -> Records:
    message = json.loads(text)
    if "envelope_id" in message:
        payload = message["payload"]
        record = {**payload["event"], "event_id": payload["event_id"]}
        record["retry_attempt"] = message["retry_attempt"]
        yield record


def _socketio(text: str) -> Records:
    if text.startswith("42"):
        begin = text.index("[")
        event, data = json.loads(text[begin:])
        # The number of an acknowledgement may stand before the event.
        yield {**data, "event": event, "ack": text[2:begin] or None}


def _sockjs(text: str) -> Records:
    if text.startswith("a"):
        for item in json.loads(text[1:]):
            message = json.loads(item)
            if message.get("type") != "error":
                yield message


def _stomp(text: str) -> Records:
    for frame in filter(str.strip, text.split("\0")):
        head, _, body = frame.partition("\n\n")
        command, *lines = head.split("\n")
        if command == "MESSAGE":
            headers = dict(line.split(":", 1) for line in lines)
            about = {
                "destination": headers["destination"],
                "message_id": headers["message-id"],
            }
            data = json.loads(body)
            for record in data if isinstance(data, list) else [data]:
                yield {**record, **about}


def _supabase(text: str) -> Records:
    message = json.loads(text)
    if message[3] == "postgres_changes":
        yield message[4]["data"]


def _twitch(text: str) -> Records:
    message = json.loads(text)
    about = message["metadata"]
    if about["message_type"] == "notification":
        yield {**message["payload"]["event"], "message_id": about["message_id"]}


JOBS: dict[str, Callable[[Any], Records]] = {
    "names made portable": _portable,
    "aisstream: Positions": _aisstream,
    "appsync: With an API key": _appsync,
    "bayeux: Channels": _bayeux,
    "binance: Trades": _binance_trades,
    "binance: Order books": _binance_books,
    "binance: A whole exchange": _binance_exchange,
    "binance-depth: Depth": _binance_depth,
    "binance-user-data: Account events": _binance_user_data,
    "centrifugo: A channel": _centrifugo,
    "coinbase: Matches": _coinbase,
    "coinbase: A whole exchange": _coinbase,
    "coinbase-advanced: Orders": _coinbase_advanced,
    "devtools: The console": _devtools,
    "discord: Messages": _discord,
    "ethereum: New blocks": _ethereum,
    "graphql: A subscription": _graphql,
    "home-assistant: State changes": _home_assistant,
    "htx: Trades": _htx,
    "jetstream: Posts": _jetstream,
    "kraken: Trades": _kraken,
    "kraken: A whole exchange": _kraken_exchange,
    "kucoin: Matches": _kucoin,
    "kucoin: A whole exchange": _kucoin,
    "mastodon: Posts with a hashtag": _mastodon,
    "nats: Subjects": _nats,
    "okx: Trades": _okx,
    "okx: Candles": _candles,
    "okx: Orders": _okx,
    "okx: A whole exchange": _okx,
    "polygon: Trades and quotes": _polygon,
    "signalr: Calls of a hub": _signalr,
    "slack: Events": _slack,
    "socketio: Events": _socketio,
    "sockjs: Messages": _sockjs,
    "stomp: A destination": _stomp,
    "supabase: Changes of a table": _supabase,
    "twitch-eventsub: Follows": _twitch,
}


async def main(name: str, url: str) -> None:
    """Print the records of a feed; Slack wants an answer to each message."""
    records = JOBS.get(name, _whole)
    answers = name == "slack: Events"
    async with connect(url, max_size=None) as feed:
        async for message in feed:
            for record in records(message):
                print(json.dumps(record))
            # The benchmark's server closes behind its last message.
            if answers and feed.state is State.OPEN:
                envelope = json.loads(message)["envelope_id"]
                with contextlib.suppress(ConnectionClosed):
                    await feed.send(json.dumps({"envelope_id": envelope}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
