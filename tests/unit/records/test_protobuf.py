"""Protobuf messages as JSON documents, read by descriptors that `protoc` made."""

from __future__ import annotations

import json
import math
import struct
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from tap_websocket.errors import ParseError
from tap_websocket.records.codecs.protobuf import ProtobufReader, _shortest
from tap_websocket.wording import counted_bytes
from tests.support.protobuf import TICKS, compile_protos, message_class

if TYPE_CHECKING:
    from pathlib import Path

_INT64 = st.integers(-(2**63), 2**63 - 1)
_FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.fixture(scope="session")
def descriptors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_protos(TICKS, tmp_path_factory.mktemp("protobuf"))


@pytest.fixture(scope="session")
def tick(descriptors: Path) -> type[Any]:
    return message_class(descriptors, "tap.test.Tick")


@pytest.fixture(scope="session")
def reader(descriptors: Path) -> ProtobufReader:
    return ProtobufReader(str(descriptors), "tap.test.Tick")


def test_fields_without_presence_have_their_defaults(reader: ProtobufReader) -> None:
    assert json.loads(reader.to_json(b"")) == {
        "channel": "",
        "deals": [],
        "names": {},
        "rates": {},
        "largest": 0,
        "smallest": 0,
        "sequence": 0,
        "ratio": 0.0,
        "raw": "",
        "live": False,
        "sides": [],
    }


def test_each_kind_of_field_is_read(reader: ProtobufReader, tick: type[Any]) -> None:
    message = tick(
        channel="deals",
        deal={"price": "1.10", "side": 1, "quantity": 0.1, "parent": {"side": 2}},
        deals=[{"trade_id": 0}, {"price": "2"}],
        names={3: "three", -1: "less"},
        rates={True: 0.3},
        largest=2**64 - 1,
        smallest=-(2**63),
        sequence=2**53 + 1,
        ratio=0.1,
        raw=b"\x00\xff",
        live=True,
        sides=[2, 9],
    )
    assert json.loads(reader.to_json(message.SerializeToString())) == {
        "channel": "deals",
        "deal": {
            "price": "1.10",
            "side": "BUY",
            "quantity": 0.1,
            "parent": {"price": "", "side": "SELL", "quantity": 0.0},
        },
        "deals": [
            {"price": "", "side": "SIDE_UNKNOWN", "quantity": 0.0, "trade_id": 0},
            {"price": "2", "side": "SIDE_UNKNOWN", "quantity": 0.0},
        ],
        "names": {"3": "three", "-1": "less"},
        "rates": {"true": 0.3},
        "largest": 2**64 - 1,
        "smallest": -(2**63),
        "sequence": 2**53 + 1,
        "ratio": 0.1,
        "raw": "AP8=",
        "live": True,
        "sides": ["SELL", "9"],
    }


def test_well_known_types_are_what_they_mean(
    reader: ProtobufReader, tick: type[Any]
) -> None:
    message = tick(
        text="only this of the oneof",
        at={"seconds": 1, "nanos": 5},
        took={"seconds": -1, "nanos": -500_000_000},
        maybe={"value": 2**53 + 1},
        share={"value": 0.7},
        mask={"paths": ["a", "b.c"]},
    )
    message.extra.update({"a": [1, 1.5, None, {"b": "c"}], "d": True})
    message.any.Pack(type(message.deal)(price="3"))
    found = json.loads(reader.to_json(message.SerializeToString()))
    assert "deal" not in found
    assert found["text"] == "only this of the oneof"
    assert found["at"] == "1970-01-01T00:00:01.000000005Z"
    assert found["took"] == "-1.5s"
    assert found["maybe"] == 2**53 + 1
    assert found["share"] == 0.7
    assert found["mask"] == "a,b.c"
    assert found["extra"] == {"a": [1, 1.5, None, {"b": "c"}], "d": True}
    assert found["any"]["price"] == "3"
    assert found["any"]["@type"].endswith("/tap.test.Deal")


def test_an_unknown_any_is_kept_as_bytes(
    reader: ProtobufReader, tick: type[Any]
) -> None:
    message = tick(any={"type_url": "x/no.Such", "value": b"\x01"})
    found = json.loads(reader.to_json(message.SerializeToString()))["any"]
    assert found == {"@type": "x/no.Such", "value": "AQ=="}


@given(
    data=st.data(),
    channel=st.text(),
    numbers=st.dictionaries(st.integers(-(2**31), 2**31 - 1), st.text()),
    smallest=_INT64,
    ratio=st.floats(allow_nan=False, allow_infinity=False),
    quantities=st.lists(_FLOATS),
    raw=st.binary(),
)
def test_a_message_agrees_with_the_library_s_own_json(
    reader: ProtobufReader,
    tick: type[Any],
    data: st.DataObject,
    channel: str,
    numbers: dict[int, str],
    smallest: int,
    ratio: float,
    quantities: list[float],
    raw: bytes,
) -> None:
    largest = data.draw(st.integers(0, 2**64 - 1))
    message = tick(
        channel=channel,
        names=numbers,
        smallest=smallest,
        largest=largest,
        ratio=ratio,
        deals=[{"quantity": quantity} for quantity in quantities],
        raw=raw,
    )
    found = json.loads(reader.to_json(message.SerializeToString()))
    assert (found["smallest"], found["largest"]) == (smallest, largest)
    # ProtoJSON writes 64-bit integers as strings.
    found |= {name: str(found[name]) for name in ("smallest", "largest", "sequence")}
    assert found == json_format.MessageToDict(
        message,
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


@given(_FLOATS)
def test_a_float_has_its_shortest_text(value: float) -> None:
    shortest = _shortest(value)
    assert isinstance(shortest, float)
    assert struct.pack("<f", shortest) == struct.pack("<f", value)
    assert len(repr(shortest)) <= len(repr(value))


@pytest.mark.parametrize(
    ("value", "text"),
    [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")],
)
def test_what_is_no_number_is_a_string(
    reader: ProtobufReader, tick: type[Any], value: float, text: str
) -> None:
    message = tick(ratio=value, deal={"quantity": value})
    found = json.loads(reader.to_json(message.SerializeToString()))
    assert (found["ratio"], found["deal"]["quantity"]) == (text, text)


@given(payload=st.binary())
def test_any_bytes_are_a_document_or_a_parse_error(
    reader: ProtobufReader, payload: bytes
) -> None:
    try:
        assert isinstance(json.loads(reader.to_json(payload)), dict)
    except ParseError as error:
        assert f"a message of {counted_bytes(len(payload))} " in str(error)  # noqa: PT017 - some bytes are data


@pytest.mark.parametrize(
    ("sent", "reason"),
    [("0a05616263", "not of the message_type"), ("0a01ff", "not of the message_type")],
)
def test_what_is_no_message_says_so(
    reader: ProtobufReader, sent: str, reason: str
) -> None:
    with pytest.raises(ParseError, match=reason) as error:
        reader.to_json(bytes.fromhex(sent))
    assert "abc" not in str(error.value)


def test_a_time_out_of_range_is_a_parse_error(
    reader: ProtobufReader, tick: type[Any]
) -> None:
    with pytest.raises(ParseError, match="between the years"):
        reader.to_json(tick(at={"seconds": 2**60}).SerializeToString())


def test_proto2_has_presence_and_extensions(tmp_path: Path) -> None:
    proto = tmp_path / "old.proto"
    proto.write_text(
        """
        syntax = "proto2";
        package old;
        message Trade {
          optional string price = 1 [default = "none"];
          optional group Leg = 2 { optional int64 id = 1; }
          extensions 100 to 199;
        }
        extend Trade { optional uint64 flags = 100; }
        """,
        encoding="utf-8",
    )
    path = compile_protos(proto, tmp_path)
    reader = ProtobufReader(str(path), "old.Trade")
    assert reader.to_json(b"") == b"{}"
    sent = bytes.fromhex("13 08 05 14 a0 06 07")
    assert json.loads(reader.to_json(sent)) == {"leg": {"id": 5}, "[old.flags]": 7}


def test_a_file_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match=r"^descriptor_file: .* cannot be read"):
        ProtobufReader("no/such.pb", "a.B")


def test_a_file_that_is_no_descriptor_set_is_named() -> None:
    with pytest.raises(ValueError, match=r"^descriptor_file: .*--include_imports"):
        ProtobufReader(str(TICKS), "a.B")


def test_a_set_without_its_imports_is_named(tmp_path: Path) -> None:
    path = compile_protos(TICKS, tmp_path, imports=False)
    with pytest.raises(ValueError, match=r"^descriptor_file: .*--include_imports"):
        ProtobufReader(str(path), "tap.test.Tick")


def test_a_type_that_is_missing_is_named(descriptors: Path) -> None:
    with pytest.raises(ValueError, match=r"^message_type: .*package\.Name"):
        ProtobufReader(str(descriptors), "Tick")
