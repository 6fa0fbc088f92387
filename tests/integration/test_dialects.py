"""Records inside messages, over a real socket: each setting of a feed's dialect."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tap_websocket.errors import ConnectionFailed, ParseError
from tap_websocket.feed.inbound import Origin
from tap_websocket.records.payloads import PayloadReader
from tests.support.intake import by_hand
from tests.support.receive import make_settings, receive
from tests.support.scripts import receive_messages
from tests.support.servers import Kind, Peer, serve
from tests.support.tap import parse

if TYPE_CHECKING:
    from collections.abc import Callable


pytestmark = pytest.mark.usefixtures("each_transport")


def raw_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


def rescued(record: dict[str, Any]) -> Any:
    text = record.get("_rescued_data")
    return text and parse(text)


@pytest.mark.parametrize(
    ("compression", "compress"),
    [("gzip", gzip.compress), ("zlib", zlib.compress), ("deflate", raw_deflate)],
)
def test_compressed_binary_messages_and_plain_text(
    compression: str,
    compress: Callable[[bytes], bytes],
    kind: Kind,
) -> None:
    run = receive_messages(
        compress(b'{"n":1}'),
        '{"n":2}',
        compress(b'{"n":3.10}'),
        kind=kind,
        payload_compression=compression,
    )
    assert run.error is None
    assert [str(record["n"]) for record in run.records] == ["1", "2", "3.10"]


def test_a_message_that_is_not_compressed_as_said(kind: Kind) -> None:
    messages = (gzip.compress(b'{"n":1}'), b"no gzip", gzip.compress(b'{"n":2}'))
    run = receive_messages(*messages, kind=kind, payload_compression="gzip")
    assert isinstance(run.error, ParseError)
    assert "payload_compression" in str(run.error)
    assert [record["n"] for record in run.records] == [1]
    skipped = receive_messages(
        *messages, payload_compression="gzip", on_parse_error="skip"
    )
    assert skipped.error is None
    assert [record["n"] for record in skipped.records] == [1, 2]
    assert skipped.counts.skipped == 1
    assert skipped.counts.received_bytes == 7 + len('{"n":1}{"n":2}')


def test_large_messages_are_inflated_as_they_are_taken() -> None:
    large = gzip.compress(json.dumps({"x": "y" * 1_000_000}).encode())
    hand = by_hand(make_settings(payload_compression="gzip", max_messages=3))
    with mock.patch.object(
        PayloadReader, "inflate", autospec=True, side_effect=PayloadReader.inflate
    ) as inflate:
        source = Origin(1, "ws://feed/", {})
        outcome = hand.handler.consume(source, [large] * 30, True, 3)
        # What is large is left to another thread.
        assert outcome.rest is not None
        outcome.rest()
    assert outcome.messages == 3
    assert inflate.call_count <= 5


def test_a_message_that_inflates_too_far_closes_with_1009() -> None:
    bomb = gzip.compress(json.dumps({"x": "y" * 10_000_000}).encode())

    async def script(peer: Peer) -> None:
        await peer.send(gzip.compress(b'{"n":%d}' % peer.number))
        await peer.send(bomb)
        await peer.wait()

    settings: dict[str, Any] = {
        "payload_compression": "gzip",
        "max_message_bytes": 1_000_000,
    }
    with serve(script) as server:
        run = receive(url=server.url, **settings)
    assert isinstance(run.error, ConnectionFailed)
    assert "max_message_bytes" in str(run.error)
    assert [record["n"] for record in run.records] == [1]
    assert server.peers[0].close_code == 1009

    async def only_bombs(peer: Peer) -> None:
        await peer.send(bomb)
        await peer.wait()

    with serve(only_bombs) as server:
        run = receive(
            url=server.url, reconnect=True, reconnect_backoff=0.01, **settings
        )
    assert "keeps sending messages over max_message_bytes (1000000)" in str(run.error)
    assert len(server.peers) == 2


def test_a_message_holds_several_documents() -> None:
    run = receive_messages(
        '{"n":1}\x1e{"n":2}\x1e',
        '\x1e\x1e{"n":3}',
        record_separator="\x1e",
        max_messages=2,
    )
    assert run.error is None
    assert [record["n"] for record in run.records] == [1, 2, 3]
    assert run.counts.messages == 2


def test_one_bad_document_does_not_cost_the_others() -> None:
    run = receive_messages(
        b'{"n":1}\n\xff\n{oops\n{"n":2}',
        record_separator="\n",
        on_parse_error="skip",
    )
    assert [record["n"] for record in run.records] == [1, 2]
    assert (run.counts.messages, run.counts.skipped) == (1, 2)


def test_a_pattern_finds_the_json() -> None:
    run = receive_messages(
        '42["hey",{"a":1}]',
        "2",
        '40{"sid":"x"}',
        message_pattern=r'^42\["\w+",(?P<json>\{.*\})\]$',
    )
    assert [record["a"] for record in run.records] == [1]
    assert run.counts.ignored == 2


def test_the_groups_of_a_pattern_become_columns() -> None:
    run = receive_messages(
        ":foo!foo@x PRIVMSG #chan :hello there\r\nPING :x\r\n",
        ":bar PRIVMSG #chan :\0",
        message_format="raw_string",
        record_separator="\r\n",
        message_pattern=r"^:(?P<nick>\w+)(?:!(?P<user>\S+))? PRIVMSG \S+ :(?P<text>.*)",
    )
    assert run.records[0] == {"nick": "foo", "user": "foo@x", "text": "hello there"}
    assert run.records[1].get("user") is None
    assert parse(run.records[1]["text"]) == "\0"
    (schema,) = run.schemas
    text = {"type": ["string", "null"]}
    assert schema["properties"] == {"nick": text, "user": text, "text": text}


def test_groups_in_an_envelope() -> None:
    run = receive_messages(
        "a=1",
        message_format="raw_string",
        message_pattern=r"(?P<name>\w)=(?P<value>\d)",
        envelope=True,
    )
    assert run.records[0]["data"] == {"name": "a", "value": "1"}


def test_json_inside_of_strings() -> None:
    run = receive_messages(
        '{"event":"update","payload":"{\\"id\\":\\"1\\",\\"n\\":1.10}"}',
        '{"event":"delete","payload":"106692867363994015"}',
        '{"event":"filters_changed"}',
        json_fields=["$.payload"],
        infer_messages=1,
    )
    assert run.records[0]["payload"] == {"id": "1", "n": parse("1.10")}
    assert run.records[1].get("payload") is None
    assert rescued(run.records[1]) == {"payload": "106692867363994015"}
    assert run.records[2].get("payload") is None


def test_records_inside_of_documents() -> None:
    run = receive_messages(
        '{"ch":"a","data":[{"p":1},{"p":2}]}',
        '{"ch":"b","data":[]}',
        '{"ch":"c"}',
        '{"ch":"d","data":{"p":3}}',
        '{"ch":"e","data":[{"p":4}]}',
        records_path="$.data",
        message_fields={"channel": "$.ch"},
        max_messages=3,
        record_metadata=True,
    )
    assert run.error is None
    found = [
        (record["channel"], record["p"], record["_sequence"]) for record in run.records
    ]
    assert found == [("a", 1, 1), ("a", 2, 2), ("d", 3, 3), ("e", 4, 4)]
    assert run.counts.ignored == 2


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("$.events[*].trades[*]", [{"p": 1}, {"p": 2}, {"p": 3}]),
        ("$.events[*].trades", [{"p": 1}, {"p": 2}, {"p": 3}]),
        ("$.events[?(@.k=='x')].trades", [{"p": 3}]),
        ("$.result", [{"data": "0xabc"}]),
    ],
)
def test_paths(path: str, expected: list[Any]) -> None:
    message = {
        "result": "0xabc",
        "events": [
            {"k": "u", "trades": [{"p": 1}, {"p": 2}]},
            {"k": "x", "trades": [{"p": 3}]},
        ],
    }
    run = receive_messages(json.dumps(message), records_path=path)
    assert [
        {name: value for name, value in record.items() if name != "_rescued_data"}
        for record in run.records
    ] == expected


def test_the_path_of_everything_keeps_arrays_whole() -> None:
    run = receive_messages('[{"a":1},{"a":2}]', "[]", '{"a":3}', records_path="$")
    assert run.records[0]["data"] == [{"a": 1}, {"a": 2}]
    assert run.records[1]["a"] == 3
    assert len(run.records) == 2


def test_arrays_become_columns() -> None:
    run = receive_messages(
        '[1718,"1.2",{"x":1}]',
        "[1719]",
        '[1720,"1.3",null,"more",[1.10]]',
        array_columns=["time", "price", "extra"],
    )
    assert [record["time"] for record in run.records] == [1718, 1719, 1720]
    assert [record.get("price") for record in run.records] == ["1.2", None, "1.3"]
    assert rescued(run.records[2]) == {"3": "more", "4": [parse("1.10")]}
    assert rescued(run.records[0]) is None


def test_candles_are_arrays_in_an_array() -> None:
    run = receive_messages(
        '{"arg":{"instId":"BTC"},"data":[["1","8533"],["2","8534"]]}',
        records_path="$.data[*]",
        array_columns=["ts", "open"],
        message_fields={"instrument": "$.arg.instId"},
        primary_keys=["instrument", "ts"],
    )
    assert run.error is None
    found = [(row["instrument"], row["ts"], row["open"]) for row in run.records]
    assert found == [("BTC", "1", "8533"), ("BTC", "2", "8534")]


def test_more_items_than_names_stay_where_nothing_is_rescued() -> None:
    run = receive_messages("[1,2,3]", array_columns=["a", "b"], envelope=True)
    assert run.records[0]["data"] == {"a": 1, "b": 2, "2": 3}


def test_a_message_field_wins_over_a_field_of_the_record() -> None:
    run = receive_messages(
        '{"s":"outer","data":[{"s":"inner","p":1},{"p":2}]}',
        records_path="$.data",
        message_fields={"s": "$.s"},
    )
    assert [record["s"] for record in run.records] == ["outer", "outer"]
    assert rescued(run.records[0]) == {"s": "inner"}


def test_message_fields_need_not_stand_in_a_schema() -> None:
    run = receive_messages(
        '{"s":"x","data":{"p":1,"q":2}}',
        '{"s":7,"data":{"p":2}}',
        records_path="$.data",
        message_fields={"s": "$.s"},
        schema={"type": "object", "properties": {"p": {"type": "integer"}}},
    )
    assert run.records[0]["s"] == "x"
    assert rescued(run.records[0]) == {"q": 2}
    # The column is of text by then; what does not fit is rescued like any other.
    assert run.records[1].get("s") is None
    assert rescued(run.records[1]) == {"s": 7}


def test_message_fields_stand_beside_an_envelopes_data() -> None:
    run = receive_messages(
        '{"s":"x","data":[{"s":"inner"},{"p":2}]}',
        '{"s":7,"data":{"p":3}}',
        records_path="$.data",
        message_fields={"s": "$.s"},
        envelope=True,
    )
    assert [record["data"] for record in run.records] == [
        {"s": "inner"},
        {"p": 2},
        {"p": 3},
    ]
    assert [record["s"] for record in run.records] == ["x", "x", "7"]


def test_a_sample_waits_for_data_and_knows_message_fields() -> None:
    run = receive_messages(
        '{"type":"welcome"}',
        '{"s":"a","data":[{"p":1}]}',
        '{"s":"b","data":[{"p":2}]}',
        records_path="$.data",
        message_fields={"s": "$.s"},
        infer_messages=2,
    )
    (schema,) = run.schemas
    assert set(schema["properties"]) == {"p", "s", "_rescued_data"}


def test_whole_messages_with_a_records_path() -> None:
    run = receive_messages(
        '{"data":[{"p":1},{"p":2}]}', records_path="$.data", infer_messages=0
    )
    assert [record["data"] for record in run.records] == [{"p": 1}, {"p": 2}]
