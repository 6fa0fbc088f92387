"""Large messages: the connection lives while one is worked on, and order is kept."""

from __future__ import annotations

import gzip
import itertools
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import FeedError
from tests.support.protobuf import TICKS, compile_protos
from tests.support.raw import Pinging, close_frame, frame, opens, serve_raw
from tests.support.receive import receive

if TYPE_CHECKING:
    from pathlib import Path

    from tap_websocket.delivery.bridge import Bridge
    from tap_websocket.delivery.pages import Page
    from tests.support.raw import RawPeer

pytestmark = pytest.mark.usefixtures("each_transport")

MIB = 1024 * 1024


def rows(first: int, count: int) -> bytes:
    """Return an array of numbered objects."""
    return b"[%b]" % b",".join(b'{"n":%d}' % n for n in range(first, first + count))


MANY = MIB // 3
SHAPES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "an array of objects": (b"[%b{}]" % (b"{}," * MANY), {}),
    "lines": (b"{}\n" * MANY, {"record_separator": "\n"}),
    "documents": (b"{}" * MANY, {"record_separator": ""}),
    "an array inside": (
        b'{"d": [%b{}]}' % (b"{}," * MANY),
        {"records_path": "$.d[*]"},
    ),
    "a filter": (
        b'{"d": [%b{"a": 1}]}' % (b'{"a": 1},' * (MANY // 3)),
        {"records_path": "$.d[?(@.a == 1)]"},
    ),
    "a field": (b'{"d": [%b{}]}' % (b"{}," * MANY), {}),
    "an array of anything": (b"[1,%b[]]" % (b"[]," * MANY), {}),
    "rows": (
        b'{"d": [%b[1]]}' % (b"[1]," * MANY),
        {"records_path": "$.d[*]", "array_columns": ["a"]},
    ),
    "a rule for each": (
        b"[%b{}]" % (b'{"a": 1},' * (MANY // 3)),
        {"message_rules": [{"match": {"a": 1}, "then": "ignore"}]},
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_pings_are_answered_while_a_message_is_worked_on(shape: str) -> None:
    message, given = SHAPES[shape]
    server = Pinging(frame(message))
    with serve_raw(server) as served:
        run = receive(url=served.url, max_messages=1, **given)
    assert run.error is None
    assert run.counts.messages == 1
    assert run.records
    # Had the loop waited, one or two would have been read along with the message.
    assert server.pongs >= 3


@pytest.mark.parametrize("form", ["msgpack", "cbor"])
def test_pings_are_answered_while_a_binary_format_is_read(form: str) -> None:
    count = MIB // 4
    head = {"msgpack": b"\xdd", "cbor": b"\x9a"}[form]
    empty = {"msgpack": b"\x80", "cbor": b"\xa0"}[form]
    server = Pinging(frame(head + count.to_bytes(4, "big") + empty * count, opcode=2))
    with serve_raw(server) as served:
        run = receive(url=served.url, max_messages=1, message_format=form)
    assert (run.error, run.counts.records) == (None, count)
    assert server.pongs >= 3


def test_pings_are_answered_while_protobuf_is_read(tmp_path: Path) -> None:
    deal = b"\x0a\x05100.1\x10\x01\x1d1234\x20\x05"
    deals = b"\x22%c%b" % (len(deal), deal)
    server = Pinging(frame(deals * (MIB // len(deals)), opcode=2))
    given = {
        "descriptor_file": str(compile_protos(TICKS, tmp_path)),
        "message_type": "tap.test.Tick",
    }
    with serve_raw(server) as served:
        run = receive(
            url=served.url, max_messages=1, message_format="protobuf", protobuf=given
        )
    assert (run.error, run.counts.records) == (None, 1)
    assert server.pongs >= 3


def test_pings_are_answered_while_what_was_inflated_is_worked_on() -> None:
    message = gzip.compress(b"[%b{}]" % (b"{}," * MANY))
    assert len(message) < 16 * 1024
    server = Pinging(frame(message, opcode=2))
    with serve_raw(server) as served:
        run = receive(url=served.url, max_messages=1, payload_compression="gzip")
    assert (run.error, run.counts.records) == (None, MANY + 1)
    assert server.pongs >= 3


def test_what_follows_a_large_message_comes_behind_it() -> None:
    count = 50_000

    script = opens(
        frame(b'{"n":0}'),
        frame(rows(1, count)),
        frame(b'{"n":%d}' % (count + 1)),
        frame(rows(count + 2, count)),
        frame(b'{"n":%d}' % (2 * count + 2)),
        close_frame(1000),
    )
    with serve_raw(script) as server:
        run = receive(url=server.url, reconnect=False, max_duration=120)
    assert run.error is None
    assert [record["n"] for record in run.records] == list(range(2 * count + 3))
    assert (run.counts.messages, run.counts.records) == (5, 2 * count + 3)


def test_what_other_connections_bring_waits_its_turn() -> None:
    count = 50_000

    async def script(peer: RawPeer) -> None:
        await peer.upgrade()
        for number in itertools.count():
            first = 10**6 * peer.number + number * (count + 1)
            await peer.send(frame(rows(first, count)))
            await peer.send(frame(b'{"n":%d}' % (first + count)))
            if number == 2:
                break
        await peer.send(close_frame(1000))
        await peer.wait()

    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            reconnect=False,
            max_duration=120,
            contexts=[{"c": "1"}, {"c": "2"}],
        )
    assert run.error is None
    numbers = [record["n"] for record in run.records]
    for peer in (1, 2):
        own = [n - 10**6 * peer for n in numbers if n // 10**6 == peer]
        assert own == list(range(3 * (count + 1)))


def test_a_drop_behind_a_large_message_loses_nothing_of_it() -> None:
    count = 50_000

    async def script(peer: RawPeer) -> None:
        await peer.upgrade(frame(rows(count * (peer.number - 1), count)))
        if peer.number == 2:
            await peer.wait()

    with serve_raw(script) as server:
        run = receive(url=server.url, max_messages=2, reconnect=True)
    assert run.error is None
    assert [record["n"] for record in run.records] == list(range(2 * count))


def test_an_end_of_the_run_ends_the_work_on_a_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    count = 16 * MIB // 3

    script = opens(frame(b"[%b{}]" % (b"{}," * count)))
    with caplog.at_level(logging.WARNING), serve_raw(script) as server:
        run = receive(url=server.url, max_duration=3)
    assert run.error is None
    assert 0 < len(run.records) < count
    assert len(run.records) == run.counts.records
    assert "The run ended within a message" in caplog.text


def test_a_signal_ends_the_work_on_a_message() -> None:
    count = 16 * MIB // 3

    script = opens(frame(b"[%b{}]" % (b"{}," * count)))

    def stop(page: Page, bridge: Bridge) -> None:
        del page
        bridge.stop("a test")

    with serve_raw(script) as server:
        run = receive(url=server.url, each=stop)
    assert run.error is None
    assert 0 < len(run.records) < count


def test_what_has_come_is_taken_before_a_run_ends() -> None:
    count = 20_000

    script = opens(frame(rows(0, count)), frame(b'{"n":%d}' % count))

    def stop(page: Page, bridge: Bridge) -> None:
        del page
        bridge.stop("a test")

    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            each=stop,
            batch_size=100,
            schema={"properties": {"n": {"type": "integer"}}},
        )
    assert [record["n"] for record in run.records] == list(range(count + 1))


def test_a_message_waits_for_room_in_the_buffer() -> None:
    count = 40_000
    padded = b",".join(b'{"n":%d,"pad":"%b"}' % (n, b"x" * 80) for n in range(count))

    script = opens(frame(b"[%b]" % padded))
    most = 0

    def slow(page: Page, bridge: Bridge) -> None:
        del page
        nonlocal most
        if not most:
            time.sleep(1)
        most = max(most, bridge.buffer.undelivered)

    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            each=slow,
            max_messages=1,
            buffer_bytes=MIB,
            spill_bytes=0,
        )
    assert [record["n"] for record in run.records] == list(range(count))
    assert most < count // 2


def test_rules_act_on_each_object_of_a_large_message() -> None:
    count = 20_000
    got: list[str] = []

    async def script(peer: RawPeer) -> None:
        await peer.upgrade(frame(rows(0, count)), frame(b'{"n":-1}'))
        for _ in range(3):
            _, payload = await peer.recv()
            got.append(payload.decode())
        await peer.send(frame(b'{"n":-2}'))
        await peer.wait()

    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            max_messages=2,
            message_rules=[
                {"match": {"n": 5}, "reply": "five", "then": "ignore"},
                {
                    "match": {"n": count - 1},
                    "capture": {"last": "$.n"},
                    "reply": "{last}",
                    "then": "emit",
                },
                {"match": {"n": -1}, "reply": "{last}!", "then": "ignore"},
            ],
        )
    assert run.error is None
    assert got == ["five", f"{count - 1}", f"{count - 1}!"]
    numbers = [record["n"] for record in run.records]
    assert numbers == [n for n in range(count) if n != 5] + [-2]


def test_a_rule_that_is_fatal_keeps_what_stands_before_it() -> None:
    with serve_raw(opens(frame(rows(0, 50_000)))) as server:
        run = receive(
            url=server.url,
            max_messages=9,
            message_rules=[{"match": {"n": 40_000}, "then": "fail"}],
        )
    assert isinstance(run.error, FeedError)
    assert [record["n"] for record in run.records] == list(range(40_000))


def test_replies_inside_of_a_large_message_complete_a_subscription() -> None:
    sent: list[Any] = []

    async def script(peer: RawPeer) -> None:
        await peer.upgrade()
        sent.append(json.loads((await peer.recv())[1]))
        await peer.send(frame(rows(0, 20_000)))
        sent.append(json.loads((await peer.recv())[1]))
        await peer.send(frame(b'{"n":-1}'))
        await peer.wait()

    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            max_messages=2,
            subscribe_messages=[
                {"message": {"first": 1}, "reply": {"n": 7}},
                {"message": {"second": 2}},
            ],
        )
    assert run.error is None
    assert sent == [{"first": 1}, {"second": 2}]
    assert len(run.records) == 20_000


def test_clocks_stand_still_while_a_message_is_worked_on() -> None:
    count = 4 * MIB // 3

    with serve_raw(opens(frame(b"[%b{}]" % (b"{}," * count)))) as server:
        run = receive(url=server.url, idle_timeout=2)
    assert run.error is None
    assert len(run.records) == count + 1
