"""Messages of few shapes, with values that are hard on templates."""

from __future__ import annotations

import contextlib
import itertools
import re
from typing import TYPE_CHECKING, Any
from unittest import mock

from hypothesis import strategies as st

from tap_websocket.records.templates import cache, maker
from tests.support.ways import WatchedHandler, through

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

__all__ = [
    "ANSWERING",
    "DOCUMENTS",
    "INSIDE",
    "LIST",
    "MANY",
    "NESTED",
    "ODD",
    "PACKED",
    "PACKED_LIST",
    "POOLS",
    "QUOTED",
    "RULES",
    "SCHEMA",
    "SEVERAL",
    "TRADE",
    "eager",
    "feeds",
    "gathered",
    "many",
    "numbered",
    "packed",
    "same_by_templates",
    "taken",
]

TRADE = b'{"s":"BTC","p":"1.50","n":7,"q":0.25,"m":true,"note":null}'
NESTED = (
    b'{"ch": "trade", "seq": 41, "d": [{"s": "BTC", "n": 7, "q": 1.5, "odd": "x"},'
    b' {"s": "ETH", "n": 8, "q": 2, "odd": "y"}], "o": {"a": {"b": "deep"}}}'
)
MANY = b'{"ch": "trade", "seq": 41, "d": [#], "o": {"a": {"b": "deep"}}}'
"""Any number of items stands in the place of the mark."""

LIST = b'{"ch":"candle","d":[["1","2.5",3,true],["4","5.5",6,false]]}'
DOCUMENTS = b'[{"s":"A","n":1},{"s":"B","n":2}]'
ODD = TRADE[:-1] + b',"venue":"XNAS","deep":{"a":[1,"b",2.5,null,{"c":true}]}}'
SEVERAL = b'{"ch":"a","d":[{"n":7}]}\x1e{"ch":"b","d":[{"n":8,"s":"x"}]}\x1e'
PACKED = b'{"ch":"trade","seq":41,"p":@,"n":7,"note":"x"}'
"""Strings with JSON in them stand in the place of each mark."""

PACKED_LIST = b'{"ch": "a", "p": [@, @]}'
INSIDE = b' {"s": "BTC", "n":7,"q":0.25,"m":true, "d":[1,"b"],"odd":null}'
QUOTED = b'{"s":"1","p":"{","n":7,"q":0.25,"m":false,"id":123456789012345678901234}'

SCHEMA = {
    "properties": {
        "s": {"type": "string"},
        "S": {"type": "string"},
        "p": {"type": "string"},
        "n": {"type": "integer"},
        "q": {"type": "number"},
        "m": {"type": "boolean"},
        "note": {"type": "string"},
        "d": {"type": "array"},
        "id": {"type": ["string", "number", "object", "array", "boolean"]},
    },
}
RULES: list[dict[str, Any]] = [
    {"capture": {"last": "$.seq", "size": "$.q"}},
    {"match": "pong", "then": "ignore"},
    {"match": {"ch": "trade", "o": {"a": {"b": {"$exists": True}}}}},
    {"match": {"ch": {"$regex": "^err"}}, "then": "fail"},
    {"match": {"n": 8}, "then": "ignore"},
    {"match": {"s": {"$not": "BTC"}, "q": {"$exists": True}}, "then": "ignore"},
    {
        "match": {"ch": {"$any": ["x", "y"]}},
        "then": "emit",
        "reply": {"ack": "{$.seq}"},
    },
]

ANSWERING: list[dict[str, Any]] = [
    {"capture": {"last": "$.seq"}},
    {"match": {"s": {"$exists": True}}, "reply": {"s": "{$.s}", "to": "a {$.p}"}},
    {"match": {"ch": "b"}, "then": "emit", "reply": "{$.ch}: {last}"},
    {"match": {"ch": {"$exists": True}}, "then": "emit", "reply": "got %s\n{$.ch}"},
]

_TOKEN = re.compile(
    rb'"(?:[^"\\]|\\.)*"(?!\s*:)|-?[0-9]+(?:\.[0-9]+)?|true|false|null',
)
POOLS: dict[str, list[bytes]] = {
    "string": [
        b'"BTC"',
        b'"ETH"',
        b'""',
        b'"a%b"',
        b'"\xc3\xa9"',
        b'"12"',
        b'" {"',
        b'"null"',
        b'"nullable"',
        b'"\\n"',
        b'"\\u0041"',
        b'"\\u0000"',
        b'"\\ud800"',
        b'"\\ud83d\\ude00"',
        b'"trade"',
        b'"s"',
        b'"\x7f"',
        b'"a\nb"',
        b'"\xff"',
        b'"\\x"',
    ],
    "number": [
        b"0",
        b"-0",
        b"7",
        b"8",
        b"-12",
        b"01",
        b"1.50",
        b"-0.0",
        b"0.10",
        b"1.",
        b"1e3",
        b"1E400",
        b"9223372036854775807",
        b"9223372036854775808",
        b"123456789012345678",
        b"1" * 40,
        b"1" * 41,
        b"0." + b"1" * 41,
    ],
    "other": [b"true", b"false", b"null", b"{}", b"[]", b'{"a":1}', b"[1]"],
}


def _pool(token: bytes) -> str:
    if token[:1] == b'"':
        return "string"
    return "other" if token[:1] in b"tfn" else "number"


def varied(rng: random.Random, message: bytes) -> bytes:
    """Return a message with other values, most of them of the same kinds."""

    def value(found: re.Match[bytes]) -> bytes:
        choice = rng.random()
        if choice < 0.5:
            return found[0]
        pool = _pool(found[0]) if choice < 0.95 else rng.choice([*POOLS])
        if pool == "other":
            return rng.choice(POOLS[pool][: 2 if choice < 0.9 else None])
        # The first of each are harmless.
        return rng.choice(POOLS[pool][: 5 if choice < 0.85 else None])

    return _TOKEN.sub(value, message)


def packed(inside: bytes) -> bytes:
    """Return a string with a text in it."""
    return b'"%b"' % inside.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def filled(rng: random.Random, message: bytes) -> bytes:
    """Return a message with strings that hold JSON, or hardly any, for its marks."""
    while b"@" in message:
        inside = varied(rng, INSIDE)
        if rng.random() < 0.15:
            inside = mutated(rng, inside)
        message = message.replace(b"@", packed(inside.replace(b"@", b"")), 1)
    return message


_ITEM = b'{"s": "BTC", "n": 7, "q": 1.5, "odd": "x", "t": [1, {"u": null}]}'


def many(message: bytes, count: int, first: int = 7) -> bytes:
    """Return a message with so many items in it, numbered from one on."""
    items = [numbered(_ITEM, first + at) for at in range(count)]
    return message.replace(b"#", b", ".join(items))


def numbered(message: bytes, number: int) -> bytes:
    """Return a message with another number in it."""
    return re.sub(rb'("n": ?)(?:7|%d)', rb"\g<1>%d" % number, message)


def gathered(documents: Sequence[bytes], separator: str | None) -> list[bytes]:
    """Return messages of one to seven documents each.

    Args:
        documents: The documents.
        separator: Stands between them, and behind every other message; None: they are
            the items of an array, where they are several.
    """
    sizes = itertools.cycle((1, 3, 2, 7, 1))
    left = iter(documents)
    messages: list[bytes] = []
    while part := list(itertools.islice(left, next(sizes))):
        if separator is not None:
            end = separator.encode() if len(messages) % 2 else b""
            messages.append(separator.encode().join(part) + end)
        else:
            messages.append(b"[%b]" % b", ".join(part) if len(part) > 1 else part[0])
    return messages


def mutated(rng: random.Random, message: bytes) -> bytes:
    """Return a message that differs in a byte."""
    at = rng.randrange(len(message) + 1)
    byte = rng.choice(
        [b" ", b"\n", b"\t", b'"', b"\\", b",", b"}", b"]", b"0", b"\xff"]
    )
    match rng.randrange(3):
        case 0:
            return message[:at] + byte + message[at:]
        case 1:
            return message[:at] + message[at + 1 :]
        case _:
            return message[:at] + byte + message[at + 1 :]


SHAPES = (TRADE, NESTED, LIST, DOCUMENTS, ODD, QUOTED, SEVERAL, MANY)


@st.composite
def feeds(
    draw: Any, *, hidden: int = 0, shapes: Sequence[bytes] = SHAPES
) -> list[list[bytes]]:
    """Draw batches of messages of few shapes.

    Args:
        hidden: How many times as often messages with JSON in strings are among them.
        shapes: What the others look like.
    """
    # The other kind would ask hypothesis for each number, which takes longer than the
    # test.
    rng = draw(st.randoms(use_true_random=True))
    shapes = draw(
        st.lists(
            st.sampled_from([*shapes, *([PACKED, PACKED_LIST] * hidden)]),
            min_size=1,
            max_size=2,
        ),
    )
    sizes = draw(st.lists(st.integers(1, 8), min_size=1, max_size=5))
    # The sample, and what is learnt from.
    batches = [
        [numbered(many(rng.choice(shapes), 3).replace(b"@", packed(INSIDE)), 100 + at)]
        for at in range(4)
    ]
    for size in sizes:
        batch = [
            filled(rng, varied(rng, many(rng.choice(shapes), rng.randrange(7))))
            for _ in range(size)
        ]
        batches.append(
            [
                mutated(rng, message) if rng.random() < 0.15 else message
                for message in batch
            ]
        )
    return batches


@contextlib.contextmanager
def eager() -> Iterator[None]:
    """Let each shape have a template, be it worth it or not."""
    with (
        mock.patch.object(cache, "_PRICE", 1),
        mock.patch.object(cache, "_MIN_RUN", 0),
        mock.patch.object(cache, "_MIN_TAKEN", 10**9),
        mock.patch.object(maker, "_MANY", 2),
    ):
        yield


def same_by_templates(
    forms: Sequence[dict[str, Any]], batches: list[list[bytes]]
) -> None:
    """Check that templates make of messages what reading each whole does."""
    for form in forms:
        with eager():
            templates = through("templates", form, batches, binary=True)
        whole = through("whole", form, batches, binary=True)
        assert templates.outcome == whole.outcome, form
        assert not any(b"\n" in line or b"\x00" in line for line in templates.lines)


def taken(
    form: dict[str, Any], messages: list[bytes], *, size: int = 100
) -> WatchedHandler:
    """Take messages by templates, and compare with what the other ways make of them."""
    batches = [messages[at : at + size] for at in range(0, len(messages), size)]
    templates = through("templates", form, batches)
    assert templates.outcome == through("whole", form, batches).outcome
    return templates
