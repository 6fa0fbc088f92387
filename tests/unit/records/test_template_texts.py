"""Templates of messages that are more than JSON: with JSON in strings, or in texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples, groups
from tests.support.shaped import (
    ANSWERING,
    INSIDE,
    NESTED,
    PACKED,
    PACKED_LIST,
    RULES,
    SCHEMA,
    TRADE,
    feeds,
    gathered,
    numbered,
    packed,
    same_by_templates,
    taken,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

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


@pytest.mark.parametrize("forms", groups(OPENING))
@settings(max_examples=examples(100), deadline=None)
@given(batches=feeds(hidden=4))
def test_json_in_strings_is_taken_like_any_other(
    forms: Sequence[dict[str, Any]], batches: list[list[bytes]]
) -> None:
    same_by_templates(forms, batches)


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
    rng = draw(st.randoms(use_true_random=True))
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


@pytest.mark.parametrize("forms", groups(SEARCHING + SELDOM))
@settings(max_examples=examples(100), deadline=None)
@given(batches=texts())
def test_texts_that_a_pattern_is_searched_in_are_taken_like_any_other(
    forms: Sequence[dict[str, Any]], batches: list[list[bytes]]
) -> None:
    same_by_templates([{"message_pattern": PATTERN, **form} for form in forms], batches)


@pytest.mark.parametrize("forms", groups([*SEARCHING, *SELDOM]))
@settings(max_examples=examples(100), deadline=None)
@given(batches=texts())
def test_texts_that_come_together_are_taken_like_single_ones(
    forms: Sequence[dict[str, Any]], batches: list[list[bytes]]
) -> None:
    for given_form in forms:
        form = {"message_pattern": PATTERN, "record_separator": "##", **given_form}
        separator = form["record_separator"]
        same_by_templates([form], [gathered(batch, separator) for batch in batches])


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


def test_a_group_brings_no_value_of_another_group() -> None:
    messages = [b'a/"\x1e" {"n":%d}' % number for number in range(300)]
    assert taken({"message_pattern": PATTERN}, messages).templated == 0


def test_a_group_brings_no_document() -> None:
    form = {"message_pattern": PATTERN, "record_separator": "##"}
    two = b'a/x {"n":%d}##a/y {"n":2}'
    one = b'a/x"\x1e{"n":1}\x1e"a"\x1e"y {"n":%d}'
    messages = [two % number for number in range(300)] + [one % 7]
    found = taken(form, messages)
    assert found.templated >= 400
    assert len(found.lines) == 601


def test_what_rules_for_texts_reply_is_filled_in_by_templates_too() -> None:
    form = {"message_pattern": PATTERN, "message_rules": TEXT_RULES}
    messages = [b'%b/%d {"n":1}' % (b"ab"[n % 2 : n % 2 + 1], n) for n in range(400)]
    found = taken(form, messages)
    assert found.templated >= 250
    assert found.sent == [
        f'{{"got":"{number}","s":null,"k":1}}' for number in range(1, 400, 2)
    ]
