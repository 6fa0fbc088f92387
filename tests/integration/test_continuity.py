"""No gap, over real sockets: lines, replaced connections, and records once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.receive import receive
from tests.support.servers import Gone, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.servers import Peer

pytestmark = pytest.mark.usefixtures("each_transport")


class Live:
    """A feed that sends each number at its time, to whoever is connected.

    Attributes:
        sent: The numbers that went out on a connection, or on several.
    """

    def __init__(self, *, every: float = 0.005, noise: bool = False) -> None:
        self.sent: set[int] = set()
        self._every = every
        self._noise = noise
        self._begin = time.monotonic()

    async def play(self, peer: Peer, until: Callable[[], bool]) -> None:
        """Send numbers from now on; those that a connection shows apart with noise."""
        first = int((time.monotonic() - self._begin) / self._every) + 1
        for n in itertools.count(first):
            await asyncio.sleep(self._begin + n * self._every - time.monotonic())
            if until():
                return
            message: dict[str, Any] = {"n": n, "text": f"number {n}"}
            if self._noise:
                message["connection"] = peer.number
            self.sent.add(n)
            await peer.send(json.dumps(message))


class Both:
    """Two lines at a server that go on together."""

    def __init__(self) -> None:
        self._open = 0
        self._done = 0
        self._changed = asyncio.Condition()

    async def are_open(self, peer: Peer) -> None:
        """Wait until both lines are open."""
        del peer
        async with self._changed:
            self._open += 1
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._open == 2)

    async def have_it_all(self, peer: Peer) -> None:
        """End the feed when both lines have received what was sent on them."""
        async with self._changed:
            self._done += 1
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._done == 2)
        await peer.send(json.dumps(END["match"]))
        await peer.wait()


END: dict[str, Any] = {"match": {"end": True}, "then": "stop"}
"""The rule that ends a feed of `Both`."""


def numbers(records: list[Any]) -> list[int]:
    return [record["n"] for record in records]


def check(records: list[Any], sent: set[int]) -> None:
    """Check that everything is there once, but for what the end of a run cuts off."""
    got = numbers(records)
    assert len(got) == len(set(got))
    assert set(got) <= sent
    assert {n for n in sent if n <= max(got)} == set(got)
    assert len(got) > 100


@pytest.mark.parametrize("redundancy", [2, 3])
def test_lines_that_are_killed_lose_nothing(redundancy: int) -> None:
    live = Live()
    up: list[Peer] = []

    async def script(peer: Peer) -> None:
        # Until then the tap may not know yet that the line is open.
        await peer.recv()
        up.append(peer)
        ends_at = time.monotonic() + 0.2 + peer.number % 4 * 0.1
        await live.play(peer, lambda: time.monotonic() > ends_at and len(up) > 1)
        up.remove(peer)
        if peer.number % 2:
            await peer.reset()
        else:
            # What was sent before a Close is received; a reset may take it away.
            await peer.close(1012)

    with serve(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.05,
            subscribe_messages=["subscribe"],
            redundancy=redundancy,
            max_duration=3,
        )
    assert run.error is None
    check(run.records, live.sent)
    assert run.counts.outages == 0
    assert run.counts.reconnects > 3
    assert run.counts.deduplicated > 100


def test_a_connection_is_replaced_before_the_server_ends_it() -> None:
    live = Live()

    async def script(peer: Peer) -> None:
        ends_at = time.monotonic() + 1.0
        await live.play(peer, lambda: time.monotonic() > ends_at)
        await peer.close(1000)

    with serve(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            connection_lifetime=0.5,
            overlap=0.15,
            max_duration=3,
        )
        codes = [peer.close_code for peer in server.peers]
    assert run.error is None
    check(run.records, live.sent)
    assert run.counts.outages == 0
    assert run.counts.disconnected_seconds == 0
    assert run.counts.reconnects >= 3
    assert set(codes[:3]) == {1000}


def test_an_announced_end_is_answered_by_the_address_that_it_names() -> None:
    """As Twitch's `session_reconnect` does: the address serves one attempt."""
    live = Live()
    paths: list[str] = []
    announce = {"type": "session_reconnect", "url": ""}

    async def script(peer: Peer) -> None:
        paths.append(peer.path)
        port = server.port
        ends_at = time.monotonic() + 0.6
        said = False

        def over() -> bool:
            return time.monotonic() > ends_at

        async def talk() -> None:
            nonlocal said
            await asyncio.sleep(0.2)
            said = True
            url = f"ws://localhost:{port}/again?from={peer.number}"
            await peer.send(json.dumps({**announce, "url": url}))

        talking = asyncio.create_task(talk())
        with contextlib.suppress(Gone):
            await live.play(peer, over)
        talking.cancel()
        if said:
            await peer.close(1000)

    with serve(script) as server:
        run = receive(
            url="{address}",
            placeholders={"address": server.url},
            reconnect=True,
            reconnect_backoff=0.05,
            overlap=0.1,
            message_rules=[
                {
                    "match": {"type": "session_reconnect"},
                    "then": "replace",
                    "capture": {"address": "$.url"},
                }
            ],
            max_duration=2,
        )
    assert run.error is None
    check(run.records, live.sent)
    assert run.counts.outages == 0
    assert paths[0] == "/feed"
    assert paths[1] == "/again?from=1"


def test_replays_after_a_reconnect_come_once_by_name() -> None:
    async def script(peer: Peer) -> None:
        first = (peer.number - 1) * 20
        for n in range(max(0, first - 10), first + 20):
            await peer.send(json.dumps({"trade_id": n, "noise": peer.number}))
        await peer.close(1001)

    with serve(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.01,
            deduplicate={"by": ["$.trade_id"]},
            max_messages=200,
        )
    assert [record["trade_id"] for record in run.records] == list(range(200))
    assert run.counts.deduplicated >= 90


def test_each_line_answers_its_own_copies() -> None:
    both = Both()

    async def script(peer: Peer) -> None:
        await both.are_open(peer)
        for n in range(30):
            await peer.send(json.dumps({"envelope_id": n, "text": "x"}))
        for _ in range(30):
            await peer.recv()
        await both.have_it_all(peer)

    with serve(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            redundancy=2,
            message_rules=[
                {
                    "match": {"envelope_id": {"$exists": True}},
                    "reply": {"envelope_id": "{$.envelope_id}"},
                },
                END,
            ],
        )
        acknowledged = [
            [json.loads(text)["envelope_id"] for text in peer.received]
            for peer in server.peers
        ]
    assert len(run.records) == 30
    assert acknowledged == [list(range(30))] * 2


@pytest.mark.parametrize("message_format", ["json", "raw_string", "binary"])
def test_every_format_is_compared(message_format: str) -> None:
    both = Both()

    async def script(peer: Peer) -> None:
        await both.are_open(peer)
        for n in range(200):
            await peer.send(f'{{"n": {n}}}')
        await peer.ping()
        await both.have_it_all(peer)

    with serve(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            redundancy=2,
            message_format=message_format,
            message_rules=[END],
        )
    assert len(run.records) == 200
    assert run.counts.deduplicated == 200


def test_numbers_of_a_connection_have_gaps_where_the_other_was_first() -> None:
    both = Both()
    is_first_done = asyncio.Event()

    async def script(peer: Peer) -> None:
        await both.are_open(peer)
        if peer.number == 2:
            await is_first_done.wait()
        for n in range(10 * peer.number):
            await peer.send(f'{{"n": {n}}}')
        await peer.ping()
        is_first_done.set()
        await both.have_it_all(peer)

    with serve(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            redundancy=2,
            record_metadata=True,
            message_rules=[END],
        )
    found = [(row["_connection"], row["_sequence"]) for row in run.records]
    assert found == [(1, n) for n in range(1, 11)] + [(2, n) for n in range(11, 21)]


def test_a_slow_target_costs_no_record() -> None:
    live = Live(every=0.002)

    async def script(peer: Peer) -> None:
        ends_at = time.monotonic() + 0.7 + peer.number % 3 * 0.2
        await live.play(peer, lambda: time.monotonic() > ends_at)
        await peer.close(1001)

    with serve(script) as server:
        run = receive(
            each=lambda _page, _bridge: time.sleep(0.05),
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.02,
            redundancy=2,
            batch_size=10,
            buffer_bytes=20_000,
            spill_bytes=0,
            max_duration=4,
        )
    assert run.error is None
    got = numbers(run.records)
    assert len(got) == len(set(got))
    assert set(got) <= live.sent
    assert len(got) > 200


def test_a_cursor_is_shared_and_a_session_is_not() -> None:
    queries: list[str] = []
    sent: set[int] = set()

    async def script(peer: Peer) -> None:
        queries.append(peer.path.partition("?")[2])
        # Both lines are there before one of them captures anything; the second one
        # sends when the first one has.
        while len(queries) < 2 or (peer.number == 2 and 1 not in sent):
            await asyncio.sleep(0.05)
        for n in range(5):
            await peer.send(
                json.dumps({"at": 100 * peer.number + n, "id": peer.number})
            )
        sent.add(peer.number)
        while 2 not in sent:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.1 * peer.number)
        if peer.number == 3:
            await peer.send('{"reset": true}')
        if len(queries) > 8:
            await peer.send(json.dumps(END["match"]))
        await peer.close(1001)

    with serve(script) as server:
        receive(
            url=server.url + "?at={at}&id={id}",
            placeholders={"at": 0, "id": 0},
            reconnect=True,
            reconnect_backoff=0.02,
            redundancy=2,
            message_rules=[
                END,
                {
                    "match": {"reset": True},
                    "then": "ignore",
                    "capture": {"at": None, "id": None},
                },
                {"capture": {"at": {"path": "$.at", "scope": "group"}, "id": "$.id"}},
            ],
        )
    assert queries[:2] == ["at=0&id=0"] * 2
    # The first to come back has its own id, and the newest cursor of both.
    assert queries[2] == "at=204&id=1"
    assert "at=0&id=0" in queries[3:]
