"""Binary payloads over a real socket: MessagePack, CBOR, Protobuf, zstd, streams."""

from __future__ import annotations

import json
import sys
import zlib
from typing import TYPE_CHECKING, Any

import cbor2
import msgpack
import pytest

from tap_websocket.errors import ConfigError, ParseError
from tests.support.protobuf import TICKS, compile_protos, message_class
from tests.support.receive import make_settings, receive
from tests.support.scripts import receive_messages
from tests.support.servers import Kind, Peer, serve
from tests.support.tap import parse

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.receive import Received

pytestmark = pytest.mark.usefixtures("each_transport")

_PACK: dict[str, Callable[[Any], bytes]] = {
    "msgpack": msgpack.packb,
    "cbor": cbor2.dumps,
}
_TRADES = [{"s": "BTC", "p": "1.10", "n": number} for number in range(3)]


def _columns(run: Received) -> set[str]:
    return set(run.schemas[-1]["properties"])


@pytest.fixture(scope="session")
def descriptors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_protos(TICKS, tmp_path_factory.mktemp("protobuf"))


@pytest.mark.parametrize("form", _PACK)
def test_binary_frames_are_read_and_text_frames_are_json(form: str, kind: Kind) -> None:
    messages = [_PACK[form](trade) for trade in _TRADES]
    text = json.dumps(_TRADES[0])
    run = receive_messages(*messages, text, kind=kind, message_format=form)
    assert run.error is None
    assert _columns(run) == {"s", "p", "n", "_rescued_data"}
    expected = [{**trade, "_rescued_data": None} for trade in (*_TRADES, _TRADES[0])]
    assert [{"_rescued_data": None, **record} for record in run.records] == expected


@pytest.mark.parametrize("form", _PACK)
def test_they_go_the_way_of_json(form: str) -> None:
    """Alpaca's way: an array with control messages and data, mixed."""
    control = [{"T": "success", "msg": "connected"}]
    data = [{"T": "t", "S": "AAPL", "p": 1.5}, {"T": "t", "S": "MSFT", "p": 2.5}]
    run = receive_messages(
        *map(_PACK[form], (control, data)),
        message_format=form,
        message_rules=[
            {"match": {"T": "success"}, "then": "ignore", "capture": {"m": "$.msg"}},
        ],
    )
    assert run.error is None
    assert [(record["S"], str(record["p"])) for record in run.records] == [
        ("AAPL", "1.5"),
        ("MSFT", "2.5"),
    ]


@pytest.mark.parametrize("form", _PACK)
def test_paths_fields_and_evolution_apply(form: str) -> None:
    message = {"symbol": "X", "data": [{"a": 1}, {"a": 2, "b": b"\x00\xff"}]}
    run = receive_messages(
        _PACK[form](message),
        message_format=form,
        records_path="$.data",
        message_fields={"symbol": "$.symbol"},
        infer_messages=1,
    )
    assert run.error is None
    found = [(record["symbol"], record["a"], record.get("b")) for record in run.records]
    assert found == [("X", 1, None), ("X", 2, "AP8=")]


def test_values_that_json_lacks_keep_their_meaning() -> None:
    value = {
        "at": msgpack.Timestamp(1, 123_456_789),
        "nan": float("nan"),
        "big": 2**64 - 1,
        5: "five",
    }
    run = receive_messages(msgpack.packb(value), message_format="msgpack")
    (record,) = run.records
    assert record["at"] == "1970-01-01T00:00:01.123456789Z"
    assert (record["nan"], record["5"]) == ("NaN", "five")
    assert str(record["big"]) == str(2**64 - 1)


def test_protobuf_messages_are_records(descriptors: Path, kind: Kind) -> None:
    tick = message_class(descriptors, "tap.test.Tick")
    messages = [
        tick(channel="c", deals=[{"price": "1", "side": 1}, {"price": "2", "side": 2}]),
        tick(channel="d", deals=[{"price": "3"}]),
    ]
    run = receive_messages(
        *(message.SerializeToString() for message in messages),
        kind=kind,
        message_format="protobuf",
        protobuf={
            "descriptor_file": str(descriptors),
            "message_type": "tap.test.Tick",
        },
        records_path="$.deals",
        message_fields={"channel": "$.channel"},
    )
    assert run.error is None
    assert [
        (record["channel"], record["price"], record["side"]) for record in run.records
    ] == [("c", "1", "BUY"), ("c", "2", "SELL"), ("d", "3", "SIDE_UNKNOWN")]


@pytest.mark.parametrize("form", _PACK)
def test_what_cannot_be_read_follows_on_parse_error(form: str, kind: Kind) -> None:
    good = [_PACK[form]({"n": number}) for number in (1, 2)]
    messages = (good[0], b"\xff\xff\xff", good[1])
    failed = receive_messages(*messages, kind=kind, message_format=form)
    assert isinstance(failed.error, ParseError)
    assert "a binary message of 3 bytes is not valid" in str(failed.error)
    assert [record["n"] for record in failed.records] == [1]

    skipped = receive_messages(
        *messages, kind=kind, message_format=form, on_parse_error="skip"
    )
    assert skipped.error is None
    assert [record["n"] for record in skipped.records] == [1, 2]
    assert skipped.counts.skipped == 1

    rescued = receive_messages(
        *messages, kind=kind, message_format=form, on_parse_error="rescue"
    )
    assert rescued.error is None
    assert [record.get("n") for record in rescued.records] == [1, None, 2]
    assert parse(rescued.records[1]["_rescued_data"]) == {"_message_base64": "////"}
    assert (rescued.counts.rescued, rescued.counts.skipped) == (1, 0)
    assert rescued.counts.messages == 3


def test_rescue_keeps_the_text_of_what_is_no_json(kind: Kind) -> None:
    run = receive_messages(
        '{"n":1}',
        "not json €",
        b"\xff",
        '{"n":2}',
        kind=kind,
        on_parse_error="rescue",
        infer_messages=1,
    )
    assert run.error is None
    found = [
        (record.get("n"), rescued and parse(rescued))
        for record in run.records
        for rescued in [record.get("_rescued_data")]
    ]
    assert found == [
        (1, None),
        (None, {"_message": "not json €"}),
        (None, {"_message_base64": "/w=="}),
        (2, None),
    ]
    assert run.counts.rescued == 2


def test_rescue_works_within_a_sample_and_a_document() -> None:
    run = receive_messages(
        'x\n{"n":1}\ny',
        on_parse_error="rescue",
        record_separator="\n",
        record_metadata=True,
        max_messages=1,
    )
    assert run.error is None
    assert [record.get("n") for record in run.records] == [None, 1, None]
    assert [record["_sequence"] for record in run.records] == [1, 2, 3]
    assert (run.counts.messages, run.counts.records) == (1, 3)


def test_rescued_messages_count_for_max_messages() -> None:
    pack = msgpack.packb
    run = receive_messages(
        *(b"\xc1", pack({"n": 1}), b"\xc1", pack({"n": 2})),
        message_format="msgpack",
        on_parse_error="rescue",
        max_messages=3,
    )
    assert [record.get("n") for record in run.records] == [None, 1, None]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"message_format": "raw_string"}, "message_format: raw_string; use skip"),
        ({"message_format": "binary"}, "message_format: binary; use skip"),
        ({"envelope": True}, "an envelope has with a schema only"),
        ({"primary_keys": ["id"]}, "does not go with primary_keys"),
    ],
)
def test_rescue_needs_its_column(given: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        make_settings(on_parse_error="rescue", **given)


@pytest.mark.parametrize("compression", ["zstd", "zlib_stream", "zstd_stream"])
def test_compressed_messages_come_back(compression: str, kind: Kind) -> None:
    deflater, compressor = zlib.compressobj(), zstd.ZstdCompressor()
    compress: dict[str, Callable[[bytes], bytes]] = {
        "zstd": zstd.compress,
        "zlib_stream": lambda data: (
            deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)
        ),
        "zstd_stream": lambda data: compressor.compress(data, compressor.FLUSH_BLOCK),
    }
    messages = [b'{"n":%d,"x":"%s"}' % (n, b"y" * 100) for n in range(100)]
    run = receive_messages(
        *map(compress[compression], messages),
        '{"n":100,"x":""}',
        kind=kind,
        payload_compression=compression,
    )
    assert run.error is None
    assert [record["n"] for record in run.records] == list(range(101))


def test_a_stream_begins_anew_with_each_connection(kind: Kind) -> None:
    async def script(peer: Peer) -> None:
        deflater = zlib.compressobj()
        for number in range(3):
            text = b'{"c":%d,"n":%d}' % (peer.number, number)
            await peer.send(deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH))
        await peer.close(4000)
        await peer.wait()

    with serve(script, kind) as server:
        run = receive(
            url=server.url,
            payload_compression="zlib_stream",
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=9,
        )
    assert run.error is None
    expected = [(c, n) for c in (1, 2, 3) for n in range(3)]
    assert [(record["c"], record["n"]) for record in run.records] == expected


def test_a_broken_stream_is_a_drop_where_it_may_be_skipped(kind: Kind) -> None:
    async def script(peer: Peer) -> None:
        deflater = zlib.compressobj()

        def packed(text: bytes) -> bytes:
            return deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH)

        await peer.send(packed(b'{"n":%d}' % peer.number))
        if peer.number == 1:
            await peer.send(b"\xff\xff no stream")
            await peer.send(packed(b'{"n":99}'))
        await peer.wait()

    with serve(script, kind) as server:
        run = receive(
            url=server.url,
            payload_compression="zlib_stream",
            on_parse_error="skip",
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=2,
        )
    assert run.error is None
    assert [record["n"] for record in run.records] == [1, 2]
    assert run.counts.reconnects == 1

    failed = receive_messages(
        b"no stream", kind=kind, payload_compression="zlib_stream"
    )
    assert isinstance(failed.error, ParseError)


def test_a_compressed_value_of_a_format_is_read() -> None:
    run = receive_messages(
        *(zlib.compress(msgpack.packb(trade)) for trade in _TRADES),
        message_format="msgpack",
        payload_compression="zlib",
    )
    assert [record["n"] for record in run.records] == [0, 1, 2]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"message_format": "protobuf"}, "protobuf: is required"),
        (
            {"message_format": "protobuf", "protobuf": {"descriptor_file": "x"}},
            "message_type",
        ),
    ],
)
def test_protobuf_needs_its_type(given: dict[str, Any], line: str) -> None:
    with pytest.raises((ConfigError, AssertionError), match=line):
        make_settings(**given)


def test_a_descriptor_that_cannot_be_read_starts_no_run() -> None:
    run = receive(
        message_format="protobuf",
        protobuf={"descriptor_file": "no/such.pb", "message_type": "a.B"},
    )
    assert isinstance(run.error, ConfigError)
    assert "protobuf.descriptor_file: no/such.pb cannot be read" in str(run.error)


@pytest.mark.parametrize(
    ("form", "module"), [("cbor", "cbor2"), ("protobuf", "google.protobuf")]
)
def test_a_missing_extra_is_named(
    form: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"pip install 'tap-websocket\[{form}\]'"):
        make_settings(message_format=form)
