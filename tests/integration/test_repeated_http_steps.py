"""Steps over HTTP that are repeated (`every`), by a clock of their own."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.receive import receive
from tests.support.scripts import says_nothing
from tests.support.servers import Peer, serve

if TYPE_CHECKING:
    from tap_websocket.delivery.bridge import Bridge
    from tap_websocket.delivery.pages import Page
    from tests.support.http import Http

pytestmark = pytest.mark.usefixtures("each_transport")


def test_repetitions_are_not_made_up_for_behind_a_slow_one(http: Http) -> None:
    async def asked(times: int) -> float:
        while len(http.requests) < times:
            await asyncio.sleep(0.01)
        return time.monotonic()

    async def script(peer: Peer) -> None:
        await asked(1)
        http.delay = 3
        await asked(2)
        http.delay = 0
        before = await asked(3)
        await peer.send(json.dumps({"seconds": await asked(4) - before}))
        await peer.close()
        await peer.wait()

    with serve(script) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[{"request": {"url": f"{http.url}/key"}, "every": 0.5}],
        )
    assert run.error is None
    assert run.records[0]["seconds"] > 0.4


def test_bodies_that_a_slow_target_lets_wait_are_bounded(http: Http) -> None:
    """Else an hour in which the target takes nothing would cost gigabytes."""
    wanted, size = 60, 1024 * 1024
    http.script = [(200, {"n": n, "pad": "x" * size}) for n in range(wanted)]
    asked: list[int] = []

    def each(page: Page, bridge: Bridge) -> None:
        del page, bridge
        if not asked:
            count = -1
            while count != len(http.requests) < wanted:
                count = len(http.requests)
                time.sleep(3)
            asked.append(len(http.requests))

    with serve(says_nothing) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[
                {"request": {"url": http.url}, "records": True, "every": 0.05}
            ],
            batch_size=1,
            buffer_bytes=64 * 1024,
            infer_messages=1,
            max_messages=wanted,
            max_duration=60,
            each=each,
        )
    assert asked[0] * size < 24 * 1024 * 1024
    assert [record["n"] for record in run.records] == list(range(wanted))
