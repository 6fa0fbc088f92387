"""No gap, over real sockets: lines, replaced connections, and records once."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.receive import receive
from tests.support.servers import serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.receive import Received
    from tests.support.servers import Peer, Server

pytestmark = pytest.mark.usefixtures("each_transport")


class Live:
    """A feed that sends each number at its time, to whoever is connected.

    Attributes:
        sent: The numbers that went out on a connection, or on several.
        copies: How often one went out that had gone out before.
    """

    def __init__(self, *, every: float = 0.005) -> None:
        self.sent: set[int] = set()
        self.copies = 0
        self._every = every
        self._begin = time.monotonic()

    async def play(self, peer: Peer, until: Callable[[], bool]) -> None:
        """Send numbers from now on."""
        first = int((time.monotonic() - self._begin) / self._every) + 1
        for n in itertools.count(first):
            await asyncio.sleep(self._begin + n * self._every - time.monotonic())
            if until():
                return
            await peer.send(json.dumps({"n": n, "text": f"number {n}"}))
            self.copies += n in self.sent
            self.sent.add(n)


class Together:
    """Lines at a server that go on together."""

    def __init__(self, lines: int = 2) -> None:
        self._lines = lines
        self._open = 0
        self._done = 0
        self._changed = asyncio.Condition()

    async def are_open(self, peer: Peer) -> None:
        """Wait until all lines are open."""
        del peer
        async with self._changed:
            self._open += 1
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._open == self._lines)

    async def have_it_all(self, peer: Peer) -> None:
        """End the feed when each line has received what was sent on it."""
        async with self._changed:
            self._done += 1
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._done == self._lines)
        await end(peer)


END: dict[str, Any] = {"match": {"end": True}, "then": "stop"}
"""The rule that ends a feed."""


def are_closed(server: Server, count: int) -> bool:
    """Return whether the client has closed so many connections, the first ones."""
    peers = server.peers[:count]
    return len(server.peers) > count and all(peer.close_code == 1000 for peer in peers)


async def end(peer: Peer) -> None:
    """End the feed when what was sent on a connection has been read."""
    await peer.all_read()
    await peer.send(json.dumps(END["match"]))
    await peer.wait()


def numbers(records: list[Any]) -> list[int]:
    return [record["n"] for record in records]


def check(run: Received, live: Live) -> None:
    """Check that all that was sent is there once, and that the rest was told apart."""
    assert run.error is None
    got = numbers(run.records)
    assert len(got) == len(set(got))
    assert set(got) == live.sent
    assert run.counts.deduplicated == live.copies
    assert run.counts.outages == 0


@pytest.mark.parametrize("redundancy", [2, 3])
def test_lines_that_are_killed_lose_nothing(redundancy: int) -> None:
    kills = 6
    live = Live()
    up: list[Peer] = []
    killed: list[Peer] = []
    read: list[Peer] = []

    async def script(peer: Peer) -> None:
        # Until then the tap may not know yet that the line is open.
        await peer.recv()
        up.append(peer)
        ends_at = time.monotonic() + 0.2 + peer.number % 4 * 0.1

        def is_over() -> bool:
            if read or len(killed) == kills:
                return bool(read) or len(up) == redundancy
            return time.monotonic() > ends_at and len(up) > 1

        await live.play(peer, is_over)
        if len(killed) == kills:
            read.append(peer)
            await peer.all_read()
            await together.have_it_all(peer)
            return
        up.remove(peer)
        killed.append(peer)
        # A reset would take away what no other line was sent.
        await peer.all_read()
        if peer.number % 2:
            await peer.reset()
        else:
            await peer.close(1012)

    together = Together(redundancy)
    with serve(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.05,
            subscribe_messages=["subscribe"],
            redundancy=redundancy,
            message_rules=[END],
            max_duration=20,
        )
    check(run, live)
    assert run.counts.reconnects == kills
    assert len(run.records) > 100
    assert run.counts.deduplicated > 100


def test_a_connection_is_replaced_before_the_server_ends_it() -> None:
    live = Live()

    async def script(peer: Peer) -> None:
        ends_at = time.monotonic() + 20
        await live.play(
            peer, lambda: time.monotonic() > ends_at or are_closed(server, 4)
        )
        if are_closed(server, 4):
            await end(peer)
        else:
            await peer.close(1000)

    with serve(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            connection_lifetime=0.5,
            overlap=0.15,
            message_rules=[END],
            max_duration=20,
        )
    check(run, live)
    assert run.counts.disconnected_seconds == 0
    assert run.counts.reconnects == 4


def test_an_announced_end_is_answered_by_the_address_that_it_names() -> None:
    """As Twitch's `session_reconnect` does: the address serves one attempt."""
    live = Live()
    paths: list[str] = []

    async def script(peer: Peer) -> None:
        paths.append(peer.path)
        announces_at = time.monotonic() + 0.2
        await live.play(peer, lambda: time.monotonic() > announces_at)
        if peer.number < 4:
            url = f"ws://localhost:{server.port}/again?from={peer.number}"
            await peer.send(json.dumps({"type": "session_reconnect", "url": url}))
        await live.play(peer, lambda: are_closed(server, 3))
        await end(peer)

    with serve(script) as server:
        run = receive(
            url="{address}",
            placeholders={"address": server.url},
            reconnect=True,
            reconnect_backoff=0.05,
            overlap=0.1,
            message_rules=[
                END,
                {
                    "match": {"type": "session_reconnect"},
                    "then": "replace",
                    "capture": {"address": "$.url"},
                },
            ],
            max_duration=20,
        )
    check(run, live)
    assert paths == ["/feed", *(f"/again?from={number}" for number in (1, 2, 3))]


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
    together = Together()

    async def script(peer: Peer) -> None:
        await together.are_open(peer)
        for n in range(30):
            await peer.send(json.dumps({"envelope_id": n, "text": "x"}))
        for _ in range(30):
            await peer.recv()
        await together.have_it_all(peer)

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
    together = Together()

    async def script(peer: Peer) -> None:
        await together.are_open(peer)
        for n in range(200):
            await peer.send(f'{{"n": {n}}}')
        await peer.ping()
        await together.have_it_all(peer)

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
    together = Together()
    is_first_done = asyncio.Event()

    async def script(peer: Peer) -> None:
        await together.are_open(peer)
        if peer.number == 2:
            await is_first_done.wait()
        for n in range(10 * peer.number):
            await peer.send(f'{{"n": {n}}}')
        await peer.ping()
        is_first_done.set()
        await together.have_it_all(peer)

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

    async def until(condition: Callable[[], bool]) -> None:
        while not condition():
            await asyncio.sleep(0.01)

    async def script(peer: Peer) -> None:
        queries.append(peer.path.partition("?")[2])
        if peer.number == 5:
            await end(peer)
        # Both lines are there before one of them captures anything; the second one
        # sends when the first one has, and the fourth is silent until the end.
        await until(lambda: len(queries) > (5 if peer.number == 4 else 1))
        await until(lambda: peer.number != 2 or 1 in sent)
        for n in range(5):
            await peer.send(
                json.dumps({"at": 100 * peer.number + n, "id": peer.number})
            )
        await peer.all_read()
        sent.add(peer.number)
        # They come back one by one.
        await until(lambda: 2 in sent and len(queries) > peer.number)
        if peer.number == 3:
            await peer.send('{"reset": true}')
        await peer.close(1001)

    with serve(script) as server:
        receive(
            url=server.url + "?at={at}&id={id}",
            placeholders={"at": 0, "id": 0},
            reconnect=True,
            reconnect_backoff=0.02,
            redundancy=2,
            overlap=0.1,
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
    assert queries[4] == "at=0&id=0"
