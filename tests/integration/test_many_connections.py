"""Many connections at once: opened and reopened without storming the server."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.raw import RawPeer, close_frame, frame, serve_raw
from tests.support.receive import receive

pytestmark = pytest.mark.usefixtures("each_transport")

CONTEXTS = 300


class Counting:
    """A server that counts the handshakes that it has in hand at once."""

    def __init__(self) -> None:
        self.open = 0
        self.most = 0
        self.begun: list[float] = []
        self.dropped = asyncio.Event()

    async def __call__(self, peer: RawPeer) -> None:
        self.open += 1
        self.most = max(self.most, self.open)
        await peer.read_request()
        self.begun.append(time.monotonic())
        await asyncio.sleep(0.01)
        self.open -= 1
        await peer.send(peer.answer(), frame(b'{"n":%d}' % peer.number))
        if peer.number == CONTEXTS:
            self.dropped.set()
        if peer.number <= CONTEXTS:
            await self.dropped.wait()
            await peer.send(close_frame(1012))
        await peer.wait()


def test_a_server_is_not_stormed_at_the_start_nor_after_an_outage_of_all() -> None:
    server = Counting()
    with serve_raw(server) as serving:
        run = receive(
            url=serving.url + "{number}",
            contexts=[{"number": str(number)} for number in range(CONTEXTS)],
            reconnect=True,
            reconnect_backoff=0.1,
            max_messages=2 * CONTEXTS,
            max_duration=60,
        )
    assert run.error is None
    assert len(run.records) == 2 * CONTEXTS
    assert run.counts.reconnects == CONTEXTS
    assert {record["number"] for record in run.records} == {
        str(number) for number in range(CONTEXTS)
    }
    assert server.most <= 32
    for begun in (server.begun[:CONTEXTS], server.begun[CONTEXTS:]):
        assert begun[-1] - begun[0] > 0.5
