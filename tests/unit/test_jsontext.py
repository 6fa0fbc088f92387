"""Exact JSON: what comes in goes out, digit for digit."""

from __future__ import annotations

import copy
import gc
import json
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_websocket import jsontext

_NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?",
    fullmatch=True,
)
_TEXTS = st.text(st.characters(codec=None), max_size=8)
_VALUES = st.recursive(
    st.none() | st.booleans() | _TEXTS | _NUMBERS.map(jsontext.parse),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4)
    ),
    max_leaves=20,
)


@given(_NUMBERS)
def test_numbers_keep_every_digit(text: str) -> None:
    parsed = jsontext.parse(text)
    assert Decimal(jsontext.dumps(parsed).decode()).compare_total(
        Decimal(text if text != "-0" else "0"),
    ) == Decimal(0)
    assert isinstance(parsed, Decimal) == any(mark in text for mark in ".eE")


@given(_NUMBERS)
def test_numbers_keep_their_text(text: str) -> None:
    # Of a whole number, the sign of zero is not kept.
    sent = "0" if text == "-0" else text
    value = [{"a": jsontext.parse(text), "b": "\ud800"}, jsontext.parse(text)]
    again = copy.deepcopy(pickle.loads(pickle.dumps(value)))  # noqa: S301 - our own
    for numbers in (value, again, jsontext.parse(jsontext.dumps(value))):
        assert jsontext.dumps(numbers[1]).decode() == sent
        assert jsontext.text_of(numbers[1]) == sent
        assert f'"a":{sent},' in jsontext.dumps(numbers).decode()


def test_a_plain_number_is_a_decimal_and_nothing_else() -> None:
    assert type(jsontext.parse_plain("100e1")) is Decimal
    assert type(jsontext.parse_plain('["\\ud800", 100e1]')[1]) is Decimal
    assert jsontext.parse("100e1") == Decimal(1000)
    assert hash(jsontext.parse("100e1")) == hash(1000)


@given(_VALUES)
def test_values_come_back(value: Any) -> None:
    written = jsontext.dumps(value)
    assert jsontext.parse(written) == value
    assert not set(written) & set(b"\n\r\0")
    assert json.loads(written, parse_float=Decimal) == value


@pytest.mark.parametrize("digits", [20, 4300, 4301, 10_000])
@pytest.mark.parametrize("sign", ["", "-"])
def test_integers_of_any_length(digits: int, sign: str) -> None:
    text = sign + "9" * digits
    assert jsontext.dumps(jsontext.parse(text)).decode() == text
    assert jsontext.dumps(jsontext.parse(f'["\\ud800",{text}]'.encode())).decode() == (
        f'["\\ud800",{text}]'
    )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("42000.10", b"42000.10"),
        ("1E2", b"1E2"),
        ("1e400", b"1e400"),
        ("1e-400", b"1e-400"),
        ("-0.0", b"-0.0"),
        (' {"a" :\r\n[ 1 ,\t2]}\n', b'{"a":[1,2]}'),
        ('{"a":1,"a":2}', b'{"a":2}'),
        (r'"\ud800"', rb'"\ud800"'),
        (r'"\ud83d\ude00"', '"\N{GRINNING FACE}"'.encode()),
        (r'"\u0000"', rb'"\u0000"'),
    ],
)
def test_what_a_text_is_written_as(text: str, written: bytes) -> None:
    assert jsontext.dumps(jsontext.parse(text)) == written
    assert jsontext.dumps(jsontext.parse(text.encode())) == written


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"secret",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"01",
        b"1.",
        b"+1",
        b'{"secret":1}x',
        b'"a\nb"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b"[" * 100_000,
        b"1e1000000000000000000",
        b'"secret',
    ],
)
def test_what_is_no_json_is_refused_without_showing_it(text: bytes) -> None:
    with pytest.raises(jsontext.InvalidJson) as caught:
        jsontext.parse(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("levels", [200, 5000])
def test_values_of_any_depth_are_written(levels: int) -> None:
    value: Any = {"price": Decimal("1.10")}
    for _ in range(levels):
        value = [value, {}]
    written = jsontext.dumps(value).decode()
    assert written == "[" * levels + '{"price":1.10}' + ",{}]" * levels


@pytest.mark.parametrize("text", [b'\xef\xbb\xbf{"a":1.10}', '\ufeff{"a":1.10}'])
def test_a_byte_order_mark_in_front_is_ignored(text: bytes | str) -> None:
    assert jsontext.parse(text) == {"a": Decimal("1.10")}


@pytest.mark.parametrize("text", ["\ufeff\ufeff1", "1\ufeff", '["\ufeff"'])
def test_a_byte_order_mark_elsewhere_is_no_white_space(text: str) -> None:
    with pytest.raises(jsontext.InvalidJson):
        jsontext.parse(text)


def collections() -> int:
    return sum(each["collections"] for each in gc.get_stats())


def test_a_large_text_is_parsed_without_garbage_collections() -> None:
    text = b"[" + b"[]," * 500_000 + b"0]"
    before = collections()
    value = jsontext.parse(text)
    assert collections() - before < 20
    assert len(value) == 500_001
    assert gc.isenabled()


def test_a_large_text_that_is_no_json_leaves_the_collector_as_it_was() -> None:
    with pytest.raises(jsontext.InvalidJson):
        jsontext.parse(b"[" + b"[]," * 500_000 + b"x")
    assert gc.isenabled()
