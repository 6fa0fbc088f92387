"""Large payloads whose nested values are skipped instead of decoded."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import Any
from unittest import mock

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_websocket import jsontext
from tap_websocket.columns import large_payloads
from tap_websocket.columns.large_payloads import LARGE, first_bytes, may_nest
from tap_websocket.columns.payload_check import compile_decoder, needs_slow_path
from tap_websocket.columns.target_limits import is_storable
from tap_websocket.largejson.parsing import LARGE_BYTES

COLUMNS = {
    "id": {"type": ["integer", "null"]},
    "bids": {"type": ["array", "null"]},
    "about": {"type": ["object", "null"]},
}
NESTED = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["12.50", "]", "[[", '"', "}{", "1e400", "0e", "ä", "\0", "a\\"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["p", "]", "e"]), inner, max_size=3)
    ),
    max_leaves=12,
)
RECORDS = st.fixed_dictionaries(
    {}, optional={"id": st.integers(0, 9), "bids": NESTED, "about": NESTED}
)
EDIT = st.tuples(st.floats(0, 1), st.sampled_from(list('[]{}",:019.-+eE \\u\n\tnx')))


def _takes(payload: bytes, *, large: bool = True) -> bool:
    decode = compile_decoder(COLUMNS, [], [])
    assert decode is not None
    with mock.patch.object(large_payloads, "LARGE", 0 if large else 1 << 30):
        try:
            decode(payload)
        except (msgspec.MsgspecError, RecursionError):
            return False
    return True


@given(record=RECORDS, edits=st.lists(EDIT, max_size=2), ascii_only=st.booleans())
@example(record={"bids": [["1", "2"]] * 2}, edits=[], ascii_only=True)
@example(record={"bids": {"p": 1}}, edits=[], ascii_only=True)
@example(record={"bids": ["\0"]}, edits=[], ascii_only=True)
def test_what_is_taken_can_be_stored_by_every_target(
    *, record: Any, edits: list[tuple[float, str]], ascii_only: bool
) -> None:
    text = json.dumps(record, ensure_ascii=ascii_only)
    for where, mark in edits:
        at = round(where * len(text))
        text = text[:at] + mark + text[at + 1 :]
    payload = text.encode()
    if not needs_slow_path(payload) and _takes(payload):
        value = jsontext.parse(payload)
        assert isinstance(value, dict)
        assert is_storable(value)
        assert isinstance(value.get("bids", None), list | None)
        assert isinstance(value.get("about", None), dict | None)
        assert value.keys() <= COLUMNS.keys()


@pytest.mark.parametrize(
    "nested",
    [
        "[" * 60 + "]" * 60,
        "[1," * 60 + "1" + "]" * 60,
        '["]",' * 200 + "1" + "]" * 200,
        '["}",{"a":"["},' * 200 + "1" + "]" * 200,
        "[9223372036854775808]",
        "[-1e400]",
        "[1E400]",
        '["\\u0000"]',
        '["\\ud800"]',
        '["ä"]',
    ],
)
def test_what_cannot_be_told_by_its_bytes_is_looked_at_in_full(nested: str) -> None:
    assert not may_nest(b'{"bids":%b}' % nested.encode())


def test_deep_nesting_is_refused_as_in_full() -> None:
    deep = b'{"bids":%b}' % (b'["]",' * 150 + b"1" + b"]" * 150)
    assert not _takes(deep)
    assert not _takes(deep, large=False)


@pytest.mark.parametrize("exponents", [1, 100])
def test_an_e_is_an_exponent_behind_a_digit_alone(exponents: int) -> None:
    names = b'["e","1.5","price e"],' * exponents
    assert may_nest(b"[%b 1]" % names)
    assert not may_nest(b"[%b 1e5]" % names)


def test_a_nested_value_of_another_type_is_refused() -> None:
    book = b'["42000.10","0.5"],' * 200
    assert len(book) > LARGE
    assert _takes(b'{"id":1,"bids":[%b 1],"about":null}' % book)
    assert _takes(b'{"id":1,"about":{"x":[%b 1]}}' % book)
    assert not _takes(b'{"id":1,"about":[%b 1]}' % book)
    assert not _takes(b'{"id":1,"bids":"%b"}' % (b"x" * LARGE))
    assert not _takes(b'{"id":"x","bids":[%b 1]}' % book)
    assert not _takes(b'{"id":1,"bids":[%b 1],"new":1}' % book)
    assert not _takes(b'{"id":1,"bids":[%b 1}' % book)


@pytest.mark.parametrize("inner", [b'"\\n"', b"12345678901234567890.5", b"1e5"])
def test_a_payload_of_megabytes_is_not_parsed_as_a_whole(inner: bytes) -> None:
    decode = compile_decoder(COLUMNS, [], [])
    assert decode is not None
    for size, refused in ((LARGE_BYTES // 2, False), (LARGE_BYTES, True)):
        payload = b'{"bids":[%b,%b1]}' % (inner, b"1," * (size // 2))
        with pytest.raises(msgspec.ValidationError) if refused else nullcontext():
            decode(payload)


def test_small_payloads_are_decoded() -> None:
    with mock.patch.object(large_payloads, "may_nest", side_effect=AssertionError):
        decode = compile_decoder(COLUMNS, [], [])
        assert decode is not None
        decode(b'{"bids":[["1","2"]]}')
        with pytest.raises(AssertionError):
            decode(b'{"bids":[%b 1]}' % (b'["1","2"],' * LARGE))


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": ["array", "null"]}, b"[n"),
        ({"type": "object"}, b"{"),
        ({"type": ["object", "array", "null"]}, b"[n{"),
        ({"type": ["array", "string", "null"]}, None),
        ({"type": "array", "items": {"type": "string"}}, None),
        ({"type": "object", "properties": {}}, None),
        ({"type": "object", "additionalProperties": False}, None),
        ({"type": "object", "additionalProperties": {"type": "string"}}, None),
        ({"anyOf": [{"type": "array"}, {"type": "null"}]}, None),
        ({"type": ["string", "null"]}, None),
        ({}, None),
    ],
)
def test_columns_in_which_anything_may_nest(
    schema: dict[str, Any], expected: bytes | None
) -> None:
    found = first_bytes(schema)
    assert (found and sorted(found)) == (expected and sorted(expected))
