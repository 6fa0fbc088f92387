"""Records that are cut out of messages are those that the slow way finds in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_websocket import jsontext
from tests.support.examples import examples, groups
from tests.support.json_objects import objects
from tests.support.ways import WAYS, sliced_and_whole, through

RULES: list[dict[str, Any]] = [
    {"capture": {"cursor": "$.n"}},
    {"match": "pong", "then": "ignore"},
    {"match": {"$regex": "^42"}, "then": "ignore", "reply": "43"},
    {"match": {"op": "ask"}, "then": "ignore", "reply": {"at": "{$.n}"}},
    {"match": {"op": {"$exists": True}, "ch": "x"}, "then": "ignore"},
    {"match": {"op": "ack"}, "then": "emit", "reply": {"ack": "{$.n}"}},
    {"match": [1, {"$exists": True}, {"op": "stop"}], "then": "ignore"},
    {"match": {"d": {"$exists": True}}},
    {"then": "ignore"},
]

FORMS: list[dict[str, Any]] = [
    {"records_path": "$.d"},
    {"records_path": "$.d[*]"},
    {"records_path": "$.d[*]", "message_fields": {"ch": "$.ch", "deep": "$.o.a"}},
    {"records_path": "$.o.d[*]", "record_metadata": True},
    {"records_path": "$.d[0]", "contexts": [{"region": "eu"}]},
    {"records_path": "$[1]", "message_fields": {"event": "$[0]"}},
    {"message_fields": {"copied": "$.n", "other": "$.o.a"}},
    {"records_path": "$.o.d[*] | $.d[0] | $.ch", "message_fields": {"a": "$.o.a"}},
    {"records_path": "$.o", "message_fields": {"inner": "$.o.a", "ch": "$.ch"}},
    {"json_fields": ["$.p"], "records_path": "$.p", "message_fields": {"ch": "$.ch"}},
    {"json_fields": ["$.p"], "records_path": "$.p.d[*]"},
    {"array_columns": ["i", "j", "k"]},
    {"records_path": "$.d", "array_columns": ["i", "j"], "record_metadata": True},
    {"message_rules": RULES},
    {"message_rules": RULES, "records_path": "$.d[*]", "message_fields": {"n": "$.n"}},
    {"message_rules": [{"match": {"op": "ask"}, "then": "fail"}, {}]},
    {"record_separator": "\n", "records_path": "$.d"},
    {"message_pattern": "^42(?P<json>.*)$", "records_path": "$.d[*]"},
    {"envelope": True, "records_path": "$.d"},
    {"infer_messages": 0, "records_path": "$.d[*]"},
    {"schema_evolution": "rescue"},
    {"schema_evolution": "ignore", "records_path": "$.d[*]"},
    {"schema_evolution": "fail"},
    {"primary_keys": ["n"]},
    {
        "schema": {"properties": {"n": {"type": "integer"}, "N": {"type": "string"}}},
        "column_names": "portable",
    },
    {
        "schema": {"properties": {"d": {"type": "array"}, "ch": {"type": "string"}}},
        "schema_evolution": "add_columns",
    },
]

VALUES = st.sampled_from(
    ["1", "2.50", '"x"', '"1"', "null", "true", '"\\u0000"', "1e400", '"\\ud800"', "-0"]
)
MEMBERS = st.sampled_from(
    ["n", "N", "ch", "op", "a", "new", "\\u006e", "d", "i", "e\\n"]
).flatmap(
    lambda name: VALUES.map(lambda value: f'"{name}": {value}'),
)
SMALL = st.lists(MEMBERS, max_size=4).map(lambda members: f"{{{','.join(members)}}}")
INNER = st.one_of(SMALL, SMALL, objects(levels=1), VALUES)
LISTS = st.lists(INNER, max_size=3).map(lambda items: f"[{', '.join(items)}]")
OPS = st.sampled_from(['"ask"', '"ack"', '"x"', "1"])


def _packed(text: str) -> str:
    return json.dumps(text)


FIELDS = st.one_of(
    st.one_of(LISTS, INNER).map(lambda text: f'"d": {text}'),
    st.one_of(VALUES, SMALL).map(lambda text: f'"ch": {text}'),
    st.one_of(VALUES, SMALL).map(lambda text: f'"n":{text}'),
    st.one_of(LISTS, INNER).map(lambda text: f'"o": {{"a": 1, "d": {text}}}'),
    st.one_of(LISTS, SMALL).map(lambda text: f'"p": {_packed(text)}'),
    LISTS.map(lambda text: f'"p": {_packed(f"{{{chr(34)}d{chr(34)}: {text}}}")}'),
    OPS.map(lambda text: f'"op": {text}'),
    MEMBERS,
)
DOCUMENTS = st.lists(FIELDS, max_size=5).map(lambda members: f"{{{','.join(members)}}}")
MESSAGES = st.one_of(
    DOCUMENTS,
    DOCUMENTS,
    DOCUMENTS,
    st.lists(DOCUMENTS, max_size=3).map(lambda items: f" [{','.join(items)}]"),
    st.tuples(VALUES, DOCUMENTS).map(lambda pair: f"[{pair[0]},\n{pair[1]}]"),
    st.tuples(DOCUMENTS, DOCUMENTS).map("\n".join),
    DOCUMENTS.map(lambda text: f"42{text}"),
    st.sampled_from(["pong", "", "nonsense", "[]", "[1, 2]", '{"d": [}', "7"]),
).map(lambda text: text.encode(errors="surrogatepass"))
BROKEN = st.sampled_from([b'{"d": {"n": "\xff"}}', b'{"x": "\xff", "d": {"n": 1}}'])


@pytest.mark.parametrize("forms", groups(FORMS))
@settings(max_examples=examples(150), deadline=None)
@given(
    batches=st.lists(st.lists(MESSAGES | BROKEN, max_size=5), max_size=5),
    sample=st.lists(DOCUMENTS.map(str.encode), min_size=2, max_size=2),
)
def test_slices_give_what_reading_whole_gives(
    forms: list[dict[str, Any]],
    sample: list[bytes],
    batches: list[list[bytes]],
) -> None:
    for form in forms:
        # Text that is no UTF-8 never comes this way: binary messages may be anything.
        sliced, whole = sliced_and_whole(form, [sample, *batches], binary=True)
        assert sliced.outcome == whole.outcome, form
        assert not any(b"\n" in line or b"\r" in line for line in sliced.lines)


def _trade(number: int, *, more: str = "") -> bytes:
    lists = '"d": [{"i": 1.50}, {"i": 2}], "o": {"a": 1, "d": [{"i": 3}]}'
    return f'{{"n": {number}, "ch": "x", {lists}{more}}}'.encode()


TRADES = [_trade(number) for number in range(200)]


@pytest.mark.parametrize("form", FORMS[:9], ids=str)
def test_documents_are_not_parsed_to_find_records_in_them(form: dict[str, Any]) -> None:
    packed = [
        f'[{{"i": 0}}, {trade.decode()}]'.encode()
        if form.get("records_path") == "$[1]"
        else trade
        for trade in TRADES
    ]
    sliced, whole = sliced_and_whole(form, [packed[:10], packed[10:]])
    assert sliced.outcome == whole.outcome
    # The sample is read whole, and the batch that completes it.
    assert sliced.parsed <= 20
    assert sliced.passed >= 190
    assert whole.passed == 0


def test_rules_see_documents_without_parsing_them() -> None:
    form = {"message_rules": RULES, "records_path": "$.d[*]"}
    sliced, whole = sliced_and_whole(form, [TRADES[:10], TRADES[10:]])
    assert sliced.outcome == whole.outcome
    assert sliced.passed >= 380


@pytest.mark.parametrize("evolution", ["rescue", "ignore"])
def test_a_field_without_a_column_costs_no_parsing(evolution: str) -> None:
    columns = {"n": "integer", "ch": "string", "d": "array", "o": "object"}
    schema = {"properties": {name: {"type": kind} for name, kind in columns.items()}}
    odd = [_trade(number, more=', "odd": "y"') for number in range(200)]
    form = {"schema": schema, "schema_evolution": evolution}
    sliced, whole = sliced_and_whole(form, [odd])
    assert sliced.outcome == whole.outcome
    assert (sliced.edited, sliced.parsed) == (200, 0)
    rescued = sliced.hand.counts.rescued
    assert rescued == (200 if evolution == "rescue" else 0)


def test_renamed_columns_cost_no_parsing() -> None:
    columns = {"n": "integer", "N": "string"}
    schema = {"properties": {name: {"type": kind} for name, kind in columns.items()}}
    messages = [b'{"N": "x", "n": %d}' % number for number in range(200)]
    form = {"schema": schema, "column_names": "portable"}
    sliced, whole = sliced_and_whole(form, [messages])
    assert sliced.outcome == whole.outcome
    assert (sliced.edited, sliced.parsed) == (200, 0)
    assert jsontext.parse(sliced.lines[7]) == {"n": 7, "N_2": "x"}


@pytest.mark.parametrize("every", [1000, 50, 3, 1])
def test_odd_records_among_plain_ones_are_edited(every: int) -> None:
    messages = [
        _trade(number, more=', "odd": 1' if number % every == 0 else "")
        for number in range(1, 2001)
    ]
    form = {"schema_evolution": "rescue", "infer_messages": 2}
    plain = [b'{"n": 1, "ch": "x", "d": [{"i": 1}], "o": {"a": 1}}'] * 2
    batches = [plain, *(messages[i : i + 400] for i in range(0, 2000, 400))]
    sliced, whole = sliced_and_whole(form, batches)
    assert sliced.outcome == whole.outcome
    assert sliced.parsed <= 2
    assert sliced.edited >= 2000 // every
    # What goes past the fast path untried is a stretch behind each odd record.
    assert sliced.edited <= 2000 // every * 3 + 64


@pytest.mark.parametrize(
    "form", [{"deduplicate": {"by": ["$.n"]}}, {"redundancy": 2, "reconnect": True}]
)
def test_what_is_no_json_is_skipped_with_deduplicate_too(form: dict[str, Any]) -> None:
    sample, huge = [b'{"n": 1}'] * 2, b'{"n": 1e9999999999999999999}'
    batch = [b'{"n": 2"}', b'{"n": 3}', huge, b'{"n": 4']
    for fastest in WAYS:
        one = through(fastest, form, [sample, batch])
        assert one.hand.counts.skipped == 3
        assert one.error == ""
