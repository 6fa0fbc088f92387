"""Records that templates make are those that the slow way finds in their messages."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_websocket import jsontext
from tap_websocket.records import template_gear
from tap_websocket.records.template_gear import TemplateGear
from tests.support.examples import examples
from tests.support.gears import Gears, through

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

TRADE = b'{"s":"BTC","p":"1.50","n":7,"q":0.25,"m":true,"note":null}'
NESTED = (
    b'{"ch": "trade", "seq": 41, "d": [{"s": "BTC", "n": 7, "q": 1.5, "odd": "x"},'
    b' {"s": "ETH", "n": 8, "q": 2, "odd": "y"}], "o": {"a": {"b": "deep"}}}'
)
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

FORGETTING: list[dict[str, Any]] = [
    {"match": {"s": "ETH"}, "capture": {"last": None}},
    {"capture": {"last": "$.seq"}},
]

ANSWERING: list[dict[str, Any]] = [
    {"capture": {"last": "$.seq"}},
    {"match": {"s": {"$exists": True}}, "reply": {"s": "{$.s}", "to": "a {$.p}"}},
    {"match": {"ch": "b"}, "then": "emit", "reply": "{$.ch}: {last}"},
    {"match": {"ch": {"$exists": True}}, "then": "emit", "reply": "got %s\n{$.ch}"},
]

FORMS: list[dict[str, Any]] = [
    {},
    {"schema": SCHEMA, "schema_evolution": "rescue"},
    {"schema": SCHEMA, "schema_evolution": "ignore", "primary_keys": ["n"]},
    {"schema": SCHEMA, "schema_evolution": "fail"},
    {"schema": SCHEMA, "column_names": "portable"},
    {"schema": SCHEMA, "schema_evolution": "add_columns", "record_metadata": True},
    {"records_path": "$.d[*]"},
    {"records_path": "$.d[*]", "message_fields": {"ch": "$.ch", "b": "$.o.a.b"}},
    {
        "records_path": "$.d[0]",
        "contexts": [{"region": "eu%"}],
        "record_metadata": True,
    },
    {"records_path": "$.d[*]", "array_columns": ["i", "j", "k", "l"]},
    {"message_fields": {"copied": "$.n", "again": "$.n"}},
    {"message_rules": RULES},
    {"message_rules": RULES, "records_path": "$.d[*]"},
    {"message_rules": [*RULES, {"then": "ignore"}], "records_path": "$.d[*]"},
    {"deduplicate": {"by": ["$.s", "$.n"]}, "record_metadata": True},
    {
        "deduplicate": {"by": ["$.n"]},
        "records_path": "$.d[*]",
        "message_fields": {"ch": "$.ch"},
        "schema_evolution": "rescue",
    },
    {"infer_nested": True},
    {"record_separator": "\x1e", "records_path": "$.d[*]", "message_rules": RULES},
    {
        "records_path": "$.d[0] | $.o.a",
        "message_fields": {"ch": "$.ch"},
        "message_rules": FORGETTING,
    },
    {"records_path": "$.o", "message_fields": {"inner": "$.o.a.b", "ch": "$.ch"}},
    {"message_rules": ANSWERING, "schema": SCHEMA, "schema_evolution": "rescue"},
    {"message_rules": ANSWERING, "records_path": "$.d[*]"},
    {"message_rules": ANSWERING, "deduplicate": {"by": ["$.s"]}},
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


def numbered(message: bytes, number: int) -> bytes:
    """Return a message with another number in it."""
    return re.sub(rb'("n": ?)(?:7|%d)', rb"\g<1>%d" % number, message)


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


@st.composite
def feeds(draw: Any, *, hidden: int = 0) -> list[list[bytes]]:
    """Draw batches of messages of few shapes.

    Args:
        hidden: How many times as often messages with JSON in strings are among them.
    """
    rng = draw(st.randoms(use_true_random=False))
    shapes = draw(
        st.lists(
            st.sampled_from(
                [
                    TRADE,
                    NESTED,
                    LIST,
                    DOCUMENTS,
                    ODD,
                    QUOTED,
                    SEVERAL,
                    *([PACKED, PACKED_LIST] * hidden),
                ]
            ),
            min_size=1,
            max_size=2,
        ),
    )
    sizes = draw(st.lists(st.integers(1, 8), min_size=1, max_size=5))
    # The sample, and what is learnt from.
    batches = [
        [numbered(rng.choice(shapes).replace(b"@", packed(INSIDE)), 100 + at)]
        for at in range(4)
    ]
    for size in sizes:
        batch = [filled(rng, varied(rng, rng.choice(shapes))) for _ in range(size)]
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
        mock.patch.object(template_gear, "_PRICE", 1),
        mock.patch.object(template_gear, "_LEAST_IN_ROW", 0),
        mock.patch.object(template_gear, "_LEAST_TAKEN", 10**9),
    ):
        yield


@pytest.mark.parametrize("form", FORMS, ids=str)
@settings(max_examples=examples(100), deadline=None)
@given(batches=feeds())
def test_templates_give_what_reading_whole_gives(
    form: dict[str, Any], batches: list[list[bytes]]
) -> None:
    with eager():
        templates = through("templates", form, batches, binary=True)
    whole = through("whole", form, batches, binary=True)
    assert templates.outcome == whole.outcome
    assert all(b"\n" not in line and b"\x00" not in line for line in templates.lines)


OPENING: list[dict[str, Any]] = [
    {"json_fields": ["$.p"]},
    {"json_fields": ["$.p"], "records_path": "$.p", "message_fields": {"ch": "$.ch"}},
    {"json_fields": ["$.p", "$.p[*]"], "records_path": "$.p", "message_rules": RULES},
    {"json_fields": ["$.p[*]"], "records_path": "$.p[*]", "record_metadata": True},
    {"json_fields": ["$.note", "$.p"], "message_rules": RULES},
    {
        "json_fields": ["$.p"],
        "records_path": "$.p",
        "schema": SCHEMA,
        "schema_evolution": "rescue",
        "deduplicate": {"by": ["$.s", "$.n"]},
    },
    {
        "json_fields": ["$.p"],
        "records_path": "$.p",
        "schema": SCHEMA,
        "message_rules": [{"match": {"p": {"s": "ETH"}}, "then": "ignore"}],
    },
    {"json_fields": ["$.p", "$.d[*].s"], "record_separator": "\x1e"},
]


@pytest.mark.parametrize("form", OPENING, ids=str)
@settings(max_examples=examples(100), deadline=None)
@given(batches=feeds(hidden=4))
def test_json_in_strings_is_taken_like_any_other(
    form: dict[str, Any], batches: list[list[bytes]]
) -> None:
    with eager():
        templates = through("templates", form, batches, binary=True)
    whole = through("whole", form, batches, binary=True)
    assert templates.outcome == whole.outcome


@pytest.mark.parametrize("form", OPENING, ids=str)
def test_messages_with_json_in_strings_have_templates(form: dict[str, Any]) -> None:
    message = PACKED_LIST if form["json_fields"][0] == "$.p[*]" else PACKED
    messages = [
        message.replace(b"@", packed(numbered(INSIDE, 1000 + number)))
        for number in range(400)
    ]
    assert taken(form, messages).templated >= 250


PATTERN = "^(?P<kind>[a-z]+)(?:/(?P<id>[^ ]*))? (?P<json>(?s:.+?))(?: PING)?$"
TEXT_RULES: list[dict[str, Any]] = [
    {"match": "pong", "then": "ignore"},
    {"match": {"$regex": "PING$"}, "then": "emit", "reply": "PONG {$id}"},
    {"match": {"$regex": "^b/"}, "reply": {"got": "{$id}", "s": "{$.s}", "k": 1}},
    {"match": {"$regex": "^c"}, "then": "ignore"},
    {"match": {"$regex": "^d"}, "capture": {"last": "id"}},
    {"match": {"$regex": "^e"}, "then": "emit", "reply": "{$kind|upper} {$counter}"},
    {"match": {"$regex": "^f"}, "then": "emit", "reply": {"n": "{$.n}"}},
]
SEARCHING: list[dict[str, Any]] = [
    {"message_rules": TEXT_RULES},
    {"message_rules": TEXT_RULES, "record_separator": "##", "records_path": "$.d[*]"},
    {"message_fields": {"topic": "kind", "key": "id"}, "record_metadata": True},
    {"message_fields": {"topic": "kind", "id": "$.n"}, "records_path": "$.d[0]"},
    {"message_rules": RULES, "records_path": "$.d[*]"},
    {
        "message_rules": TEXT_RULES,
        "schema": SCHEMA,
        "schema_evolution": "rescue",
    },
    {
        "json_fields": ["$.p", "$.p[*]"],
        "message_rules": TEXT_RULES,
        "deduplicate": {"by": ["$.kind", "$.n"]},
    },
    {
        "message_pattern": "^a(?P<json>(?s:.+))$",
        "record_separator": "\n",
        "json_fields": ["$.p"],
        "records_path": "$.p",
    },
    {"message_pattern": "(?P<json>[{[].*)|(?P<other>z)"},
]
SELDOM: list[dict[str, Any]] = [
    # A field of the document has the name of a group's column.
    {"message_fields": {"topic": "kind", "s": "id"}},
    # Rules for documents are not asked where one for texts has acted.
    {"message_rules": [*ANSWERING, *TEXT_RULES]},
    {"message_rules": TEXT_RULES, "deduplicate": {"by": ["$.id", "$.n"]}},
]
HEADS = [
    *(b"a ", b"a/1 ", b"b/x%s ", b"a ", b"a/1 ", b"b/x ", b"e/2 ", b"f ", b"a/ "),
    *(
        b'a/" ',
        b"a/\\n ",
        b"a/\x1e ",
        b'a/"\x1e"',
        b"a/\x00 ",
        b"a/\xc3\xa9 ",
        b"a/\n ",
    ),
    *(
        b"c ",
        b"d/5 ",
        b"A ",
        b"",
        b"a/\xff ",
        b'a/x"\x1e{"n":1}\x1e"y ',
        b"a/@value0001@ ",
    ),
]
ENDS = [b"", b"", b"", b"", b" PING", b"\n", b"##", b"##a/7 {}", b"\x1e1", b" "]


@st.composite
def texts(draw: Any) -> list[list[bytes]]:
    """Draw batches of messages that a pattern has to find JSON in."""
    rng = draw(st.randoms(use_true_random=False))
    few = rng.choice([2, 4, len(HEADS)])
    return [
        [
            rng.choice(HEADS[:few])
            + message
            + (rng.choice(ENDS) if rng.random() < 0.2 else b"")
            for message in batch
        ]
        for batch in draw(feeds(hidden=1))
    ]


@pytest.mark.parametrize("form", SEARCHING + SELDOM, ids=str)
@settings(max_examples=examples(100), deadline=None)
@given(batches=texts())
def test_texts_that_a_pattern_is_searched_in_are_taken_like_any_other(
    form: dict[str, Any], batches: list[list[bytes]]
) -> None:
    form = {"message_pattern": PATTERN, **form}
    with eager():
        templates = through("templates", form, batches, binary=True)
    whole = through("whole", form, batches, binary=True)
    assert templates.outcome == whole.outcome


@pytest.mark.parametrize("form", SEARCHING, ids=str)
@pytest.mark.parametrize("head", [b"a ", b"a/1 ", b"b/x "])
def test_texts_that_a_pattern_is_searched_in_have_templates(
    form: dict[str, Any], head: bytes
) -> None:
    form = {"message_pattern": PATTERN, **form}
    if "json_fields" in form:
        message = PACKED.replace(b"@", packed(INSIDE))
    else:
        message = NESTED if "records_path" in form else TRADE
    has_id = form["message_pattern"] == PATTERN and b"/" in head
    if form["message_pattern"].startswith("^a"):
        head = b"a"
    messages = [head + numbered(message, 1000 + number) for number in range(400)]
    found = taken(form, messages)
    assert found.templated >= 250
    assert all(has_id == (b'"id":"' in line) or b"n" in line for line in found.lines)


def test_a_string_that_holds_json_now_is_parsed_in_place() -> None:
    form = {"json_fields": ["$.note"], "infer_nested": False}
    plain = [b'{"n":%d,"note":"x","ch":"y"}' % number for number in range(300)]
    later = [b'{"n":1,"note":"[1, 2]","ch":"y"}', b'{"n":1,"note":"[1, 2","ch":"y"}']
    found = taken({**form, "message_fields": {"again": "$.n"}}, plain + later)
    assert found.templated >= 250


def test_another_kind_inside_of_a_string_takes_another_way() -> None:
    form = {"json_fields": ["$.p"], "records_path": "$.p", "schema": SCHEMA}
    kinds = [b'"x"', b"7", b"1.5", b"true", b"null"]
    for first in kinds:
        inside = b'{"id":%b,"n":1}'
        values = [first] * 100 + kinds
        messages = [b'{"p":%b}' % packed(inside % value) for value in values]
        assert taken(form, messages, size=50).templated >= 50


def test_a_group_brings_no_document() -> None:
    form = {"message_pattern": PATTERN, "record_separator": "##"}
    two = b'a/x {"n":%d}##a/y {"n":2}'
    one = b'a/x"\x1e{"n":1}\x1e"a"\x1e"y {"n":%d}'
    messages = [two % number for number in range(300)] + [one % 7]
    found = taken(form, messages)
    assert found.templated >= 400
    assert len(found.lines) == 601


@pytest.mark.parametrize("reply", ["{$counter}", "{last}", "{$.s|upper}", "{$.n}"])
def test_a_reply_that_says_more_takes_another_way(reply: str) -> None:
    rules = [
        {"capture": {"last": "$.seq"}},
        {"match": {"s": {"$exists": True}}, "then": "emit", "reply": reply},
    ]
    form = {"message_rules": rules, "records_path": "$.d"}
    message = b'{"seq":%d,"s":"x%d","n":%d,"d":{"n":1}}'
    messages = [message % (number, number, number) for number in range(300)]
    found = taken(form, messages)
    assert len(set(found.sent)) == 300


def test_what_is_replied_is_filled_in_by_templates_too() -> None:
    rules = [{"match": {"id": {"$exists": True}}, "reply": {"ack": "{$.id}"}}]
    form = {"message_rules": rules, "records_path": "$.d"}
    messages = [b'{"id":"m%d","d":{"n":1}}' % number for number in range(400)]
    found = taken(form, messages)
    assert found.templated >= 250
    assert found.sent == [f'{{"ack":"m{number}"}}' for number in range(400)]


def test_what_rules_for_texts_reply_is_filled_in_by_templates_too() -> None:
    form = {"message_pattern": PATTERN, "message_rules": TEXT_RULES}
    messages = [b'%b/%d {"n":1}' % (b"ab"[n % 2 : n % 2 + 1], n) for n in range(400)]
    found = taken(form, messages)
    assert found.templated >= 250
    assert found.sent == [
        f'{{"got":"{number}","s":null,"k":1}}' for number in range(1, 400, 2)
    ]


def taken(form: dict[str, Any], messages: list[bytes], *, size: int = 100) -> Gears:
    """Take messages by templates, and compare with what the other ways make of them."""
    batches = [messages[at : at + size] for at in range(0, len(messages), size)]
    templates = through("templates", form, batches)
    assert templates.outcome == through("whole", form, batches).outcome
    return templates


CASES: list[tuple[dict[str, Any], bytes]] = [
    ({"schema": SCHEMA, "schema_evolution": "rescue"}, ODD),
    ({"infer_messages": 2}, QUOTED),
    ({"schema": SCHEMA, "schema_evolution": "ignore"}, ODD),
    ({"schema": SCHEMA, "column_names": "portable"}, b'{"S":"x","s":"y","n":%d}'),
    (FORMS[6], NESTED),
    (FORMS[7], NESTED),
    (FORMS[8], NESTED),
    (FORMS[9], LIST),
    (FORMS[10], TRADE),
    (FORMS[12], NESTED),
    (FORMS[14], TRADE),
    (FORMS[15], NESTED),
    ({"records_path": "$.d[*]", "record_metadata": True}, NESTED),
    ({"records_path": "$.d[*]", "record_separator": "\x1e"}, SEVERAL),
    (
        {"records_path": "$.o", "message_rules": [{"capture": {"last": "$.seq"}}]},
        NESTED,
    ),
    (FORMS[18], NESTED),
    (FORMS[19], NESTED),
]


@pytest.mark.parametrize(("form", "message"), CASES, ids=str)
def test_messages_of_a_shape_are_taken_by_its_template(
    form: dict[str, Any], message: bytes
) -> None:
    messages = [numbered(message, 1000 + number) for number in range(400)]
    one = taken(form, messages)
    assert one.templated >= 250
    assert one.parsed <= 202


def test_shapes_in_turn_are_each_taken_by_their_template() -> None:
    one = b'{"ch":"a","d":[{"n":%d}]}'
    two = b'{"ch":"b","d":[{"n":%d},{"n":5}]}'
    messages = [(one, two)[number % 2] % number for number in range(1000)]
    assert taken({"records_path": "$.d[*]"}, messages).templated >= 1000


@pytest.mark.parametrize("deduplicate", [{}, {"by": ["$.n"]}], ids=str)
def test_records_of_shapes_in_turn_are_no_duplicates_of_each_other(
    deduplicate: dict[str, Any],
) -> None:
    one, two = b'{"ch":"a","d":{"n":%d}}', b'{"d":{"n":%d,"m":1}}'
    messages = [(one, two)[number % 2] % number for number in range(1000)]
    found = taken({"records_path": "$.d", "deduplicate": deduplicate}, messages)
    assert found.templated >= 500
    numbers = [jsontext.parse(line)["n"] for line in found.lines]
    assert numbers == list(range(1000))


def test_a_rule_sees_each_value_that_it_compares() -> None:
    rules = [{"match": {"ch": "x", "n": 7}, "then": "fail"}, {"capture": {"n": "$.n"}}]
    form = {"records_path": "$.d", "message_rules": rules}
    message = b'{"ch":"x","n":%d,"d":{"v":1}}'
    messages = [message % number for number in (1, 2, 3, 4, 5, 6, 7, 8)]
    one = taken(form, messages, size=2)
    assert "what a rule calls fatal" in one.error
    assert len(one.lines) == 6


def test_each_record_has_its_own_number() -> None:
    form = {"records_path": "$.d[*]", "record_metadata": True}
    messages = [b'{"d":[{"n":%d},{"n":0}]}' % number for number in range(300)]
    one = taken(form, messages)
    assert one.templated > 300
    numbers = [jsontext.parse(line)["_sequence"] for line in one.lines]
    assert numbers == list(range(1, 601))


def test_the_last_value_is_captured() -> None:
    rules = [{"capture": {"last": "$.seq"}}]
    form = {"records_path": "$.d", "message_rules": rules}
    messages = [b'{"seq":%d,"d":{"n":1}}' % number for number in range(300)]
    assert taken(form, messages).values == {"last": 299}


HARD: dict[str, tuple[bytes, dict[str, Any]]] = {
    # A string that reads like JSON is quoted in a column of text.
    "text": (b'{"id":%b,"n":1,"odd":0}', {"infer_messages": 2}),
    # It is written anew, without its escapes and the sign of a zero.
    "rescued": (b'{"n":1,"odd":%b}', {"schema": SCHEMA}),
    # A column of numbers holds no other kind.
    "number": (b'{"n":%b,"odd":0}', {"schema": SCHEMA}),
    "nested": (b'{"n":1,"d":[{"a":%b}],"odd":0}', {"schema": SCHEMA}),
    "name": (
        b'{"n":1,"s":%b,"odd":0}',
        {"schema": SCHEMA, "deduplicate": {"by": ["$.s"]}},
    ),
}


@pytest.mark.parametrize("case", HARD)
def test_a_value_that_needs_more_takes_another_way(case: str) -> None:
    message, form = HARD[case]
    others = [value for pool in POOLS.values() for value in pool]
    form = {**form, "on_parse_error": "rescue", "schema_evolution": "rescue"}
    sample = [b'{"id":"x","n":1}', b'{"id":1,"n":1}'] if case == "text" else []
    templated = 0
    for plain in (b'"a"', b"7", b"1.5", b"true", b"null"):
        messages = [message % plain] * 3 + [message % value for value in others]
        batches = [sample, *([one] for one in messages)]
        templates = through("templates", form, batches, binary=True)
        assert templates.outcome == through("whole", form, batches, binary=True).outcome
        templated += templates.templated
    assert templated >= 15


def test_a_message_that_goes_on_takes_another_way() -> None:
    form = {"records_path": "$.d", "on_parse_error": "skip"}
    good = b'{"d":{"n":1}}'
    for end in (b"}", b"x", b"\n" + good, b" \n " + good, b"\n"):
        batch = [good] * 300 + [good + end] + [good] * 3
        one = taken(form, [good] * 100 + batch)
        assert one.templated >= 300
        assert one.hand.counts.skipped == (end != b"\n")


def test_a_message_that_is_no_utf8_takes_another_way() -> None:
    form = {"records_path": "$.d", "message_fields": {"s": "$.s"}}
    plain = [b'{"s":"x","d":{"n":1}}'] * 300
    batches = [plain[:100], plain, [b'{"s":"\xff","d":{"n":1}}', *plain[:5]]]
    templates = through("templates", form, batches, binary=True)
    assert templates.outcome == through("whole", form, batches, binary=True).outcome
    assert templates.templated >= 300
    assert templates.hand.counts.skipped == 1


def test_templates_follow_columns_that_grow() -> None:
    form = {"records_path": "$.d", "schema": SCHEMA, "schema_evolution": "add_columns"}
    narrow, wide = b'{"d":{"n":%d}}', b'{"d":{"n":%d,"later":%s}}'
    messages = [narrow % number for number in range(200)]
    messages += [wide % (number, b"7") for number in range(200)]
    messages += [wide % (number, b'"7"') for number in range(200)]
    assert taken(form, messages).templated >= 200


def test_a_feed_of_many_shapes_is_left_alone() -> None:
    messages = [
        json.dumps({"d": {f"n{number}": 1, "n": 2}}).encode() for number in range(4000)
    ]
    form = {"records_path": "$.d", "schema_evolution": "ignore", "schema": SCHEMA}
    with mock.patch.object(TemplateGear, "_tried", autospec=True) as tried:
        tried.return_value = None
        assert taken(form, messages).templated == 0
    # The rests grow: of 4,000 messages few were tried.
    assert sum(len(call.args[1]) for call in tried.call_args_list) < 2000
