"""A large Protobuf message in pieces is the document that it is as a whole."""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_websocket import jsontext
from tap_websocket.errors import ParseError
from tap_websocket.records.codecs import pieces, protobuf, protobuf_pieces
from tap_websocket.records.codecs.protobuf import ProtobufReader
from tap_websocket.records.codecs.protobuf_wire import as_varint
from tests.support.examples import examples
from tests.support.protobuf import LARGE, TICKS, compile_protos, message_class

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

    from google.protobuf.descriptor import Descriptor

TYPES = {"tap.test.Tick": TICKS, "tap.large.Node": LARGE}

VARINT, FIXED64, LENGTH, GROUP, GROUP_END, FIXED32 = range(6)


@pytest.fixture(scope="session")
def descriptors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pieces")
    return {name: compile_protos(proto, folder) for name, proto in TYPES.items()}


@functools.cache
def reader(path: Path, name: str, whole_bytes: int | None = None) -> ProtobufReader:
    """Return what reads messages, and so many bytes of one whole."""
    if whole_bytes is None:
        return ProtobufReader(str(path), name)
    with mock.patch.object(protobuf, "_whole_bytes", return_value=whole_bytes):
        return ProtobufReader(str(path), name)


@functools.cache
def made(path: Path, name: str) -> Any:
    return message_class(path, name)


def record(number: int, wire_type: int, content: bytes) -> bytes:
    if wire_type == LENGTH:
        content = as_varint(len(content)) + content
    if wire_type == GROUP:
        content += as_varint(number << 3 | GROUP_END)
    return as_varint(number << 3 | wire_type) + content


class Sender:
    """Makes messages of a type, with all that the wire format allows."""

    def __init__(self, numbers: random.Random) -> None:
        self.numbers = numbers

    def message(self, descriptor: Descriptor, levels: int) -> bytes:
        fields = list(descriptor.fields)
        if descriptor.is_extendable:
            fields += descriptor.file.pool.FindAllExtensions(descriptor)
        if descriptor.full_name == "google.protobuf.Any":
            return self.any(descriptor, levels)
        if descriptor.name in {"Timestamp", "Duration"}:
            return record(1, VARINT, as_varint(self.numbers.randrange(10**9)))
        found = []
        for _ in range(self.numbers.randrange(9 if levels else 3)):
            if self.numbers.random() < 0.1:
                found.append(self.unknown())
                continue
            field = self.numbers.choice(fields)
            for _ in range(self.numbers.choice([1, 1, 1, 2, 9])):
                found += self.field(field, levels)
        if self.numbers.random() < 0.5:
            self.numbers.shuffle(found)
        return b"".join(found)

    def any(self, descriptor: Descriptor, levels: int) -> bytes:
        names = ["tap.large.Node", "tap.no.Such", "google.protobuf.Struct"]
        names += ["google.protobuf.Value", "google.protobuf.ListValue"]
        name = self.numbers.choice(names)
        value = b"\x08\x01"
        if name != "tap.no.Such":
            try:
                inner = descriptor.file.pool.FindMessageTypeByName(name)
            except KeyError:
                inner = descriptor
                name = "no"
            value = self.message(inner, max(0, levels - 1)) if inner else value
        return record(1, LENGTH, b"a/" + name.encode()) + record(2, LENGTH, value)

    def unknown(self) -> bytes:
        number = self.numbers.choice([26, 500, 1000])
        inner = record(3, LENGTH, b"abc") + record(4, GROUP, b"\x08\x01")
        kind = self.numbers.choice([VARINT, FIXED64, LENGTH, GROUP, FIXED32])
        contents = {
            VARINT: b"\xff\x01",
            FIXED64: b"8" * 8,
            LENGTH: b"some",
            GROUP: inner,
            FIXED32: b"4" * 4,
        }
        return record(number, kind, contents[kind])

    def field(self, field: FieldDescriptor, levels: int) -> Iterator[bytes]:
        if field.message_type is not None:
            if levels or self.numbers.random() < 0.3:
                kind = GROUP if field.type == FieldDescriptor.TYPE_GROUP else LENGTH
                inner = self.message(field.message_type, max(0, levels - 1))
                yield record(field.number, kind, inner)
        elif field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}:
            size = self.numbers.choice([0, 1, 5, 40, 200])
            text = ("a\u00e9" * size)[:size].encode()
            yield record(field.number, LENGTH, text)
        elif field.is_repeated and self.numbers.random() < 0.5:
            count = self.numbers.randrange(60)
            packed = b"".join(self.number(field)[1] for _ in range(count))
            yield record(field.number, LENGTH, packed)
        else:
            yield record(field.number, *self.number(field))
        if self.numbers.random() < 0.05:
            # Of another wire type: not known.
            yield record(field.number, FIXED32, b"1234")

    def number(self, field: FieldDescriptor) -> tuple[int, bytes]:
        value = self.numbers.choice([0, 1, 2, 300, 2**31 - 1, 2**63, 2**64 - 1])
        match field.type:
            case FieldDescriptor.TYPE_DOUBLE:
                return FIXED64, struct.pack("<d", value)
            case FieldDescriptor.TYPE_FLOAT:
                return FIXED32, struct.pack("<f", value / 3)
            case FieldDescriptor.TYPE_FIXED64 | FieldDescriptor.TYPE_SFIXED64:
                return FIXED64, value.to_bytes(8, "little")
            case FieldDescriptor.TYPE_FIXED32 | FieldDescriptor.TYPE_SFIXED32:
                return FIXED32, (value % 2**32).to_bytes(4, "little")
        return VARINT, as_varint(value)


def outcome(
    path: Path, name: str, payload: bytes, whole_bytes: int
) -> bytes | ParseError:
    """Return what is made of a payload, of which so many bytes are read whole."""
    with (
        mock.patch.object(protobuf_pieces, "_PART_BYTES", max(1, whole_bytes // 4)),
        mock.patch.object(protobuf_pieces, "_PACKED_BYTES", 8),
        mock.patch.object(pieces, "_MAX_GROWTH", 10**6),
    ):
        try:
            return reader(path, name, whole_bytes).to_json(payload)
        except ParseError as error:
            return error


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=examples(200), deadline=None)
@given(numbers=st.randoms(use_true_random=False), whole=st.sampled_from([0, 4, 16, 64]))
def test_pieces_are_the_whole(
    descriptors: dict[str, Path], name: str, numbers: random.Random, whole: int
) -> None:
    path = descriptors[name]
    payload = Sender(numbers).message(made(path, name).DESCRIPTOR, 3)
    expected = outcome(path, name, payload, 10**9)
    found = outcome(path, name, payload, whole)
    if isinstance(expected, ParseError):
        assert isinstance(found, ParseError)
    else:
        assert isinstance(found, bytes), found
        assert jsontext.parse(found) == jsontext.parse(expected)
        assert b"\n" not in found


@pytest.mark.parametrize("name", TYPES)
@settings(max_examples=examples(200), deadline=None)
@given(
    numbers=st.randoms(use_true_random=False),
    whole=st.sampled_from([0, 16, 64]),
    data=st.data(),
)
def test_broken_messages_are_documents_or_parse_errors(
    descriptors: dict[str, Path],
    name: str,
    numbers: random.Random,
    whole: int,
    data: st.DataObject,
) -> None:
    path = descriptors[name]
    payload = Sender(numbers).message(made(path, name).DESCRIPTOR, 3)
    at = data.draw(st.integers(0, len(payload)))
    sent = payload[:at] + data.draw(st.binary(max_size=2)) + payload[at + 1 :]
    expected = outcome(path, name, sent, 10**9)
    found = outcome(path, name, sent, whole)
    if isinstance(expected, bytes):
        assert isinstance(found, bytes), found
        assert jsontext.parse(found) == jsontext.parse(expected)
    elif isinstance(found, bytes):
        # What a later value replaced is not looked at.
        assert isinstance(jsontext.parse(found), dict)


def test_the_last_of_a_oneof_and_merged_messages_are_told(
    descriptors: dict[str, Path],
) -> None:
    name = "tap.test.Tick"
    price = record(2, LENGTH, record(1, LENGTH, b"1" * 40_000))
    side = record(2, LENGTH, record(2, VARINT, b"\x01"))
    text = record(3, LENGTH, b"t" * 40_000)
    read = reader(descriptors[name], name).to_json
    merged = jsontext.parse(read(price + record(1, LENGTH, b"c") + side))
    assert merged["deal"] == {"price": "1" * 40_000, "side": "BUY", "quantity": 0.0}
    assert merged["channel"] == "c"
    assert "text" not in merged
    replaced = jsontext.parse(read(price + text + side))
    assert replaced["deal"] == {"price": "", "side": "BUY", "quantity": 0.0}
    assert "text" not in replaced
    assert "deal" not in jsontext.parse(read(price + side + text))


def test_what_grows_too_much_as_json_is_refused(
    descriptors: dict[str, Path],
) -> None:
    name = "tap.test.Tick"
    read = reader(descriptors[name], name).to_json
    empty = record(4, LENGTH, b"")
    # A message of less than a mebibyte may become what one of a mebibyte may.
    assert len(jsontext.parse(read(empty * 100_000))["deals"]) == 100_000
    with pytest.raises(ParseError, match="more than 12 times as many bytes"):
        read(empty * 600_000)


@pytest.mark.parametrize(
    "sent",
    [
        record(4, LENGTH, b"") * 40_000 + b"\x22",
        record(4, LENGTH, b"") * 40_000 + b"\x22\x05",
        record(4, LENGTH, b"") * 40_000 + b"\x22" + b"\xff" * 11,
        record(4, LENGTH, b"") * 40_000 + b"\x26",
        record(4, LENGTH, b"") * 40_000 + b"\x02\x00",
        record(4, LENGTH, b"\x0a\x01\xff") + record(11, LENGTH, b"a" * 80_000),
        record(90, GROUP, b"\x08\x01" * 40_000)[:-1] + b"\x0c",
        (b"\x53" * 200) + record(11, LENGTH, b"a" * 80_000),
    ],
)
def test_what_is_wrong_with_a_large_message_is_said(
    descriptors: dict[str, Path], sent: bytes
) -> None:
    name = "tap.test.Tick"
    with pytest.raises(ParseError, match=r"is not valid Protobuf \(it is n") as caught:
        reader(descriptors[name], name).to_json(sent)
    assert f"a message of {len(sent)} bytes" in str(caught.value)


def test_types_of_many_fields_are_read_in_smaller_pieces(tmp_path: Path) -> None:
    proto = tmp_path / "wide.proto"
    fields = " ".join(f"int64 f{n} = {n};" for n in range(1, 501))
    proto.write_text(
        f'syntax = "proto3"; message Wide {{ {fields} repeated Wide w = 600; }}',
        encoding="utf-8",
    )
    wide = ProtobufReader(str(compile_protos(proto, tmp_path)), "Wide")
    with pytest.raises(ParseError, match="more than 12 times as many bytes"):
        wide.to_json(record(600, LENGTH, b"") * 5000)
