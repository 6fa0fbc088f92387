"""What a feed's own numbers tell, over real sockets: counted, in columns, acted on."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import FeedError
from tests.support.receive import receive
from tests.support.servers import serve

if TYPE_CHECKING:
    from tests.support.receive import Received
    from tests.support.servers import Peer

pytestmark = pytest.mark.usefixtures("each_transport")


def run_feed(messages: list[Any], **given: Any) -> Received:
    """Run a feed that sends messages on one connection, and then closes."""

    async def script(peer: Peer) -> None:
        for message in messages:
            await peer.send(json.dumps(message))
        await peer.close(1000)

    with serve(script) as server:
        return receive(url=server.url, record_metadata=True, **given)


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
    assert isinstance(run.error, FeedError)
    assert "sequence" in str(run.error)
    assert [record["n"] for record in run.records] == [1, 2, 4]


def test_a_gap_subscribes_anew_and_not_for_ever() -> None:
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


def test_two_lines_that_lose_other_messages_miss_nothing() -> None:
    async def script(peer: Peer) -> None:
        await asyncio.sleep(0.3)
        for n in range(300):
            if n in {50, 51, 200} or n % 7 == peer.number:
                continue
            await peer.send(json.dumps({"n": n}))
        await peer.wait()

    with serve(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            redundancy=2,
            overlap=0.5,
            sequence={"path": "$.n"},
            max_duration=2,
        )
    assert sorted(record["n"] for record in run.records) == [
        n for n in range(300) if n not in {50, 51, 200}
    ]
    assert run.counts.missing == 3
