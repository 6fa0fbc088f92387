"""Groups of lines whose feed is complete, as one line says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tap_websocket.network.errors import Unreachable
from tests.support.fake_transport import pausing, run_feed

if TYPE_CHECKING:
    from tests.support.fake_transport import FakePeer

REFUSED = Unreachable("connection refused")


def test_a_group_that_is_complete_waits_for_no_line_that_was_lost() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        peer.text("a")
        await asyncio.sleep(5 if peer.number == 2 else 10)
        if peer.number == 2:
            peer.drop()
        else:
            peer.text("stop")
            await peer.wait_closed()

    run = run_feed(
        script, reconnect=True, redundancy=2, overlap=4, reconnect_backoff=500
    )
    assert run.ending.error is None
    assert run.seconds == pytest.approx(14, abs=0.1)
    assert len(run.peers) == 2


def test_a_line_that_stops_completes_its_group_after_overlap() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        peer.text("a")
        await asyncio.sleep(10)
        if peer.number == 1:
            peer.text("stop")
        await asyncio.sleep(1)
        peer.text("late")
        await peer.wait_closed()

    run = run_feed(script, reconnect=True, redundancy=3, overlap=4)
    assert run.ending.error is None
    assert run.seconds == pytest.approx(14, abs=0.1)
    assert run.texts.count("late") == 2
    assert [peer.closed_with for peer in run.peers] == [1000] * 3


def test_a_group_that_is_complete_waits_for_no_line_that_is_down() -> None:
    async def script(peer: FakePeer) -> None:
        if peer.number > 1:
            raise REFUSED
        peer.accept()
        await asyncio.sleep(10)
        peer.text("stop")
        await peer.wait_closed()

    run = run_feed(
        script, reconnect=True, redundancy=2, overlap=4, reconnect_backoff=500
    )
    assert run.ending.error is None
    assert run.seconds == pytest.approx(14, abs=0.1)


def test_a_line_that_was_lost_is_not_opened_again_in_a_complete_group() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        if peer.number == 2:
            await asyncio.sleep(5)
            peer.drop()
        elif peer.number == 1:
            await asyncio.sleep(10)
            peer.text("stop")
        await peer.wait_closed()

    run = run_feed(
        script, reconnect=True, redundancy=2, overlap=4, reconnect_backoff=500
    )
    assert run.seconds == pytest.approx(14, abs=0.1)
    assert len(run.peers) == 2


def test_a_complete_group_reads_what_its_other_lines_have_before_they_are_closed() -> (
    None
):
    async def script(peer: FakePeer) -> None:
        peer.accept()
        if peer.number == 1:
            peer.text("stop")
        await peer.wait_closed()

    pause = pausing(after=1, seconds=30)
    run = run_feed(script, during=pause, reconnect=True, redundancy=2, overlap=4)
    assert not run.peers[1].aborted
    assert 31 < run.seconds < 40
