"""What a feed's own numbers tell, over real sockets: counted, in columns, acted on."""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import SequenceError
from tests.support.receive import receive
from tests.support.scripts import receive_messages
from tests.support.servers import serve

if TYPE_CHECKING:
    from tests.support.receive import Received
    from tests.support.servers import Peer

pytestmark = pytest.mark.usefixtures("each_transport")


def run_feed(messages: list[Any], **given: Any) -> Received:
    """Run a feed that sends messages on one connection, and then closes."""
    return receive_messages(*map(json.dumps, messages), record_metadata=True, **given)


def columns(run: Received, *names: str) -> list[Any]:
    return [[record[name] for name in names] for record in run.records]


DECLARED = {"type": "object", "properties": {"n": {"type": "integer"}}}


@pytest.mark.parametrize("schema", [None, DECLARED])
def test_gaps_are_a_column(schema: dict[str, Any] | None) -> None:
    messages = [{"n": n} for n in (1, 2, 5, 6, 6, 4, 10)]
    given = {} if schema is None else {"schema": schema}
    run = run_feed(messages, sequence={"path": "$.n"}, **given)
    assert run.error is None
    assert columns(run, "n", "_missing") == [
        [1, 0],
        [2, 0],
        [5, 2],
        [6, 0],
        [6, 0],
        [4, 0],
        [10, 3],
    ]
    assert run.counts.missing == 5


def test_there_is_none_without_numbers() -> None:
    run = run_feed([{"n": 1}, {"n": 5}])
    assert columns(run, "_missing", "_outage_seconds") == [[None, None]] * 2
    assert run.counts.missing == 0


def test_ignored_documents_count_and_say_it_later() -> None:
    messages = [
        {"n": 1, "s": "a"},
        {"n": 4, "s": "a", "type": "heartbeat"},
        {"n": 70, "s": "b"},
        {"n": 5, "s": "a"},
    ]
    run = run_feed(
        messages,
        sequence={"path": "$.n", "by": ["$.s"]},
        message_rules=[{"match": {"type": "heartbeat"}, "then": "ignore"}],
    )
    assert columns(run, "n", "_missing") == [[1, 0], [70, 0], [5, 2]]


def test_numbers_may_be_in_the_records() -> None:
    messages = [
        {"data": [{"n": 1, "s": "a"}, {"n": 9, "s": "b"}]},
        {"data": [{"n": 4, "s": "a"}, {"n": 5, "s": "a"}, {"n": 11, "s": "b"}]},
    ]
    run = run_feed(
        messages,
        records_path="$.data",
        sequence={"path": "$.n", "by": ["$.s"]},
    )
    assert columns(run, "n", "_missing") == [[1, 0], [9, 0], [4, 2], [5, 0], [11, 1]]


@pytest.mark.parametrize(
    ("sequence", "words"),
    [
        ({"path": "$.u", "by": ["$.s"]}, "sequence.path: the path found nothing"),
        ({"path": "$.s", "by": ["$.t"]}, "sequence.path: the path found nothing"),
        (
            {"path": "$.n", "by": ["$.s", "$.t"]},
            "sequence.by[1]: the path found nothing",
        ),
        ({"path": "$.n", "previous": "$.m"}, "sequence.previous: the path found"),
        ({"path": "$.n", "first": "$.m"}, "sequence.first: the path found nothing"),
        ({"path": "$.n", "by": ["$.s"]}, None),
        ({"path": "$.n"}, None),
    ],
)
@pytest.mark.parametrize("records_path", [None, "$.data"])
def test_a_path_that_found_nothing_is_named_at_the_end(
    sequence: dict[str, Any],
    words: str | None,
    records_path: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    messages: list[Any] = [{"n": n, "s": s} for n in (1, 2) for s in "ab"]
    given = {}
    if records_path is not None:
        messages = [{"data": messages}]
        given = {"records_path": records_path}
    run_feed(messages, sequence=sequence, **given)
    lines = [text for text in caplog.messages if text.startswith("sequence.")]
    assert len(lines) == (0 if words is None else 1)
    assert all(line.startswith(words or "") for line in lines)


def test_paths_of_a_feed_that_sent_nothing_are_not_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    run_feed([], sequence={"path": "$.n"})
    assert not [text for text in caplog.messages if text.startswith("sequence.")]


def test_numbers_of_the_document_stand_at_its_first_record() -> None:
    messages = [{"u": n, "data": [{"x": n}, {"x": -n}]} for n in (1, 4)]
    run = run_feed(messages, records_path="$.data", sequence={"path": "$.u"})
    assert columns(run, "x", "_missing") == [[1, 0], [-1, 0], [4, 2], [-4, 0]]


def test_an_array_of_objects_is_several_documents() -> None:
    run = run_feed(
        [[{"n": 1}, {"n": 3}], [{"n": 4}, {"n": 7}]], sequence={"path": "$.n"}
    )
    assert sum(row["_missing"] for row in run.records) == run.counts.missing == 3


def test_a_gap_fails_the_run_after_what_was_received() -> None:
    run = run_feed(
        [{"n": 1}, {"n": 2}, {"n": 4}],
        sequence={"path": "$.n", "on_gap": "fail"},
    )
    assert isinstance(run.error, SequenceError)
    assert "sequence" in str(run.error)
    assert [record["n"] for record in run.records] == [1, 2, 4]


@pytest.mark.parametrize("scope", ["feed", "connection"])
def test_a_gap_fails_the_run_whatever_its_line_has_come_to(scope: str) -> None:
    """One line is subscribed; the other one is sent data before it is."""
    both = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.recv()
        if peer.number == 1:
            await peer.send('{"ack": true}')
            await both.wait()
            await peer.send('{"n": 1}')
        else:
            both.set()
            for n in (1, 2, 5):
                await peer.send(json.dumps({"n": n}))
            # A line has `overlap` to bring what another one has skipped.
            for n in itertools.count(6):
                await asyncio.sleep(0.5)
                await peer.send(json.dumps({"n": n}))
        await peer.wait()

    with serve(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            redundancy=2,
            overlap=0.5,
            subscribe_messages=[
                {"message": "go", "reply": {"ack": True}, "reply_timeout": 60}
            ],
            sequence={"path": "$.n", "scope": scope, "on_gap": "fail"},
            max_duration=20,
        )
        assert len(server.peers) == 2
    assert isinstance(run.error, SequenceError)
    assert {1, 2, 5} <= {record["n"] for record in run.records}


def test_a_gap_subscribes_anew_and_not_for_ever(
    caplog: pytest.LogCaptureFixture,
) -> None:
    subscribed = 0

    async def script(peer: Peer) -> None:
        nonlocal subscribed
        await peer.recv()
        subscribed += 1
        base = 100 * peer.number
        for n in (1, 2, 4, 5):
            await peer.send(json.dumps({"n": base + n}))
            await asyncio.sleep(0.02)
        await peer.wait()

    with serve(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.05,
            subscribe_messages=["book"],
            sequence={"path": "$.n", "on_gap": "reconnect"},
            max_messages=9,
        )
    assert run.error is None
    assert subscribed >= 3
    (lost, *_) = [record for record in caplog.messages if record.startswith("Lost")]
    assert lost.endswith(
        ": numbers of the feed are missing (on_gap: reconnect); reconnecting"
    )
    assert "a message rule" not in caplog.text
    # What was skipped between two connections counts, and triggers nothing.
    assert run.counts.missing > 100


def test_an_outage_is_a_column() -> None:
    async def script(peer: Peer) -> None:
        for n in range(3):
            await peer.send(json.dumps({"n": n}))
        await peer.close(1012)

    with serve(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.3,
            record_metadata=True,
            max_messages=7,
        )
    seconds = [row["_outage_seconds"] for row in run.records]
    assert [value is not None for value in seconds] == [
        False,
        False,
        False,
        True,
        False,
        False,
        True,
    ]
    total = sum(float(value) for value in seconds if value is not None)
    assert total == pytest.approx(run.counts.disconnected_seconds, abs=0.01)
    assert run.counts.outages == 2


@pytest.mark.parametrize(
    ("sequence", "messages", "missing"),
    [
        (
            {"path": "$.u", "first": "$.U"},
            [{"U": 1, "u": 3}, {"U": 4, "u": 4}, {"U": 7, "u": 9}, {"U": 9, "u": 10}],
            [0, 0, 2, 0],
        ),
        (
            {"path": "$.n", "step": 10},
            [{"n": 10}, {"n": 20}, {"n": 50}],
            [0, 0, 2],
        ),
        (
            {"path": "$.id", "previous": "$.prev"},
            [
                {"id": 5, "prev": -1},
                {"id": 9, "prev": 5},
                {"id": 20, "prev": 12},
                {"id": 21, "prev": 20},
                {"id": 3, "prev": -1},
                {"id": 8, "prev": 3},
            ],
            [0, 0, 1, 0, 0, 0],
        ),
        (
            {"path": "$.n"},
            [{"n": "1"}, {"n": "2"}, {"n": "5"}],
            [0, 0, 2],
        ),
        (
            {"path": "$.s.n", "by": ["$.s.market", "$.kind"]},
            [
                {"s": {"n": 1, "market": "a"}, "kind": "x"},
                {"s": {"n": 7, "market": "a"}},
                {"s": {"n": 3, "market": "a"}, "kind": "x"},
                {"s": {"n": 9, "market": "a"}},
            ],
            [0, 0, 1, 1],
        ),
    ],
    ids=["ranges", "step", "previous", "texts", "a key that is not always there"],
)
def test_each_kind_of_numbers(
    sequence: dict[str, Any], messages: list[Any], missing: list[int]
) -> None:
    run = run_feed(messages, sequence=sequence)
    assert run.error is None
    assert [record["_missing"] for record in run.records] == missing
    assert run.counts.missing == sum(missing)


@pytest.mark.parametrize("on_gap", ["log", "fail"])
def test_what_is_no_number_is_no_gap(on_gap: str) -> None:
    odd = [None, "", "x1", "٣", 2.5, True, [7], {"n": 7}, 10**40 * 1.0]
    messages: list[dict[str, Any]] = [
        {"i": 0, "n": 1},
        *({"i": i, "n": value} for i, value in enumerate(odd, 1)),
        {"i": 20},
        {"i": 21, "n": 2},
        {"i": 22, "n": 3},
    ]
    run = run_feed(messages, sequence={"path": "$.n", "on_gap": on_gap})
    assert run.error is None
    assert [record["i"] for record in run.records] == [m["i"] for m in messages]
    assert run.counts.missing == 0


@pytest.mark.parametrize("on_gap", ["log", "reconnect", "fail"])
def test_a_feed_that_begins_anew_has_no_gap(on_gap: str) -> None:
    """Its numbers are lower on the next connection; a late one is none of these."""

    async def script(peer: Peer) -> None:
        numbers = {1: [100, 101, 102, 99, 103], 2: [1, 2, 3]}
        for n in numbers.get(peer.number, [4, 5]):
            await peer.send(json.dumps({"n": n}))
        await peer.close(1012)

    with serve(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.05,
            sequence={"path": "$.n", "on_gap": on_gap},
            max_messages=10,
        )
    assert run.error is None
    assert [row["n"] for row in run.records] == [100, 101, 102, 99, 103, 1, 2, 3, 4, 5]
    assert run.counts.missing == 0
    assert run.counts.reconnects == 2
