"""Which lines of the recipes' pages are data, and what is numbered in them."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = ["RECIPE_FEEDS", "RecipeFeed", "templates"]

_LAST_DIGITS = re.compile(r"\d+(?=\D*$)")
_DIGITS = 13
"""Of a record's number."""


def _as_it_is(line: str) -> str:
    return line


def _nats(line: str) -> str:
    """Return the frame of a subject and its payload, as a NATS server sends it."""
    subject, _, payload = line.partition(" ")
    slots = payload.count("%d")
    size = len(payload) + slots * (_DIGITS - len("%d"))
    return f"MSG {subject} 1 {size}\r\n{payload}\r\n"


def _stomp(line: str) -> str:
    """Return the frame of a destination, an id and a body, as a broker sends it."""
    destination, number, body = line.split(" ", 2)
    return (
        f"MESSAGE\nsubscription:0\nmessage-id:{number}\ndestination:{destination}\n"
        f"content-type:application/json\n\n{body}\0"
    )


@dataclasses.dataclass(frozen=True)
class RecipeFeed:
    """How a server plays a recipe, by the lines of its page's "What arrives".

    Attributes:
        page: The page's name.
        section: The heading of the recipe.
        data: For each line with records, a text that is in it for each record: the
            last digits in the text become the record's number, or all of it where it
            is a price. Lines are in the page's order.
        replies: What the subscription waits for, in order: the index of a line, or a
            text that the page does not show.
        http: What answers plain HTTP requests: a text in their target, to the index of
            a line or a value; `{url}` in it is the feed's.
        packed: Whether the feed compresses its messages.
        text: Whether its messages are no JSON documents.
        wrap: Makes the message of a line, where the page shows less.
        beside: Messages that an answer over HTTP counts for. A run of few messages may
            be over before the answer is read, and fails then.
        keys: Kind of a private key to the file that the config names for it.
    """

    page: str
    section: str
    data: Sequence[Sequence[str]]
    replies: Sequence[int | str] = ()
    http: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    packed: bool = False
    text: bool = False
    wrap: Callable[[str], str] = _as_it_is
    beside: int = 0
    keys: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        """The page, and the section where the page has several."""
        return f"{self.page}: {self.section}"


def templates(lines: Iterable[str], data: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines that hold records, with a `%d` for the number of each record.

    Args:
        lines: What arrives.
        data: See `RecipeFeed`.

    Raises:
        ValueError: When none of the lines has the texts.
    """
    left = iter(lines)
    for numbered in data:
        for line in left:
            with contextlib.suppress(ValueError):
                yield _template(line, numbered)
                break
        else:
            msg = f"no line has {', '.join(numbered)}; benchmarks/recipe_feeds.py"
            raise ValueError(msg)


def _template(line: str, numbered: Sequence[str]) -> str:
    at = 0
    for text in numbered:
        at = line.index(text, at)
        slot = "%d" if text[0].isdigit() else _LAST_DIGITS.sub("%d", text)
        line = line[:at] + slot + line[at + len(text) :]
        at += len(slot)
    return line


_KUCOIN_TOKEN = {
    "code": "200000",
    "data": {"token": "t", "instanceServers": [{"endpoint": "{url}"}]},
}

RECIPE_FEEDS = (
    RecipeFeed("aisstream", "Positions", [['"UserID":250013879']]),
    RecipeFeed("appsync", "With an API key", [["42219.90"], ["2250.1"]], [0, 1]),
    RecipeFeed("bayeux", "Channels", [["2250.1"]], [0, 1]),
    RecipeFeed("binance", "Trades", [['"t":12345'], ['"t":7012']], [0]),
    RecipeFeed(
        "binance",
        "Order books",
        [
            ['"lastUpdateId":160'],
            ['"lastUpdateId":9071'],
            ['"lastUpdateId":171'],
        ],
    ),
    RecipeFeed(
        "binance",
        "A whole exchange",
        [['"t":12345'], ['"t":7012']],
        [1],
        {"/exchangeInfo": 0},
    ),
    RecipeFeed(
        "binance-depth",
        "Depth",
        [['"U":157'], ['"U":161']],
        [0],
        {"/depth": 2},
        beside=1,
    ),
    RecipeFeed(
        "binance-user-data",
        "Account events",
        [['"u":1728972148778'], ['"T":1728974000001']],
        [0, 1],
        keys={"ed25519": "binance.pem"},
    ),
    RecipeFeed("centrifugo", "A channel", [["42219.90"], ["42220.15"]], [0, 1]),
    RecipeFeed(
        "coinbase",
        "Matches",
        [['"trade_id":881613'], ['"trade_id":881614']],
        [0],
    ),
    RecipeFeed(
        "coinbase",
        "A whole exchange",
        # Of one product: two would take every second number each.
        [['"trade_id":881614']],
        [1],
        {"/products": 0},
    ),
    RecipeFeed(
        "coinbase-advanced",
        "Orders",
        [['"order_id":"o1'], ['"order_id":"o1']],
        [0, 2],
        keys={"es256": "coinbase.pem"},
    ),
    RecipeFeed(
        "devtools",
        "The console",
        [
            ['"timestamp":1795653531859'],
            ['"timestamp":1795653531862'],
            ['"timestamp":1795653540113'],
        ],
        [2],
        {"/json/list": [{"webSocketDebuggerUrl": "{url}"}]},
    ),
    RecipeFeed("discord", "Messages", [['"id": "334385199974967042']], [0, 1]),
    RecipeFeed(
        "ethereum",
        "New blocks",
        [['"gasUsed": "0x38358"'], ['"gasUsed": "0x5208"']],
        [0],
    ),
    RecipeFeed("graphql", "A subscription", [["42219.90"], ["42220.15"]], [0]),
    RecipeFeed(
        "home-assistant",
        "State changes",
        [['"time_fired": "2016-11-26T01:37:24.265429']],
        [0, 1, 2],
    ),
    RecipeFeed(
        "htx",
        "Trades",
        [
            ['"tradeId":100341530588'],
            ['"tradeId":100341530602', '"tradeId":100341530603'],
            ['"tradeId":100341530640'],
        ],
        [1, 3],
        packed=True,
    ),
    RecipeFeed(
        "jetstream",
        "Posts",
        [['"time_us": 1725911162329308'], ['"time_us": 1725911163000121']],
    ),
    RecipeFeed(
        "kraken",
        "Trades",
        [
            ['"trade_id":10218208'],
            ['"trade_id":10218209', '"trade_id":10218210'],
        ],
        [0, 2],
    ),
    RecipeFeed(
        "kraken",
        "A whole exchange",
        [['"trade_id":10218208'], ['"trade_id":77102']],
        [0, 1, 3],
    ),
    RecipeFeed(
        "kucoin",
        "Matches",
        [
            ['"tradeId":"6085c09769bc506996295e36'],
            ['"tradeId":"6085c09b69bc506996295e41'],
        ],
        [1, 2],
        {"/bullet-public": _KUCOIN_TOKEN},
    ),
    RecipeFeed(
        "kucoin",
        "A whole exchange",
        [
            ['"tradeId":"6085c09769bc506996295e36'],
            ['"tradeId":"6085c09b69bc506996295e41'],
        ],
        [1, 2],
        {"/bullet-public": _KUCOIN_TOKEN, "/symbols": 0},
    ),
    RecipeFeed("mastodon", "Posts with a hashtag", [["108913983692647032"]]),
    RecipeFeed(
        "nats",
        "Subjects",
        [['"id":1'], ['"id":3', '"id":4']],
        ['INFO {"server_id":"N1"}\r\n', "PONG\r\n"],
        text=True,
        wrap=_nats,
    ),
    RecipeFeed(
        "okx",
        "Trades",
        [
            ['"tradeId":"130639474'],
            ['"tradeId":"98011', '"tradeId":"98012'],
        ],
        [0, 2],
    ),
    RecipeFeed(
        "okx",
        "Candles",
        [["1597026360000"], ["1597026360000", "1597026420000"]],
        [0],
    ),
    RecipeFeed(
        "okx",
        "Orders",
        [['"ordId":"312269865356374016'], ['"ordId":"312269865356374016']],
        [0, 1],
    ),
    RecipeFeed(
        "okx",
        "A whole exchange",
        [['"tradeId":"130639474'], ['"tradeId":"98011']],
        [1, 3],
        {"/instruments": 0},
    ),
    RecipeFeed(
        "polygon",
        "Trades and quotes",
        [
            ['"i":"12345', '"t":1748476801240'],
            ['"t":1748476809001', '"i":"12399', '"i":"12400'],
        ],
        [0, 1, 2, 3],
    ),
    RecipeFeed(
        "signalr",
        "Calls of a hub",
        [["1.0841", "1.0842"]],
        [0, 1],
        {"": {"connectionToken": "t", "negotiateVersion": 1}},
        text=True,
    ),
    RecipeFeed(
        "slack",
        "Events",
        [['"event_id": "Ev111'], ['"event_id": "Ev112']],
        [0],
        http={"": {"ok": True, "url": "{url}"}},
    ),
    RecipeFeed("socketio", "Events", [["42219.90"], ["42220.15"]], [0, 1], text=True),
    RecipeFeed(
        "sockjs",
        "Messages",
        [["42219.90", "2250.1"], ["42220.15"]],
        [0, 1],
        text=True,
    ),
    RecipeFeed(
        "stomp",
        "A destination",
        [["42219.90"], ["2250.1"], ["42220.15", "42220.20"]],
        ["CONNECTED\nversion:1.2\n\n\0"],
        text=True,
        wrap=_stomp,
    ),
    RecipeFeed("supabase", "Changes of a table", [['"record": {"id": 46}']], [0, 1]),
    RecipeFeed(
        "twitch-eventsub",
        "Follows",
        [['"message_id":"m1'], ['"message_id":"m4']],
        [0],
        {"": {}},
    ),
)
"""The recipes that are measured: those with JSON in their messages."""
