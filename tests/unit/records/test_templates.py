"""Records that templates make are those that the slow way finds in their messages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import given, settings

from tap_websocket import jsontext
from tap_websocket.records.templates.cache import TemplateCache
from tests.support.examples import examples, groups
from tests.support.shaped import (
    ANSWERING,
    LIST,
    MANY,
    NESTED,
    ODD,
    POOLS,
    QUOTED,
    RULES,
    SCHEMA,
    SEVERAL,
    TRADE,
    feeds,
    gathered,
    many,
    numbered,
    same_by_templates,
    taken,
)
from tests.support.ways import through

if TYPE_CHECKING:
    from collections.abc import Sequence

FORGETTING: list[dict[str, Any]] = [
    {"match": {"s": "ETH"}, "capture": {"last": None}},
    {"capture": {"last": "$.seq"}},
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


@pytest.mark.parametrize("forms", groups(FORMS))
@settings(max_examples=examples(100), deadline=None)
@given(batches=feeds())
def test_templates_give_what_reading_whole_gives(
    forms: Sequence[dict[str, Any]], batches: list[list[bytes]]
) -> None:
    same_by_templates(forms, batches)


TOGETHER: list[dict[str, Any]] = [
    {"record_separator": "\n"},
    {"record_separator": "##", "message_rules": ANSWERING, "records_path": "$.d[*]"},
    {"record_separator": "\n", "deduplicate": {"by": ["$.n"]}},
    {"record_separator": "", "message_rules": RULES},
    {
        "record_separator": "\r\n",
        "message_rules": [*RULES, {"then": "ignore"}],
        "schema": SCHEMA,
        "schema_evolution": "rescue",
    },
    {"message_rules": [*RULES, *ANSWERING], "record_metadata": True},
    {"records_path": "$.o", "message_fields": {"ch": "$.ch", "in": "$.o.a.b"}},
    {
        "deduplicate": {"by": ["$.n"]},
        "schema": SCHEMA,
        "schema_evolution": "rescue",
        "message_rules": RULES[:3],
    },
    {"schema": SCHEMA, "schema_evolution": "add_columns", "column_names": "portable"},
]


ARRAYS: list[dict[str, Any]] = [
    {"records_path": "$.d[*]"},
    {"records_path": "$.d", "message_fields": {"ch": "$.ch", "b": "$.o.a.b"}},
    {"records_path": "$.d[*]", "record_metadata": True, "message_rules": RULES[:3]},
    {
        "records_path": "$.d[*]",
        "message_fields": {"seq": "$.seq"},
        "schema": SCHEMA,
        "schema_evolution": "rescue",
        "column_names": "portable",
    },
    {
        "records_path": "$.d[*]",
        "message_fields": {"ch": "$.ch"},
        "deduplicate": {"by": ["$.n", "$.ch"]},
        "schema": SCHEMA,
        "schema_evolution": "rescue",
    },
]


@pytest.mark.parametrize("forms", groups(ARRAYS))
@settings(max_examples=examples(100), deadline=None)
@given(batches=feeds(shapes=[MANY, MANY, NESTED, TRADE]))
def test_arrays_of_any_length_are_taken_like_single_records(
    forms: Sequence[dict[str, Any]], batches: list[list[bytes]]
) -> None:
    same_by_templates(forms, batches)


@pytest.mark.parametrize("form", ARRAYS, ids=str)
def test_arrays_of_any_length_have_one_template(form: dict[str, Any]) -> None:
    lengths = [5, *range(1, 13)] * 20
    messages = [
        many(MANY, length, 100 * number + 10) for number, length in enumerate(lengths)
    ]
    learn = TemplateCache.learn
    with mock.patch.object(
        TemplateCache, "learn", autospec=True, side_effect=learn
    ) as learnt:
        found = taken(form, messages, size=20)
    assert found.templated >= 0.8 * sum(lengths)
    assert learnt.call_count <= 4


SIXTH = [{}, {}, {}, {}, {}, {"n": {"$exists": True}}]
COUNTING: dict[str, Any] = {
    "item": {"d": SIXTH},
    "all": {"$all": [{"ch": "trade"}, {"d": [{}, {}, {}, {}, {}, {}]}]},
    "any": {"d": {"$any": ["x", SIXTH]}},
    "not": {"d": {"$not": {"$any": [SIXTH]}}},
    "value": {"d": [{}, {}, {}, {}, {}, {"s": "BTC"}]},
}


@pytest.mark.parametrize("case", COUNTING)
def test_a_rule_sees_how_many_items_there_are(case: str) -> None:
    rules = [{"match": COUNTING[case], "then": "ignore"}]
    form = {"records_path": "$.d[*]", "message_rules": rules}
    messages = [many(MANY, length) for length in ([5] * 30 + [7, 6, 4, 5]) * 10]
    found = taken(form, messages, size=11)
    assert 0 < found.hand.counts.ignored < len(messages)


def test_a_reply_sees_each_item() -> None:
    reply = {"last": "{$.d[5].n}"}
    rules = [{"match": {"d": {"$exists": True}}, "then": "emit", "reply": reply}]
    form = {"records_path": "$.d[*]", "message_rules": rules}
    messages = [many(MANY, length) for length in ([5] * 30 + [6, 7, 5]) * 10]
    found = taken(form, messages, size=11)
    assert set(found.sent) == {'{"last":12}', '{"last":null}'}


@pytest.mark.parametrize("forms", groups(TOGETHER))
@settings(max_examples=examples(100), deadline=None)
@given(batches=feeds())
def test_documents_that_come_together_are_taken_like_single_ones(
    forms: Sequence[dict[str, Any]], batches: list[list[bytes]]
) -> None:
    for form in forms:
        separator = form.get("record_separator")
        together = [gathered(batch, separator) for batch in batches]
        same_by_templates([form], together)


@pytest.mark.parametrize("form", TOGETHER, ids=str)
def test_documents_that_come_together_are_taken_by_templates(
    form: dict[str, Any],
) -> None:
    one = TRADE if "deduplicate" in form else NESTED
    shapes = [one, one.replace(b"{", b'{"more": 1, ', 1)]
    documents = [
        numbered(shapes[number * number % 3 % 2], 1000 + number)
        for number in range(900)
    ]
    messages = gathered(documents, form.get("record_separator"))
    found = taken(form, messages, size=40)
    assert found.templated >= 500


def test_a_message_with_one_document_of_another_shape_takes_another_way() -> None:
    form = {"record_separator": "\n", "records_path": "$.d", "on_parse_error": "skip"}
    known = [b'{"d":{"n":%d}}' % number for number in range(400)]
    messages = [b"\n".join(known[at : at + 4]) for at in range(0, 400, 4)]
    odd = b"\n".join([known[0], b'{"d":{"n":1,"later":2}}', b"no JSON", known[1]])
    found = taken(form, [*messages, odd, *messages[:3], b"\n", b""], size=20)
    assert found.hand.counts.skipped == 1
    assert found.templated >= 250


def test_an_array_without_documents_takes_another_way() -> None:
    known = [b'[{"n":%d}, {"n":2}]' % number for number in range(400)]
    odd = [b"[]", b"[ ]", b"[1]", b'[{"n":1}, {"n":2}', b'[{"n":1}, 2]']
    found = taken({"on_parse_error": "skip"}, [*known, *odd, *known], size=50)
    assert found.hand.counts.ignored == 2
    assert found.hand.counts.skipped == 1
    assert found.templated >= 1000


def test_separators_that_overlap_are_taken_from_the_left() -> None:
    form = {"record_separator": "  ", "records_path": "$.d", "on_parse_error": "skip"}
    plain = [b'{"d":{"n":%d}} ' % number for number in range(400)]
    odd = [b'{"d":{"n":1}}%b' % (b" " * count) for count in range(4)]
    found = taken(form, [*plain, *odd, *plain], size=45)
    assert found.hand.counts.skipped == 1
    assert found.templated >= 600


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
    with mock.patch.object(TemplateCache, "_try", autospec=True) as tried:
        assert taken(form, messages).templated == 0
    # The rests grow: of 4,000 messages few were tried.
    assert sum(len(call.args[2]) for call in tried.call_args_list) < 2000


def test_a_large_batch_of_many_shapes_is_left_alone_as_well() -> None:
    """A rule compares the symbol, so each of them is a shape of its own."""
    form = {
        "message_fields": {"symbol": "$.s"},
        "message_rules": [{"match": {"s": "S5"}, "capture": {"last": "$.p"}}],
    }
    messages = [
        b'{"s":"S%d","p":%d}' % (number % 2000, number) for number in range(4000)
    ]
    with mock.patch.object(
        TemplateCache, "learn", autospec=True, side_effect=TemplateCache.learn
    ) as learnt:
        through("templates", form, [messages[:100], messages])
    # Each takes as long as sixty messages.
    assert 0 < learnt.call_count < 40
