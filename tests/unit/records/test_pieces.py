"""A large binary message in pieces is the document that it is as a whole."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable
from typing import Any
from unittest import mock

import cbor2
import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_websocket import jsontext
from tap_websocket.errors import ParseError
from tap_websocket.records.codecs import pieces
from tap_websocket.records.codecs.cbor import cbor_to_json
from tap_websocket.records.codecs.msgpack import msgpack_to_json
from tests.support.examples import examples

Read = Callable[[bytes], bytes]

READ: dict[str, Read] = {"msgpack": msgpack_to_json, "cbor": cbor_to_json}

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=True)
    | st.text(max_size=40)
    | st.binary(max_size=40)
)
times = st.datetimes(timezones=st.just(dt.UTC))


def documents(more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = st.text(max_size=6) | st.integers(2, 99) | st.binary(max_size=3)
    return st.recursive(
        scalars | more,
        lambda inner: (
            st.lists(inner, max_size=12) | st.dictionaries(keys, inner, max_size=8)
        ),
        max_leaves=40,
    )


ext = st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=40))


def msgpack_bytes() -> st.SearchStrategy[bytes]:
    return documents(ext | times).map(lambda value: msgpack.packb(value, datetime=True))


tags = st.sampled_from([0, 21, 28, 30, 100, 256, 258, 55799, 1004])
tagged = st.builds(cbor2.CBORTag, tags, st.lists(scalars, max_size=8))


def cbor_bytes() -> st.SearchStrategy[bytes]:
    values = documents(times | tagged | st.integers(-(2**200), 2**200))
    return st.builds(
        lambda value, indefinite: cbor2.dumps(value, indefinite_containers=indefinite),
        values,
        st.booleans(),
    )


SENT: dict[str, st.SearchStrategy[bytes]] = {
    "msgpack": msgpack_bytes(),
    "cbor": cbor_bytes(),
}


def outcome(read: Read, payload: bytes, piece: int) -> bytes | ParseError:
    """Return what is made of a payload in pieces of so many bytes."""
    with (
        mock.patch.object(pieces, "PIECE_BYTES", piece),
        mock.patch.object(pieces, "_MAX_GROWTH", 10**6),
    ):
        try:
            return read(payload)
        except ParseError as error:
            return error


@pytest.mark.parametrize("form", READ)
@settings(max_examples=examples(300), deadline=None)
@given(st.data(), st.sampled_from([2, 9, 16, 64]))
def test_pieces_are_the_whole(form: str, data: st.DataObject, piece: int) -> None:
    payload = data.draw(SENT[form])
    whole = outcome(READ[form], payload, 10**9)
    found = outcome(READ[form], payload, piece)
    if isinstance(whole, ParseError):
        assert str(found) == str(whole)
    else:
        assert isinstance(found, bytes)
        assert jsontext.parse(found) == jsontext.parse(whole)


@pytest.mark.parametrize("form", READ)
@settings(max_examples=examples(300), deadline=None)
@given(st.data(), st.sampled_from([2, 16, 64]))
def test_what_cannot_be_read_whole_cannot_be_read_in_pieces(
    form: str, data: st.DataObject, piece: int
) -> None:
    payload = data.draw(SENT[form])
    at = data.draw(st.integers(0, len(payload) - 1))
    end = data.draw(st.integers(at + 1, len(payload)))
    sent = payload[:at] + data.draw(st.binary(max_size=2)) + payload[at + 1 : end]
    whole = outcome(READ[form], sent, 10**9)
    found = outcome(READ[form], sent, piece)
    if isinstance(whole, ParseError):
        assert isinstance(found, ParseError)
    else:
        assert isinstance(found, bytes)
        with contextlib.suppress(jsontext.InvalidJson):
            assert jsontext.parse(found) == jsontext.parse(whole)


@pytest.mark.parametrize("form", READ)
@given(st.data(), st.binary(max_size=200))
def test_any_bytes_are_alike(form: str, data: st.DataObject, sent: bytes) -> None:
    piece = data.draw(st.sampled_from([2, 16]))
    whole = outcome(READ[form], sent, 10**9)
    found = outcome(READ[form], sent, piece)
    assert isinstance(found, ParseError) == isinstance(whole, ParseError)


@pytest.mark.parametrize(
    ("form", "sent", "reason"),
    [
        ("msgpack", b"\xdd\0\1\0\0" + b"\xc0" * 65535, "ends too early"),
        ("msgpack", b"\xdd\0\1\0\0" + b"\xc0" * 65537, "bytes follow its end"),
        ("msgpack", b"\xdd\0\1\0\0" + b"\xc0" * 65535 + b"\xc1", "means nothing"),
        ("msgpack", b"\xdd\0\1\0\0" + b"\xc0" * 65535 + b"\xa1\xff", "not UTF-8"),
        ("msgpack", b"\xdb\1\0\0\0" + b"a" * 70_000, "ends too early"),
        ("msgpack", b"\xdf\xff\xff\xff\xff" + b"\xc0" * 70_000, "ends too early"),
        ("msgpack", b"\x91" * 70_000 + b"\xc0", "nested too deeply"),
        ("msgpack", b"\xd6\xff\xff\xff\xff\xff" * 20_000, "follow its end"),
        ("cbor", b"\x9a\0\1\0\0" + b"\xf6" * 65535, "ends too early"),
        ("cbor", b"\x9a\0\1\0\0" + b"\xf6" * 65537, "bytes follow its end"),
        ("cbor", b"\x9a\0\1\0\0" + b"\xf6" * 65535 + b"\xff", "means nothing"),
        ("cbor", b"\x9f" + b"\xf6" * 70_000, "ends too early"),
        ("cbor", b"\xbf" + b"\xf6" * 70_001 + b"\xff", "means nothing"),
        ("cbor", b"\x7a\1\0\0\0" + b"a" * 70_000, "ends too early"),
        ("cbor", b"\xbb" + b"\xff" * 8 + b"\xf6" * 70_000, "ends too early"),
        ("cbor", b"\x81" * 70_000 + b"\xf6", "means nothing"),
        ("cbor", b"\xd8\x1d\x9a\0\2\0\0" + b"\0" * 2**17, "refers to values"),
        ("cbor", b"\xc4\x9a\0\2\0\0" + b"\0" * 2**17, "an exponent and a mantissa"),
        ("cbor", b"\xd8\x25\x9a\0\2\0\0" + b"\0" * 2**17, "means nothing"),
    ],
)
def test_what_is_wrong_with_a_large_message_is_said(
    form: str, sent: bytes, reason: str
) -> None:
    with pytest.raises(ParseError, match=reason) as caught:
        READ[form](sent)
    assert f"a message of {len(sent)} bytes is not valid" in str(caught.value)


@pytest.mark.parametrize(("form", "array"), [("msgpack", b"\xdd"), ("cbor", b"\x9a")])
def test_a_long_key_that_is_no_text_is_refused(form: str, array: bytes) -> None:
    one = {"msgpack": b"\x81", "cbor": b"\xa1"}[form]
    for count in (30_000, 40_000, 60_000, 600_000):
        key = array + count.to_bytes(4) + b"\x00" * count
        if 2 * count < 65536:
            assert READ[form](one + key + b"\x01").endswith(b',0]":1}')
            continue
        with pytest.raises(ParseError, match="longer than 65536 characters"):
            READ[form](one + key + b"\x01")


def test_what_grows_too_much_as_json_is_refused() -> None:
    bigfloats = b"\x9a\0\1\0\0" + b"\xc5\x82\x39\x04\x00\x01" * 2**16
    with pytest.raises(ParseError, match="more than 12 times as many bytes"):
        cbor_to_json(bigfloats)


@pytest.mark.parametrize("form", READ)
def test_keys_inside_of_keys_do_not_grow(form: str) -> None:
    one = {"msgpack": b"\x81", "cbor": b"\xa1"}[form]
    text = {"msgpack": b"\xa1a", "cbor": b"\x61a"}[form]
    assert READ[form](one * 2 + text + b"\1\1") == b'{"{\\"a\\":1}":1}'
    with pytest.raises(ParseError, match="nested too deeply"):
        READ[form](one * 16 + text + b"\1" * 16)


@pytest.mark.parametrize("form", READ)
@pytest.mark.parametrize("size", [65_536, 300_000, 3_000_000])
def test_long_texts_and_keys_stay_whole(form: str, size: int) -> None:
    pack = {"msgpack": msgpack.packb, "cbor": cbor2.dumps}[form]
    text = "a\u00e9" * (size // 2)
    value = {text: [text, {"b": text.encode()}], "c": [1, text]}
    found = jsontext.parse(READ[form](pack(value)))
    assert found[text][0] == text
    assert found["c"] == [1, text]


def test_the_chunks_of_a_long_text_stay_one() -> None:
    sent = b"\x82\x7f" + b"\x61a" * 70_000 + b"\xff\x01"
    assert cbor_to_json(sent) == b'["%b",1]' % (b"a" * 70_000)


@pytest.mark.parametrize(("form", "nil"), [("msgpack", b"\xc0"), ("cbor", b"\xf6")])
def test_large_containers_are_entered_at_any_level(form: str, nil: bytes) -> None:
    one = {"msgpack": b"\x91", "cbor": b"\x81"}[form]
    head = {"msgpack": b"\xdd", "cbor": b"\x9a"}[form]
    sent = one * 100 + head + (100_000).to_bytes(4) + nil * 100_000
    found = READ[form](sent)
    assert found == b"[" * 101 + b",".join([b"null"] * 100_000) + b"]" * 101
