"""MessagePack and CBOR as JSON documents, by published vectors and round trips."""

from __future__ import annotations

import base64
import json
import math
from decimal import Decimal
from typing import Any

import cbor2
import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_websocket import jsontext
from tap_websocket.errors import ParseError
from tap_websocket.records.codecs import json_values
from tap_websocket.records.codecs import msgpack as codec
from tap_websocket.records.codecs.cbor import cbor_to_json
from tap_websocket.records.codecs.msgpack import msgpack_to_json
from tap_websocket.wording import counted_bytes

# From MessagePack's specification ("Formats"), as the common test suite spells them.
_MSGPACK = [
    ("c0", "null"),
    ("c2", "false"),
    ("c3", "true"),
    ("00", "0"),
    ("cc00", "0"),
    ("d3 0000000000000000", "0"),
    ("7f", "127"),
    ("e0", "-32"),
    ("d0 80", "-128"),
    ("cd ffff", "65535"),
    ("d2 80000000", "-2147483648"),
    ("cf ffffffffffffffff", "18446744073709551615"),
    ("d3 8000000000000000", "-9223372036854775808"),
    ("cb 3fe0000000000000", "0.5"),
    ("ca bf000000", "-0.5"),
    ("a0", '""'),
    ("d9 01 61", '"a"'),
    ("da 0001 61", '"a"'),
    ("db 00000001 61", '"a"'),
    ("a6 d09ad0b8d180", '"Кир"'),
    ("ab e29da4f09f8dbaf09f8dbb", '"❤\U0001f37a\U0001f37b"'),
    ("c4 00", '""'),
    ("c4 02 00ff", '"AP8="'),
    ("90", "[]"),
    ("dd 00000001 01", "[1]"),
    ("81 a1 61 91 01", '{"a":[1]}'),
    ("81 01 02", '{"1":2}'),
    ("81 cb3ff8000000000000 02", '{"1.5":2}'),
    ("81 c0 01", '{"null":1}'),
    ("81 c3 01", '{"true":1}'),
    ("81 c4 01 61 01", '{"YQ==":1}'),
    ("81 92 01 a1 62 03", '{"[1,\\"b\\"]":3}'),
    ("d4 01 10", '{"type":1,"data":"EA=="}'),
    ("d6 ff 5aa81c29", '"2018-03-13T18:44:57Z"'),
    ("d7 ff ee6b27f8 54e5bfac", '"2015-02-19T10:49:16.999999998Z"'),
    ("c7 0c ff 00000000 fffffff1886e0900", '"0001-01-01T00:00:00Z"'),
    ("d6 ff ffffffff", '"2106-02-07T06:28:15Z"'),
    ("cb 7ff8000000000000", '"NaN"'),
    ("ca 7f800000", '"Infinity"'),
    ("81 a1 61 cb fff0000000000000", '{"a":"-Infinity"}'),
]

# RFC 8949, appendix A, and the tags that JSON has no words for.
_CBOR = [
    ("1bffffffffffffffff", "18446744073709551615"),
    ("c249010000000000000000", "18446744073709551616"),
    ("3bffffffffffffffff", "-18446744073709551616"),
    ("c349010000000000000000", "-18446744073709551617"),
    ("20", "-1"),
    ("3903e7", "-1000"),
    ("f93c00", "1.0"),
    ("fb3ff199999999999a", "1.1"),
    ("f97bff", "65504.0"),
    ("fb7e37e43c8800759c", "1e300"),
    ("f90001", "5.960464477539063e-8"),
    ("fbc010666666666666", "-4.1"),
    ("f97c00", '"Infinity"'),
    ("f97e00", '"NaN"'),
    ("fbfff0000000000000", '"-Infinity"'),
    ("f4", "false"),
    ("f6", "null"),
    ("f7", "null"),
    ("f0", "16"),
    ("f8ff", "255"),
    ("c074323031332d30332d32315432303a30343a30305a", '"2013-03-21T20:04:00Z"'),
    ("c11a514b67b0", '"2013-03-21T20:04:00Z"'),
    ("c1fb41d452d9e2000000", '"2013-03-21T20:03:20Z"'),
    ("c1fb41d452d9ec200000", '"2013-03-21T20:04:00.5Z"'),
    ("d74401020304", '"AQIDBA=="'),
    ("d818456449455446", '"ZElFVEY="'),
    ("d82076687474703a2f2f7777772e6578616d706c652e636f6d", '"http://www.example.com"'),
    ("64f0908591", '"\U00010151"'),
    ("a201020304", '{"1":2,"3":4}'),
    ("a26161016162820203", '{"a":1,"b":[2,3]}'),
    ("5f42010243030405ff", '"AQIDBAU="'),
    ("7f657374726561646d696e67ff", '"streaming"'),
    ("9f018202039f0405ffff", "[1,[2,3],[4,5]]"),
    ("bf61610161629f0203ffff", '{"a":1,"b":[2,3]}'),
    ("a1820102f5", '{"[1,2]":true}'),
    ("a1a1010203", '{"{\\"1\\":2}":3}'),
    ("c48221196ab3", "273.15"),
    ("c482190fff01", "1E+4095"),
    ("c5822003", "1.5"),
    ("c5822103", "0.75"),
    ("c5820303", "24"),
    ("d9d9f7820102", "[1,2]"),
    (
        "d82550d9c0e1a5a3c54bd5b4ac5c23dcaff9dc",
        '"d9c0e1a5-a3c5-4bd5-b4ac-5c23dcaff9dc"',
    ),
    ("d81e820103", "[1,3]"),
    ("d864391c20", '"1950-04-15"'),
    ("d903ec6a323031332d30332d3231", '"2013-03-21"'),
    ("d90102820201", "[2,1]"),
    ("d82363612a62", '"a*b"'),
]

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text()
    | st.binary()
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(), inner)
        | st.dictionaries(st.integers(-9, 9), inner)
    ),
    max_leaves=20,
)


def _expected(value: Any) -> Any:
    """Return what JSON's reader gives for a value."""
    match value:
        case float() if not math.isfinite(value):
            if math.isnan(value):
                return "NaN"
            return "Infinity" if value > 0 else "-Infinity"
        case bytes():
            return base64.b64encode(value).decode()
        case list():
            return [_expected(item) for item in value]
        case dict():
            return {str(key): _expected(item) for key, item in value.items()}
    return value


@pytest.mark.parametrize(("sent", "document"), _MSGPACK)
def test_messagepack_reads_its_published_vectors(sent: str, document: str) -> None:
    assert msgpack_to_json(bytes.fromhex(sent)).decode() == document


@pytest.mark.parametrize(("sent", "document"), _CBOR)
def test_cbor_reads_its_published_vectors(sent: str, document: str) -> None:
    assert cbor_to_json(bytes.fromhex(sent)).decode() == document


@given(_VALUES)
def test_messagepack_comes_back(value: Any) -> None:
    document = msgpack_to_json(msgpack.packb(value))
    assert json.loads(document) == _expected(value)
    assert b"\n" not in document


@given(_VALUES)
def test_both_ways_through_messagepack_agree(value: Any) -> None:
    payload = msgpack.packb(value)
    slow = json_values.dumps(codec._unpack(payload), codec._other)  # noqa: SLF001 - the other way
    assert json.loads(msgpack_to_json(payload)) == json.loads(slow)


@given(_VALUES)
def test_cbor_comes_back(value: Any) -> None:
    document = cbor_to_json(cbor2.dumps(value))
    assert json.loads(document) == _expected(value)
    assert b"\n" not in document


@given(st.integers(-(2**700), 2**700))
def test_cbor_integers_keep_every_digit(value: int) -> None:
    assert cbor_to_json(cbor2.dumps(value)) == str(value).encode()


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_cbor_decimals_keep_every_digit(value: Decimal) -> None:
    assert jsontext.parse(cbor_to_json(cbor2.dumps(value))) == value


@given(st.integers(-(2**200), 2**200), st.integers(-300, 300))
def test_cbor_bigfloats_are_exact(mantissa: int, exponent: int) -> None:
    sent = cbor2.dumps(cbor2.CBORTag(5, [exponent, mantissa]))
    found = Decimal(cbor_to_json(sent).decode())
    assert found.as_integer_ratio() == _ratio(mantissa, exponent)


def _ratio(mantissa: int, exponent: int) -> tuple[int, int]:
    if exponent >= 0:
        return mantissa << exponent, 1
    common = math.gcd(mantissa, 1 << -exponent)
    return mantissa // common, (1 << -exponent) // common


@given(st.binary())
def test_any_bytes_are_a_document_or_a_parse_error(payload: bytes) -> None:
    for read in (msgpack_to_json, cbor_to_json):
        try:
            json.loads(read(payload))
        except ParseError as error:
            assert f"a message of {counted_bytes(len(payload))} " in str(error)  # noqa: PT017 - some bytes are data


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("", "ends too early"),
        ("01 02", "bytes follow its end"),
        ("a2 61", "ends too early"),
        ("a2 61ff", "not UTF-8"),
        ("c1", "means nothing"),
        ("dd ffffffff", "ends too early"),
        ("91" * 100_000, "nested too deeply"),
        ("c7 0c ff 00000000 7fffffffffffffff", "not between the years"),
        ("d4 ff 00", "means nothing"),
    ],
)
def test_what_is_no_messagepack_says_why(sent: str, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        msgpack_to_json(bytes.fromhex(sent))


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ("", "ends too early"),
        ("01 02", "bytes follow its end"),
        ("6261", "ends too early"),
        ("62c328", "means nothing"),
        ("ff", "means nothing"),
        ("1c", "means nothing"),
        ("9bffffffffffffffff", "means nothing|ends too early"),
        ("81" * 100_000, "means nothing"),
        ("d81c81d81d00", "refers to values"),
        ("d9010082d81900" + "6161", "refers to values"),
        ("c5821a0010000001", "exponent"),
        ("c2590800" + "ff" * 2048, "more than 13000 bits"),
        ("c11bffffffffffffffff", "not between the years"),
        ("c1f97e00", "not between the years"),
        ("c16161", "not a number"),
        ("c4821b7fffffffffffffff01", "out of range"),
        ("c48101", "exponent and a mantissa"),
    ],
)
def test_what_is_no_cbor_says_why(sent: str, reason: str) -> None:
    with pytest.raises(ParseError, match=reason):
        cbor_to_json(bytes.fromhex(sent))


def test_no_content_shows_in_an_error() -> None:
    for read in (msgpack_to_json, cbor_to_json):
        with pytest.raises(ParseError) as error:
            read(b"\xa6secret!")
        assert "secret" not in str(error.value)
