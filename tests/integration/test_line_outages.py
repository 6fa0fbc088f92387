"""When redundant lines are an outage, or the end of the run, together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.support.raw import close_frame, frame, serve_raw
from tests.support.receive import receive

if TYPE_CHECKING:
    from tests.support.raw import RawPeer

pytestmark = pytest.mark.usefixtures("each_transport")


@pytest.mark.parametrize("all_refused", [False, True])
def test_an_outage_begins_when_every_line_was_refused(
    all_refused: bool, caplog: pytest.LogCaptureFixture
) -> None:
    refused = asyncio.Event()

    async def script(peer: RawPeer) -> None:
        if peer.number == 1:
            await peer.status(503)
            refused.set()
            return
        if peer.number == 2:
            await refused.wait()
            await asyncio.sleep(0.5)
            if all_refused:
                await peer.status(503)
                return
        await peer.upgrade(frame(b'{"n": 1}'))
        await peer.wait()

    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=2,
            redundancy=2,
            max_messages=1,
            max_duration=20,
        )
    assert run.error is None
    assert run.counts.outages == all_refused
    assert (run.counts.disconnected_seconds > 1) == all_refused
    warnings = [entry for entry in caplog.records if entry.levelname == "WARNING"]
    assert len(warnings) == all_refused


def test_an_outage_counts_while_a_fatal_code_waits_for_another_line() -> None:
    again = asyncio.Event()
    opened: list[int] = []

    async def script(peer: RawPeer) -> None:
        if peer.number == 3:
            await peer.read_request()
            again.set()
            await asyncio.sleep(1.5)
            await peer.send(peer.answer(), frame(b'{"n": 3}'))
            await peer.wait()
            return
        await peer.upgrade()
        await peer.all_read()
        opened.append(peer.number)
        while len(opened) < 2:
            await asyncio.sleep(0.01)
        if peer.number == 2:
            await peer.send(close_frame(1012))
        elif peer.number == 1:
            await again.wait()
            await peer.send(close_frame(4001))
        await peer.wait()

    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.05,
            redundancy=2,
            fatal_close_codes=[4001],
            record_metadata=True,
            max_messages=1,
            max_duration=20,
        )
    assert run.error is None
    assert run.counts.outages == 1
    assert 1 < run.counts.disconnected_seconds < run.seconds
    assert [row["_outage_seconds"] is not None for row in run.records] == [True]


@pytest.mark.parametrize("of_the_replaced", [False, True])
def test_a_fatal_code_is_judged_by_what_was_up_when_it_came(
    of_the_replaced: bool,
) -> None:
    """Another line was; it is lost while what follows on the code is decided."""
    opened: list[int] = []
    ended = asyncio.Event()
    answered = asyncio.Event()
    hung = asyncio.Event()

    async def script(peer: RawPeer) -> None:
        if peer.number > 3 and not hung.is_set():
            await peer.status(503)
            return
        if peer.number == 3:
            await peer.read_request()
            fatal, other = (first, second) if of_the_replaced else (second, first)
            await fatal[0].send(close_frame(4001))
            await answered.wait()
            await other[0].send(close_frame(1012))
            # Until connect_timeout.
            await peer.reader.read()
            hung.set()
            return
        await peer.upgrade(frame(b'{"n": 1}'))
        if peer.number > 3:
            ended.set()
            await peer.send(frame(b'{"end": "now"}'))
        opened.append(peer.number)
        (first if peer.number == 1 else second).append(peer)
        while len(opened) < 2:
            await asyncio.sleep(0.01)
        if peer.number == 1:
            await peer.send(frame(b'{"end": "soon"}'))
        await peer.wait()
        answered.set()

    first: list[RawPeer] = []
    second: list[RawPeer] = []
    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            connect_timeout=2,
            message_rules=[
                {"match": {"end": "soon"}, "then": "replace"},
                {"match": {"end": "now"}, "then": "stop"},
            ],
            reconnect=True,
            reconnect_backoff=0.2,
            redundancy=2,
            fatal_close_codes=[4001],
            max_duration=20,
        )
    assert run.error is None
    assert ended.is_set()
