"""Parts of a large message come to the same records as the whole."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tap_websocket import jsontext
from tap_websocket.errors import SchemaError
from tap_websocket.feed.inbound import Origin
from tap_websocket.largejson import parsing, scanner
from tap_websocket.records import parts
from tap_websocket.records.parts import MessageCutter
from tests.support.examples import examples, groups
from tests.support.intake import by_hand
from tests.support.json_objects import objects, texts_of_json
from tests.support.receive import make_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGE: dict[str, dict[str, Any]] = {
    "as it stands": {},
    "metadata": {"record_metadata": True},
    "envelope": {"envelope": True, "on_parse_error": "skip"},
    "whole": {"infer_messages": 0},
    "nested": {"infer_nested": True},
    "new fields are rescued": {"schema_evolution": "rescue"},
    "keys": {"primary_keys": ["a"], "on_parse_error": "skip"},
    "declared": {
        "schema": {
            "properties": {
                "a": {"type": "array", "items": {"type": "integer"}},
                "A": {
                    "type": "object",
                    "properties": {"a": {"type": "string"}},
                    "required": ["a"],
                },
                "b": {
                    "type": ["string", "null"],
                    "contentMediaType": "application/json",
                },
                "data": {"type": ["array", "null"]},
            }
        }
    },
    "a value inside": {
        "records_path": "$.a",
        "message_fields": {"m": "$.b", "a": "$.A"},
    },
    "items": {"records_path": "$[*]"},
    "items inside": {"records_path": "$.a[*]", "message_fields": {"m": "$.b"}},
    "members of items": {"records_path": "$.a[*].a"},
    "a filter": {"records_path": "$.a[?(@.a == 1)]"},
    "a filter of items": {"records_path": "$[?(@.a)]"},
    "a slice": {"records_path": "$.a[0:2]"},
    "descendants": {"records_path": "$..a"},
    "the last item": {"records_path": "$.a[-1]"},
    "the document": {"records_path": "$"},
    "rows": {"records_path": "$[*]", "array_columns": ["a", "b"]},
    "a row": {"records_path": "$.a", "array_columns": ["a", "b"]},
    "JSON in a string": {"json_fields": ["$.a"]},
    "items in a string": {"json_fields": ["$.a"], "records_path": "$.a[*]"},
    "JSON in each": {
        "json_fields": ["$.*", "$[*].a"],
        "message_fields": {"z": "$.a.b"},
    },
    "a rule": {"message_rules": [{"match": {"a": 1}, "then": "ignore"}]},
    "rules inside": {
        "message_rules": [
            {"match": {"a": {"a": 1}}, "then": "ignore"},
            {"match": {"a": [1]}, "reply": "{$.a}", "then": "emit"},
        ]
    },
    "captures": {
        "message_rules": [
            {"match": {"a": 1}, "capture": {"x": "$.a"}, "then": "emit"},
            {"match": {"b": 1}, "reply": "{x}", "then": "emit"},
        ],
        "placeholders": {"x": "0"},
    },
    "numbers": {"sequence": {"path": "$.a"}, "record_metadata": True},
    "numbers of records": {
        "sequence": {"path": "$.a", "by": ["$.b"]},
        "records_path": "$.a",
        "record_metadata": True,
    },
    "names": {"deduplicate": {"by": ["$.a"]}},
    "names of whole ones": {"deduplicate": {"by": ["$.a"]}, "infer_messages": 0},
    "lines": {"record_separator": "\n"},
    "documents": {"record_separator": ""},
}
"""What a large document of any shape may be to the settings."""

FORMS: dict[str, dict[str, Any]] = {
    "as it stands": {},
    "each a document": {"records_path": "$.a", "message_fields": {"m": "$.b"}},
    "metadata": {"record_metadata": True},
    "envelope": {"envelope": True},
    "whole": {"infer_messages": 0},
    "an array's items": {"records_path": "$[*]"},
    "a rule": {"message_rules": [{"match": {"a": 1}, "then": "ignore"}]},
    "captures": {
        "message_rules": [
            {"match": {"a": 1}, "capture": {"x": "$.a"}, "then": "emit"},
            {"match": {"b": 1}, "reply": "{x}", "then": "emit"},
        ],
        "placeholders": {"x": "0"},
    },
}
"""What an array of objects may be to the settings."""

INSIDE: dict[str, dict[str, Any]] = {
    "items": {"records_path": "$.d[*]", "message_fields": {"m": "$.m"}},
    "an array": {"records_path": "$.d"},
    "with a rule": {
        "records_path": "$.d",
        "message_rules": [{"match": {"m": 1}, "then": "ignore"}],
    },
    "fields inside": {"records_path": "$.d[*]", "message_fields": {"m": "$.d[0].a"}},
}
"""What an array inside of an object may be."""


def outcome(message: bytes, form: dict[str, Any], *, cut: bool) -> tuple[Any, ...]:
    """Return what becomes of a message, in parts and pieces of a few bytes or not."""
    # More large arrays in each other than that are refused.
    assume(b"[" * 102 not in message)
    hand = by_hand(make_settings(max_messages=10**9, **form))
    sent: list[str] = []
    origin = Origin(1, "ws://localhost/", {}, send=sent.append)
    size = 16 if cut else 10**9
    with (
        mock.patch.object(parts, "PART_BYTES", size),
        mock.patch.object(scanner, "PIECE_BYTES", size),
        mock.patch.object(parsing, "LARGE_BYTES", size // 2),
        mock.patch.object(scanner, "_MAX_NODES", 200),
    ):
        results = []
        for one in (b'{"a":1,"b":"x"}', message, b'{"c":3}', message + b" "):
            result = hand.handler.consume(origin, [one], False, None)
            if result.rest is not None:
                result.rest()
            results.append((result.messages, result.taken, result.deduplicated))
            # What has no key ends the run.
            if result.error is not None:
                assert "primary_keys" in str(result.error)
                break
        else:
            # Raised where a record of the sample has no key.
            with contextlib.suppress(SchemaError):
                hand.finish()
    records = [jsontext.parse(line) for page in hand.pages for line in page.records()]
    columns = hand.emitter.columns
    schema = None if columns is None else columns.schema
    return records, sent, results, dataclasses.asdict(hand.counts), schema


def same_in_parts(message: bytes, forms: Iterable[dict[str, Any]]) -> None:
    for form in forms:
        cut, whole = (outcome(message, form, cut=cut) for cut in (True, False))
        assert cut == whole, form


@pytest.mark.parametrize("forms", groups([*FORMS.values()]))
@settings(max_examples=examples(100), deadline=None)
@given(st.lists(objects(), max_size=8))
def test_an_array_in_parts_is_the_array(forms: Any, items: list[str]) -> None:
    same_in_parts(f"[{','.join(items)}]".encode(), forms)


WHOLE: dict[str, dict[str, Any]] = {
    "as it stands": {},
    "metadata": {"record_metadata": True},
    "envelope": {"envelope": True},
    "another's records": {"deduplicate": {"by": ["$.a"]}, "reconnect": True},
    "numbers": {"sequence": {"path": "$.a"}, "record_metadata": True},
    "captures": {"message_rules": [{"capture": {"x": "$.a"}, "then": "emit"}]},
    "a rule": {"message_rules": [{"match": {"a": 1}, "then": "ignore"}]},
    "a path": {"records_path": "$.a"},
}
"""What a message that is an object may be to the settings."""


@pytest.mark.parametrize("forms", groups([*WHOLE.values()]))
@settings(max_examples=examples(30), deadline=None)
@given(objects())
def test_a_large_record_is_taken_like_a_small_one(forms: Any, record: str) -> None:
    same_in_parts(record.encode(), forms)


@pytest.mark.parametrize(
    ("message", "at_once"),
    [
        (b'{"a":2,"b":"%b"}', True),
        (b'{"a":2,"b":"%b","new":1}', False),
        (b'[{"a":2,"b":"%b"}]', False),
    ],
)
def test_only_a_record_as_it_stands_is_taken_in_the_loop(
    message: bytes,
    at_once: bool,
) -> None:
    hand = by_hand(make_settings(max_messages=10**9))
    origin = Origin(1, "ws://localhost/", {})
    hand.handler.consume(origin, [b'{"a":1,"b":"x"}'], False, None)
    hand.emitter.settle()
    result = hand.handler.consume(origin, [message % (b"x" * 70_000)], False, None)
    assert (result.rest is None) is at_once
    assert result.records == at_once


@pytest.mark.parametrize(("size", "in_loop"), [(500, True), (30_000, False)])
def test_a_hundred_small_messages_that_were_compressed_are_taken_in_the_loop(
    size: int, in_loop: bool
) -> None:
    hand = by_hand(make_settings(payload_compression="gzip", infer_messages=0))
    origin = Origin(1, "ws://localhost/", {})
    text = b'{"a":%%d,"b":"%b"}' % (b"x" * size)
    payloads = [gzip.compress(text % number) for number in range(100)]
    result = hand.handler.consume(origin, payloads, True, None)
    assert (result.rest is None) is in_loop
    if result.rest is not None:
        result.rest()
    hand.finish()
    records = [jsontext.parse(line) for page in hand.pages for line in page.records()]
    assert [record["data"]["a"] for record in records] == list(range(100))


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(objects(), max_size=8), st.integers(0, 2))
def test_an_array_inside_in_parts_is_the_array(items: list[str], field: int) -> None:
    message = f'{{"m":{field},"d":[{",".join(items)}]}}'.encode()
    same_in_parts(message, INSIDE.values())


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(objects(), max_size=8))
def test_documents_in_parts_are_the_documents(items: list[str]) -> None:
    forms = [
        {"record_separator": separator, "on_parse_error": "skip"}
        for separator in ("\n", "}\n", "")
    ]
    same_in_parts("\n".join(items).encode(), forms)


@st.composite
def large_documents(draw: Any) -> bytes:
    """Draw a document, as it stands or inside of another one, or one that is cut."""
    items = draw(st.lists(objects() | texts_of_json(), max_size=6))
    number = draw(st.integers(0, 9))
    match draw(st.integers(0, 3)):
        case 0:
            text = f"[{','.join(items)}]"
        case 1:
            pad = "y" * 20
            text = f'{{"b":{number},"a":[{",".join(items)}],"x":"{pad}"}}'
        case 2:
            named = zip("aAbcdefg", items, strict=False)
            members = ",".join(f'"{name}":{item}' for name, item in named)
            text = f"{{{members}}}"
        case _:
            inner = jsontext.dumps(f"[{','.join(items)}]").decode()
            text = f'{{"b":{number},"a":{inner}}}'
    whole: bytes = text.encode()
    return whole if number < 9 else whole[: -len(whole) // 3]


@pytest.mark.parametrize("forms", groups([*LARGE.values()]))
@settings(max_examples=examples(30), deadline=None)
@given(large_documents())
def test_a_document_in_pieces_is_the_document(forms: Any, message: bytes) -> None:
    same_in_parts(message, [{"on_parse_error": "rescue", **form} for form in forms])


def cuts(message: bytes, **form: Any) -> list[bytes] | None:
    """Return the parts of a message, of 16 bytes or a little more."""
    cutter = MessageCutter(
        make_settings(max_messages=1, **form).decoding, opens_arrays=True
    )
    with mock.patch.object(parts, "PART_BYTES", 16):
        found = cutter.cut(message, keeps_documents=False, looks_at_texts=False)
        return None if found is None else list(found)


def test_parts_end_between_objects() -> None:
    items = [b'{"x":[{"y":1} , {"y":2},{"y":3}]}', b'{"t":"},{"}', *[b'{"n":12}'] * 99]
    found = cuts(b"[ %b]" % b" ,\n".join(items))
    assert found is not None
    assert len(found) > 1
    values = [jsontext.parse(item) for item in items]
    assert [value for part in found for value in jsontext.parse(part)] == values


@pytest.mark.parametrize(
    "message",
    [
        b'[{"a":1},{"a":2},{"a":3}, 4]',
        b'[{"a":1},{"a":2},{"a":3}',
        b'[{"a":1},{"a":2},{"a":"\xff"}]',
        b'{"a":[{"a":1},{"a":2},{"a":3}]}',
        b"[%b%b]" % (b"[" * 10, b"]" * 10),
    ],
)
def test_what_is_no_array_of_objects_stays_whole(message: bytes) -> None:
    assert cuts(message) is None


def test_an_array_that_stands_twice_is_cut_where_it_counts() -> None:
    array = b'[{"a":1},{"a":2},{"a":3},{"a":4},{"a":5},{"a":6}]'
    message = b'{"c":%b,"d":%b}' % (array, array)
    with mock.patch.object(parts, "PART_BYTES", 1000):
        assert cuts(message, records_path="$.d[*]") is None
