"""What is missing on redundant lines: what none of them has received."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import SequenceError
from tests.support.receive import receive
from tests.support.servers import serve

if TYPE_CHECKING:
    from tests.support.receive import Received
    from tests.support.servers import Peer

pytestmark = pytest.mark.usefixtures("each_transport")


END: dict[str, Any] = {"match": {"end": True}, "then": "stop"}


class Both:
    """A server that waits for two connections, and then sends each its own numbers.

    Attributes:
        lines: For each of the two, what it is sent.
        later: What both are sent when `overlap` is over.
        connections: How many have to be there before the feed ends.
    """

    overlap = 2

    def __init__(
        self, lines: list[list[Any]], later: list[Any], connections: int = 2
    ) -> None:
        self.lines = lines
        self.later = later
        self.connections = connections
        self._opened = 0
        self._ready = asyncio.Event()
        self._read = 0
        self._all_read = asyncio.Event()

    async def _both_read(self, peer: Peer) -> None:
        """Wait until the numbers of both lines have been read: `overlap` begins."""
        await peer.all_read()
        self._read += 1
        if self._read == 2:
            self._all_read.set()
        await self._all_read.wait()

    async def __call__(self, peer: Peer) -> None:
        self._opened += 1
        number = self._opened
        if number == 2:
            self._ready.set()
        await self._ready.wait()
        if number <= 2:
            for message in self.lines[number - 1]:
                await peer.send(json.dumps(message))
            await self._both_read(peer)
            await asyncio.sleep(self.overlap + 0.2)
            for message in self.later:
                await peer.send(json.dumps(message))
            while self._opened < self.connections:
                await asyncio.sleep(0.05)
            await peer.send(json.dumps(END["match"]))
        await peer.wait()

    def run(self, **given: Any) -> tuple[Received, int]:
        """Run the tap; return what it received, and how many connections it made."""
        with serve(self) as server:
            run = receive(
                url=server.url,
                reconnect=True,
                reconnect_backoff=0.05,
                redundancy=2,
                overlap=self.overlap,
                message_rules=[END],
                max_duration=60,
                **given,
            )
        return run, self._opened


def without(*gone: int) -> list[dict[str, int]]:
    return [{"n": n} for n in range(300) if n not in gone]


@pytest.mark.parametrize("on_gap", ["log", "reconnect", "fail"])
def test_two_lines_that_lose_other_messages_miss_nothing(on_gap: str) -> None:
    lines = [without(*range(2, 300, 7)), without(*range(5, 300, 7))]
    run, connections = Both(lines, [{"n": 300}]).run(
        sequence={"path": "$.n", "on_gap": on_gap}
    )
    assert run.error is None
    assert sorted(record["n"] for record in run.records) == list(range(301))
    assert run.counts.missing == 0
    assert connections == 2


@pytest.mark.parametrize("on_gap", ["log", "reconnect", "fail"])
def test_what_both_lines_lost_is_missing(on_gap: str) -> None:
    lines = [without(2, 50, 51, 200), without(50, 51, 99, 200)]
    # With `reconnect` one line is subscribed anew: what it brings is for all.
    wanted = 3 if on_gap == "reconnect" else 2
    run, connections = Both(lines, [{"n": 300}, {"n": 301}], wanted).run(
        sequence={"path": "$.n", "on_gap": on_gap}, record_metadata=True
    )
    got = [record["n"] for record in run.records]
    expected = set(range(302)) - {50, 51, 200}
    assert len(got) == len(set(got))
    assert run.counts.missing == 3
    assert sum(record["_missing"] for record in run.records) == 3
    if on_gap == "fail":
        assert isinstance(run.error, SequenceError)
        assert set(got) - {300, 301} == expected - {300, 301}
    else:
        assert run.error is None
        assert set(got) == expected
    assert connections == wanted


def test_each_connection_may_count_for_itself() -> None:
    lines = [[{"n": n} for n in (1000, 1001, 1003)], [{"n": n} for n in (5, 6, 9)]]
    run, _ = Both(lines, []).run(sequence={"path": "$.n", "scope": "connection"})
    assert len(run.records) == 6
    assert run.counts.missing == 1 + 2
