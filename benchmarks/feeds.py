"""Feeds to measure with: those of the recipes, and some that are hard on a tap.

A feed is a few message templates, sent in turn. Each record has a number of its own in
it, `FIRST` and up: 13 digits that begin with 77, which nothing else in a feed does. So
an output can be checked whatever its form.
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import json
import math
import re
from typing import TYPE_CHECKING, Any

from benchmarks import recipe_feeds
from scripts.recipes import recipe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "BINANCE",
    "BOOKS",
    "FIRST",
    "NUMBER",
    "TRADES",
    "Feed",
    "feed",
    "feed_names",
]

FIRST = 7_700_000_000_000
NUMBER = re.compile(rb"77\d{11}")
_SLOT = b"%d"
_SEPARATOR = "\N{SYMBOL FOR RECORD SEPARATOR}"

_TRADE = (
    b'{"symbol":"BTC-USD","price":42000.17,"quantity":0.117,"trade_id":%d,'
    b'"buyer_is_maker":true,"side":"buy","note":""}'
)
_ODD = _TRADE[:-1] + b',"venue":"XNAS"}'
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "symbol": {"type": "string"},
        "price": {"type": "number"},
        "quantity": {"type": "number"},
        "trade_id": {"type": "integer"},
        "buyer_is_maker": {"type": "boolean"},
        "side": {"type": "string"},
        "note": {"type": "string"},
    },
}
_RESCUE = {"schema": _SCHEMA, "schema_evolution": "rescue"}
_BINANCE = (
    (
        b'{"e":"trade","E":1672515782136,"s":"BTCUSDT","t":%d,"p":"16850.10","q":"0.00420",'
        b'"T":1672515782135,"m":true,"M":true}'
    ),
    (
        b'{"e":"trade","E":1672515782201,"s":"BTCUSDT","t":%d,"p":"16850.11","q":"1.20000",'
        b'"T":1672515782200,"m":false,"M":true}'
    ),
)
_BINANCE_SCHEMA = {
    "type": "object",
    "properties": {
        **{key: {"type": "string"} for key in ("e", "s", "p", "q")},
        **{key: {"type": "integer"} for key in ("E", "t", "T")},
        **{key: {"type": "boolean"} for key in ("m", "M")},
    },
}
_IN_A_THOUSAND, _IN_TEN_THOUSAND = 1000, 10_000
TRADES, BINANCE, BOOKS = "trades", "Binance's trade", "order books"
_BOOK_LEVELS = 1500
"""Levels on each side, so that a snapshot takes 64 kB."""

_MOST_DIFFERENT, _MOST_BYTES = 1_000_000, 1 << 29
"""Messages of a feed that differ, and bytes of them: they wait in a server's memory."""


@dataclasses.dataclass(frozen=True)
class Feed:
    """What a server sends, and how the tap is told to read it.

    Attributes:
        name: As it stands in the tables.
        lines: The messages in turn, each with a `%d` for the number of each record.
        config: Settings of the tap, those of the run's end and place left out.
        second: The messages of the second half of a run, where they are others.
        replies: What the server sends before its data: a text for each reply that
            `subscribe_messages` waits for.
        http: Its answers to plain HTTP requests: a text in the request's target, to a
            body, `{url}` in it the feed's. The first one that fits is sent.
        packed: Whether messages are compressed with gzip.
        text: Whether a message is no JSON document.
        beside: Messages that an answer over HTTP counts for.
        keys: Kind of a private key to the file that the config names for it.
        weight: Records of it for each one of the other feeds.
        rescued: Whether fields without a column are kept beside the others.
    """

    name: str
    lines: tuple[bytes, ...]
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    second: tuple[bytes, ...] = ()
    replies: tuple[bytes, ...] = ()
    http: Mapping[str, str] = dataclasses.field(default_factory=dict)
    packed: bool = False
    text: bool = False
    beside: int = 0
    keys: Mapping[str, str] = dataclasses.field(default_factory=dict)
    weight: float = 1
    rescued: bool = False

    @property
    def size(self) -> float:
        """Bytes of a message."""
        return sum(map(len, self.lines)) / len(self.lines)

    def messages_for(self, records: int) -> int:
        """Return how many messages are sent where other feeds have so many records."""
        each = sum(line.count(_SLOT) for line in self.lines) / len(self.lines)
        return round(records * self.weight / each)

    def turns(self, count: int) -> tuple[int, int]:
        """Return how many of so many messages differ, and how often these are sent.

        The product of both may be somewhat less than the count.
        """
        times = math.ceil(
            max(count / _MOST_DIFFERENT, count * self.size / _MOST_BYTES, 1)
        )
        return count // times, times

    def pack(self, payload: bytes) -> bytes:
        """Return a message as it is sent."""
        return gzip.compress(payload, 1, mtime=0) if self.packed else payload

    def unpack(self, payload: bytes) -> bytes:
        """Return a message without its compression."""
        return gzip.decompress(payload) if self.packed else payload

    def _templates(self, count: int) -> list[bytes]:
        half = count // 2 if self.second else count
        first = [self.lines[at % len(self.lines)] for at in range(half)]
        rest = range(count - half)
        return first + [self.second[at % len(self.second)] for at in rest]

    def messages(self, count: int) -> list[bytes]:
        """Return the messages."""
        number, found = FIRST, []
        for template in self._templates(count):
            slots = template.count(_SLOT)
            found.append(self.pack(template % tuple(range(number, number + slots))))
            number += slots
        return found

    def records(self, count: int) -> int:
        """Return how many records this many messages hold."""
        return sum(template.count(_SLOT) for template in self._templates(count))


def _book(number: int) -> bytes:
    """Return a snapshot of an order book: arrays of number texts."""

    def levels(price: int, step: int) -> str:
        return ",".join(
            f'["{(price + step * level) / 100:.2f}","{(level * 37 + number) % 9000}.5"]'
            for level in range(_BOOK_LEVELS)
        )

    bids, asks = levels(4_200_000, -7), levels(4_200_010, 7)
    return b'{"lastUpdateId":%%d,"bids":[%b],"asks":[%b]}' % (
        bids.encode(),
        asks.encode(),
    )


def _own() -> list[Feed]:
    thousand = (_TRADE,) * (_IN_A_THOUSAND - 1) + (_ODD,)
    burst = (_TRADE,) * (_IN_TEN_THOUSAND - _IN_A_THOUSAND) + (_ODD,) * _IN_A_THOUSAND
    portable = {"schema": _BINANCE_SCHEMA, "column_names": "portable"}
    return [
        Feed(TRADES, (_TRADE,)),
        # One million, where others have 600,000.
        Feed(BINANCE, _BINANCE, weight=5 / 3),
        Feed("an unknown field in every record", (_ODD,), _RESCUE, rescued=True),
        Feed("names made portable", _BINANCE, portable),
        Feed("one odd record in 1,000", thousand, _RESCUE, rescued=True),
        Feed("bursts of odd records", burst, _RESCUE, rescued=True),
        Feed(
            "odd records from the middle on",
            (_TRADE,),
            _RESCUE,
            second=(_ODD,),
            rescued=True,
        ),
        Feed("two lines", (_TRADE,), {"redundancy": 2, "reconnect": True}),
        Feed("deduplicate by", (_TRADE,), {"deduplicate": {"by": ["$.trade_id"]}}),
        Feed("sequence", (_TRADE,), {"sequence": {"path": "$.trade_id"}}),
        Feed(BOOKS, tuple(map(_book, range(4))), weight=1 / 20),
    ]


def _of_recipe(source: recipe_feeds.RecipeFeed) -> Feed:
    page = recipe(source.page, source.section)
    arrives = [line.replace(_SEPARATOR, "\x1e") for line in page.arrives]
    replies = [
        arrives[reply] if isinstance(reply, int) else reply for reply in source.replies
    ]
    return Feed(
        source.name,
        tuple(
            source.wrap(line).encode()
            for line in recipe_feeds.templates(arrives, source.data)
        ),
        page.config,
        replies=tuple(reply.encode() for reply in replies),
        http={
            target: arrives[answer] if isinstance(answer, int) else json.dumps(answer)
            for target, answer in source.http.items()
        },
        packed=source.packed,
        text=source.text,
        beside=source.beside,
        keys=source.keys,
    )


_OWN = {feed.name: feed for feed in _own()}
_RECIPES = {source.name: source for source in recipe_feeds.RECIPE_FEEDS}


@functools.cache
def feed(name: str) -> Feed:
    """Return the feed of a name.

    Raises:
        ValueError: When its recipe's page has other messages by now.
    """
    return _OWN[name] if name in _OWN else _of_recipe(_RECIPES[name])


def feed_names() -> Sequence[str]:
    """Return the names of all feeds."""
    return [*_OWN, *_RECIPES]
