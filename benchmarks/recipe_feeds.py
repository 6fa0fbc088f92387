"""Which lines of the recipes' pages are data, and what is numbered in them."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["RECIPE_FEEDS", "RecipeFeed", "template"]

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


@dataclasses.dataclass(frozen=True)
class RecipeFeed:
    """How a server plays a recipe, by the lines of its page's "What arrives".

    Attributes:
        page: The page's name.
        section: The heading of the recipe.
        data: The index of each line with records, to a text for each of its records:
            the last digits in it become the record's number, or all of it where it
            is a price.
        replies: What the subscription waits for, in order: the index of a line, or a
            text that the page does not show.
        http: What answers plain HTTP requests: a text in their target, to the index of
            a line or a value; `{url}` in it is the feed's.
        packed: Whether the feed compresses its messages.
        text: Whether its messages are no JSON documents.
        wrap: Makes the message of a line, where the page shows less.
        beside: Messages that an answer over HTTP counts for.
        keys: Kind of a private key to the file that the config names for it.
    """

    page: str
    section: str
    data: Mapping[int, Sequence[str]]
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


def template(line: str, numbered: Sequence[str]) -> str:
    """Return a line with a `%d` for the number of each of its records.

    Raises:
        ValueError: When a text is not in the line.
    """
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
    RecipeFeed("aisstream", "Positions", {1: ['"UserID":250013879']}),
    RecipeFeed("appsync", "With an API key", {2: ["42219.90"], 4: ["2250.1"]}, [0, 1]),
    RecipeFeed("bayeux", "Channels", {3: ["2250.1"]}, [0, 1]),
    RecipeFeed("binance", "Trades", {1: ['"t":12345'], 2: ['"t":7012']}, [0]),
    RecipeFeed(
        "binance",
        "Order books",
        {
            0: ['"lastUpdateId":160'],
            1: ['"lastUpdateId":9071'],
            3: ['"lastUpdateId":171'],
        },
    ),
    RecipeFeed(
        "binance",
        "A whole exchange",
        {2: ['"t":12345'], 3: ['"t":7012']},
        [1],
        {"/exchangeInfo": 0},
    ),
    RecipeFeed(
        "binance-depth",
        "Depth",
        {1: ['"U":157'], 3: ['"U":161']},
        [0],
        {"/depth": 2},
        beside=1,
    ),
    RecipeFeed(
        "binance-user-data",
        "Account events",
        {2: ['"u":1728972148778'], 4: ['"T":1728974000001']},
        [0, 1],
        keys={"ed25519": "binance.pem"},
    ),
    RecipeFeed("centrifugo", "A channel", {2: ["42219.90"], 5: ["42220.15"]}, [0, 1]),
    RecipeFeed(
        "coinbase",
        "Matches",
        {1: ['"trade_id":881613'], 2: ['"trade_id":881614']},
        [0],
    ),
    RecipeFeed(
        "coinbase",
        "A whole exchange",
        {2: ['"trade_id":881614'], 3: ['"trade_id":159222']},
        [1],
        {"/products": 0},
    ),
    RecipeFeed(
        "coinbase-advanced",
        "Orders",
        {3: ['"order_id":"o1'], 4: ['"order_id":"o1']},
        [0, 2],
        keys={"es256": "coinbase.pem"},
    ),
    RecipeFeed("discord", "Messages", {3: ['"id": "334385199974967042']}, [0, 1]),
    RecipeFeed(
        "ethereum",
        "New blocks",
        {1: ['"gasUsed": "0x38358"'], 2: ['"gasUsed": "0x5208"']},
        [0],
    ),
    RecipeFeed("graphql", "A subscription", {2: ["42219.90"], 3: ["42220.15"]}, [0]),
    RecipeFeed(
        "home-assistant",
        "State changes",
        {3: ['"time_fired": "2016-11-26T01:37:24.265429']},
        [0, 1, 2],
    ),
    RecipeFeed(
        "htx",
        "Trades",
        {
            2: ['"tradeId":100341530588'],
            4: ['"tradeId":100341530602', '"tradeId":100341530603'],
            5: ['"tradeId":100341530640'],
        },
        [1, 3],
        packed=True,
    ),
    RecipeFeed(
        "jetstream",
        "Posts",
        {0: ['"time_us": 1725911162329308'], 2: ['"time_us": 1725911163000121']},
    ),
    RecipeFeed(
        "kraken",
        "Trades",
        {
            1: ['"trade_id":10218208'],
            4: ['"trade_id":10218209', '"trade_id":10218210'],
        },
        [0, 2],
    ),
    RecipeFeed(
        "kraken",
        "A whole exchange",
        {2: ['"trade_id":10218208'], 4: ['"trade_id":77102']},
        [0, 1, 3],
    ),
    RecipeFeed(
        "kucoin",
        "Matches",
        {
            3: ['"tradeId":"6085c09769bc506996295e36'],
            5: ['"tradeId":"6085c09b69bc506996295e41'],
        },
        [1, 2],
        {"/bullet-public": _KUCOIN_TOKEN},
    ),
    RecipeFeed(
        "kucoin",
        "A whole exchange",
        {
            3: ['"tradeId":"6085c09769bc506996295e36'],
            4: ['"tradeId":"6085c09b69bc506996295e41'],
        },
        [1, 2],
        {"/bullet-public": _KUCOIN_TOKEN, "/symbols": 0},
    ),
    RecipeFeed("mastodon", "Posts with a hashtag", {0: ["108913983692647032"]}),
    RecipeFeed(
        "nats",
        "Subjects",
        {0: ['"id":1'], 2: ['"id":3', '"id":4']},
        ['INFO {"server_id":"N1"}\r\n', "PONG\r\n"],
        text=True,
        wrap=_nats,
    ),
    RecipeFeed(
        "okx",
        "Trades",
        {
            1: ['"tradeId":"130639474'],
            3: ['"tradeId":"98011', '"tradeId":"98012'],
        },
        [0, 2],
    ),
    RecipeFeed(
        "okx",
        "Candles",
        {1: ["1597026360000"], 2: ["1597026360000", "1597026420000"]},
        [0],
    ),
    RecipeFeed(
        "okx",
        "Orders",
        {2: ['"ordId":"312269865356374016'], 3: ['"ordId":"312269865356374016']},
        [0, 1],
    ),
    RecipeFeed(
        "okx",
        "A whole exchange",
        {2: ['"tradeId":"130639474'], 4: ['"tradeId":"98011']},
        [1, 3],
        {"/instruments": 0},
    ),
    RecipeFeed(
        "polygon",
        "Trades and quotes",
        {
            4: ['"i":"12345', '"t":1748476801240'],
            5: ['"t":1748476809001', '"i":"12399', '"i":"12400'],
        },
        [0, 1, 2, 3],
    ),
    RecipeFeed(
        "signalr",
        "Calls of a hub",
        {2: ["1.0841", "1.0842"]},
        [0, 1],
        {"": {"connectionToken": "t", "negotiateVersion": 1}},
        text=True,
    ),
    RecipeFeed(
        "slack",
        "Events",
        {1: ['"ts": "1610241741.000200'], 3: ['"ts": "1610241745.000100']},
        http={"": {"ok": True, "url": "{url}"}},
    ),
    RecipeFeed(
        "socketio", "Events", {2: ["42219.90"], 4: ["42220.15"]}, [0, 1], text=True
    ),
    RecipeFeed("supabase", "Changes of a table", {2: ['"record": {"id": 46}']}, [0, 1]),
    RecipeFeed(
        "twitch-eventsub",
        "Follows",
        {1: ['"user_id":"1234'], 4: ['"user_id":"5678']},
        [0],
        {"": {}},
    ),
)
"""The recipes that are measured: those with JSON in their messages."""
