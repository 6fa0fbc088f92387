"""What of a message is a document, and what stands beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tap_websocket.errors import ConfigError, FeedError, ParseError
from tests.support.receive import make_settings, receive
from tests.support.scripts import receive_messages
from tests.support.servers import Kind, Peer, serve
from tests.support.tap import parse

pytestmark = pytest.mark.usefixtures("each_transport")

_NATS = r"^MSG (?P<subject>\S+) (?P<sid>\d+) \d+\r\n(?P<json>.*)"


def test_other_groups_are_columns_beside_the_fields(kind: Kind) -> None:
    """NATS names the subject beside the payload."""
    run = receive_messages(
        'MSG trades.BTC 1 9\r\n{"p":"1.10"}\r\n',
        'MSG trades.ETH 1 9\r\n[{"p":"2"},{"p":"3","subject":"own"}]\r\n',
        "PING\r\n",
        kind=kind,
        message_pattern=_NATS,
        infer_messages=1,
    )
    assert run.error is None
    found = [(one["subject"], one["sid"], one["p"]) for one in run.records]
    assert found == [
        ("trades.BTC", "1", "1.10"),
        ("trades.ETH", "1", "2"),
        ("trades.ETH", "1", "3"),
    ]
    assert parse(run.records[2]["_rescued_data"]) == {"subject": "own"}
    assert run.schemas[0]["properties"]["sid"]["type"] == ["string", "null"]


def test_message_fields_take_a_group() -> None:
    run = receive_messages(
        'MSG a 7 9\r\n{"p":1,"q":{"r":2}}',
        message_pattern=_NATS,
        message_fields={"topic": "subject", "r": "$.q.r"},
    )
    (record,) = run.records
    assert (record["topic"], record["sid"], record["r"]) == ("a", "7", 2)
    assert "subject" not in run.schemas[-1]["properties"]


def test_a_group_that_took_no_part_is_null() -> None:
    run = receive_messages(
        '42["a",{"n":1}]',
        '427["b",{"n":2}]',
        message_pattern=r"^42(?P<id>\d+)?(?P<json>\[.*)$",
        records_path="$[1]",
        message_fields={"event": "$[0]"},
    )
    found = [(one.get("id"), one["event"], one["n"]) for one in run.records]
    assert found == [(None, "a", 1), ("7", "b", 2)]


def test_groups_stand_beside_the_data_of_an_envelope() -> None:
    run = receive_messages('MSG a 7 9\r\n{"p":1}', message_pattern=_NATS, envelope=True)
    (record,) = run.records
    assert (record["subject"], record["sid"]) == ("a", "7")
    assert record["data"] == {"p": 1}


def test_groups_go_with_a_schema_that_lacks_them() -> None:
    run = receive_messages(
        'MSG a 7 9\r\n{"p":1}',
        message_pattern=_NATS,
        schema={"type": "object", "properties": {"p": {"type": "integer"}}},
    )
    (record,) = run.records
    assert (record["subject"], record["p"]) == ("a", 1)


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"message_fields": {"a": "b"}}, "'b' is neither a JSONPath"),
        ({"message_fields": {"_rescued_data": "sid"}}, "_rescued_data is a column"),
        (
            {"message_pattern": "(?P<url>.)(?P<json>.)", "envelope": True},
            "url is a column that the tap itself fills",
        ),
    ],
)
def test_wrong_fields_are_one_line(given: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        make_settings(**{"message_pattern": _NATS, **given})


def test_documents_that_follow_each_other_are_split(kind: Kind) -> None:
    run = receive_messages(
        '{"n":1}{"n":2.50} \r\n [{"n":3},{"n":"}{"}]',
        '\n{"n":12345678901234567890123}{"n":5}\n',
        " ",
        kind=kind,
        record_separator="",
    )
    assert run.error is None
    assert [str(record["n"]) for record in run.records] == [
        "1",
        "2.50",
        "3",
        "}{",
        "12345678901234567890123",
        "5",
    ]


def test_what_cannot_be_read_behind_a_document_is_one() -> None:
    messages = ('{"n":1}{"n":', '{"n":2}')
    failed = receive_messages(*messages, record_separator="")
    assert isinstance(failed.error, ParseError)
    assert [record["n"] for record in failed.records] == [1]
    skipped = receive_messages(*messages, record_separator="", on_parse_error="skip")
    assert [record["n"] for record in skipped.records] == [1, 2]
    assert skipped.counts.skipped == 1


def test_many_documents_take_no_more_than_their_time() -> None:
    message = '{"n":1}' * 100_000
    run = receive_messages(
        message, record_separator="", infer_messages=0, max_duration=60
    )
    assert run.error is None
    assert len(run.records) == 100_000
    assert run.seconds < 30


def test_the_empty_separator_is_for_json() -> None:
    with pytest.raises(ConfigError, match="the empty text is for JSON documents"):
        make_settings(record_separator="", message_format="raw_string")


def test_a_captured_integer_may_be_added_to(kind: Kind) -> None:
    """A cursor that goes back some seconds, so that nothing is missed."""

    async def script(peer: Peer) -> None:
        await peer.send(json.dumps({"time_us": 1_700_000_000_000_000 + peer.number}))
        await peer.close(4000)
        await peer.wait()

    with serve(script, kind) as server:
        run = receive(
            url=server.url + "?cursor={cursor}",
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=2,
            message_rules=[
                {"capture": {"cursor": {"path": "$.time_us", "add": -5_000_000}}}
            ],
        )
    assert run.error is None
    paths = [peer.path for peer in server.peers[:2]]
    assert [path.partition("=")[2] for path in paths] == ["", "1699999995000001"]


@pytest.mark.parametrize(
    ("value", "added"),
    [("7", "9"), (7, 9), ("a7", "a7"), (1.5, 1.5), (True, True), ("9" * 30, None)],
)
def test_only_integers_are_added_to(value: Any, added: Any) -> None:
    expected = str(int("9" * 30) + 2) if added is None else added
    taken: list[Any] = []

    async def script(peer: Peer) -> None:
        await peer.send(json.dumps({"v": value}))
        taken.append(json.loads(await peer.recv()))
        await peer.close()
        await peer.wait()

    with serve(script) as server:
        receive(
            url=server.url,
            message_rules=[
                {
                    "capture": {"v": {"path": "$.v", "add": 2}},
                    "then": "ignore",
                    "reply": {"v": "{v}"},
                }
            ],
        )
    assert taken == [{"v": expected}]


_MATCHED = {"match": {"$binary": True}}


async def _mixed(peer: Peer) -> None:
    await peer.send('{"n":1}')
    await peer.send(b"\x89PNG\xff")
    await peer.send(b'{"n":2}')
    await peer.send('{"n":3}')
    await peer.close()
    await peer.wait()


@pytest.mark.parametrize(
    ("matcher", "numbers"),
    [({"$binary": True}, [1, 3]), ({"$not": {"$binary": True}}, [2])],
)
def test_messages_are_ignored_by_their_frame(
    matcher: Any, numbers: list[int], kind: Kind
) -> None:
    """A Socket.IO attachment, which is no UTF-8, ends no run."""
    with serve(_mixed, kind) as server:
        run = receive(
            url=server.url,
            on_parse_error="fail" if numbers == [1, 3] else "skip",
            message_rules=[{"match": matcher, "then": "ignore"}],
        )
    assert run.error is None
    assert [record["n"] for record in run.records] == numbers
    assert run.counts.ignored == 2


def test_a_rule_for_frames_that_acts_is_the_last_one() -> None:
    with serve(_mixed) as server:
        run = receive(
            url=server.url,
            on_parse_error="skip",
            message_rules=[
                {"match": {"$binary": True}, "then": "emit"},
                {"match": {"n": {"$exists": True}}, "then": "ignore"},
                {"match": {"$regex": "n"}, "then": "ignore"},
            ],
        )
    assert [record["n"] for record in run.records] == [2]


def test_a_binary_frame_may_be_fatal_answered_or_awaited(kind: Kind) -> None:
    with serve(_mixed, kind) as server:
        run = receive(url=server.url, message_rules=[{**_MATCHED, "then": "fail"}])
    assert isinstance(run.error, FeedError)
    assert [record["n"] for record in run.records] == [1]

    async def script(peer: Peer) -> None:
        assert await peer.recv() == "go"
        await peer.send(b"\xff")
        assert await peer.recv() == "ack"
        assert await peer.recv() == "next"
        await peer.send(b"\xff")
        await peer.send('{"n":1}')
        await peer.close()
        await peer.wait()

    with serve(script, kind) as server:
        run = receive(
            url=server.url,
            message_rules=[{**_MATCHED, "then": "emit", "reply": "ack"}],
            subscribe_messages=[{"message": "go", "reply": {"$binary": True}}, "next"],
        )
    assert run.error is None
    assert [record["n"] for record in run.records] == [1]


def test_nothing_is_captured_by_a_frame() -> None:
    with pytest.raises(ConfigError, match=r"nothing can be captured by \$binary"):
        make_settings(message_rules=[{**_MATCHED, "capture": {"a": "$.a"}}])
