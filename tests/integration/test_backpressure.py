"""A slow target: receiving goes on, then waits; nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import DeliveryError
from tests.support.raw import close_frame, frame, serve_raw
from tests.support.receive import receive

if TYPE_CHECKING:
    from tap_websocket.delivery.bridge import Bridge
    from tap_websocket.delivery.pages import Page
    from tests.support.raw import RawPeer

pytestmark = pytest.mark.usefixtures("each_transport")

KIB = 1024


class Strict:
    """A server that hangs up on a consumer that leaves a ping unanswered."""

    def __init__(self, rate: int, messages: int, patience: float) -> None:
        self.rate = rate
        self.messages = messages
        self.patience = patience
        self.sent = 0
        self.hung_up = False
        self.pongs = 0

    async def __call__(self, peer: RawPeer) -> None:
        await peer.upgrade()
        reading = asyncio.ensure_future(self.read(peer))
        pinging = asyncio.ensure_future(self.ping(peer))
        begin = time.monotonic()
        while self.sent < self.messages:
            burst = min(self.rate // 50, self.messages - self.sent)
            for _ in range(burst):
                peer.writer.write(
                    frame(b'{"n": %d, "pad": "%s"}' % (self.sent, b"x" * 60))
                )
                self.sent += 1
            await peer.writer.drain()
            ahead = self.sent / self.rate - (time.monotonic() - begin)
            await asyncio.sleep(max(0, ahead))
        pinging.cancel()
        await peer.send(close_frame(1000))
        await asyncio.wait_for(reading, 20)

    async def read(self, peer: RawPeer) -> None:
        while True:
            opcode, payload = await peer.recv()
            if opcode == 9:
                peer.writer.write(frame(payload, opcode=10))
            if opcode == 10:
                self.pongs += 1
            if opcode == 8:
                return

    async def ping(self, peer: RawPeer) -> None:
        for number in itertools.count(1):
            peer.writer.write(frame(b"%d" % number, opcode=9))
            await asyncio.sleep(self.patience)
            if self.pongs < number:
                self.hung_up = True
                peer.reset()
                return


def stalling(seconds: float) -> Any:
    """Let the target stall at its first page."""
    stalled = threading.Event()

    def each(page: Page, bridge: Bridge) -> None:
        del page, bridge
        if not stalled.is_set():
            stalled.set()
            time.sleep(seconds)  # the target's stall is what is tested

    return each


def numbers(run: Any) -> list[int]:
    return [record["n"] for record in run.records]


def test_a_stall_of_the_target_does_not_cost_the_connection() -> None:
    server = Strict(rate=20_000, messages=60_000, patience=0.5)
    with serve_raw(server) as serving:
        run = receive(
            url=serving.url,
            buffer_bytes=1024 * KIB,
            spill_bytes=64 * 1024 * KIB,
            each=stalling(2.5),
        )
    assert run.error is None
    assert not server.hung_up
    assert numbers(run) == list(range(60_000))


def test_without_room_reading_pauses_and_nothing_is_lost() -> None:
    taken_at_stall = 0
    server = Strict(rate=400_000, messages=200_000, patience=30)

    def each(page: Page, bridge: Bridge) -> None:
        nonlocal taken_at_stall
        del page
        if not taken_at_stall:
            time.sleep(1)
            taken_at_stall = bridge.buffer.accepted

    with serve_raw(server) as serving:
        run = receive(url=serving.url, buffer_bytes=256 * KIB, each=each)
    assert run.error is None
    assert taken_at_stall < 10_000
    assert numbers(run) == list(range(200_000))


def test_all_clocks_stand_still_while_reading_is_paused() -> None:
    # Time-outs of half the stall: a busy machine's server answers a Ping well within.
    server = Strict(rate=100_000, messages=200_000, patience=30)
    with serve_raw(server) as serving:
        run = receive(
            url=serving.url,
            buffer_bytes=128 * KIB,
            idle_timeout=2,
            ping_interval=0.2,
            ping_timeout=2,
            stale_timeout=2,
            max_duration=60,
            each=stalling(4),
        )
    assert run.error is None
    assert run.counts.reconnects == 0
    assert numbers(run) == list(range(200_000))


@pytest.mark.parametrize("messages", [10, 5000])
def test_batch_size_zero_is_one_page_handed_on_at_the_end(messages: int) -> None:
    server = Strict(rate=1_000_000, messages=messages, patience=30)
    first: list[float] = []

    def each(page: Page, bridge: Bridge) -> None:
        del page
        if not first:
            first.append(time.monotonic())
            assert bridge.buffer.accepted == messages

    with serve_raw(server) as serving:
        run = receive(url=serving.url, batch_size=0, each=each)
    assert run.error is None
    assert numbers(run) == list(range(messages))


def test_batch_size_zero_with_more_than_the_buffer_goes_on() -> None:
    server = Strict(rate=400_000, messages=50_000, patience=30)
    with serve_raw(server) as serving:
        run = receive(url=serving.url, batch_size=0, buffer_bytes=512 * KIB)
    assert run.error is None
    assert numbers(run) == list(range(50_000))


def test_a_record_larger_than_the_buffer_passes_alone() -> None:
    async def play(peer: RawPeer) -> None:
        await peer.upgrade()
        for number in range(5):
            await peer.send(frame(b'{"n": %d, "pad": "%s"}' % (number, b"x" * 200_000)))
        await peer.send(close_frame(1000))
        await peer.wait()

    with serve_raw(play) as serving:
        run = receive(url=serving.url, buffer_bytes=100_000, infer_messages=1)
    assert run.error is None
    assert numbers(run) == list(range(5))


def test_a_full_disk_is_an_error_and_nothing_received_before_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    server = Strict(rate=400_000, messages=100_000, patience=30)
    monkeypatch.setattr(os, "pwrite", full)
    with serve_raw(server) as serving:
        run = receive(
            url=serving.url,
            buffer_bytes=256 * KIB,
            spill_bytes=1024 * KIB,
            each=stalling(1),
        )
    assert isinstance(run.error, DeliveryError)
    assert "No space left" in str(run.error)
    assert "spill_bytes" in str(run.error)
    assert numbers(run) == list(range(len(run.records)))
    assert len(run.records) == run.counts.records


def test_the_spill_file_is_unlinked_and_shrinks_when_drained(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sizes: list[int] = []
    server = Strict(rate=200_000, messages=100_000, patience=30)

    def spilled() -> int:
        total = 0
        for opened in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(opened.readlink())
                if target.startswith(str(tmp_path)):
                    assert target.endswith("(deleted)")
                    total += opened.stat().st_blocks * 512
        return total

    def each(page: Page, bridge: Bridge) -> None:
        del page, bridge
        deadline = time.monotonic() + 20
        while not sizes and spilled() < 2048 * KIB and time.monotonic() < deadline:
            time.sleep(0.01)
        sizes.append(spilled())

    with serve_raw(server) as serving:
        run = receive(
            url=serving.url,
            buffer_bytes=256 * KIB,
            spill_bytes=64 * 1024 * KIB,
            each=each,
        )
    assert run.error is None
    assert numbers(run) == list(range(100_000))
    assert max(sizes) > 1024 * KIB
    assert sizes[-1] < max(sizes)


def test_a_partial_page_is_flushed_after_the_interval() -> None:
    arrived: list[float] = []
    before_the_end: list[bool] = []

    async def play(peer: RawPeer) -> None:
        await peer.upgrade(frame(b'{"n": 0}'))
        for _ in range(1000):
            if arrived:
                break
            await asyncio.sleep(0.02)
        before_the_end.append(bool(arrived))
        await peer.send(close_frame(1000))
        await peer.wait()

    with serve_raw(play) as serving:
        begin = time.monotonic()
        receive(
            url=serving.url,
            flush_interval=0.2,
            infer_messages=1,
            max_duration=60,
            each=lambda _page, _bridge: arrived.append(time.monotonic() - begin),
        )
    assert len(arrived) == 1
    assert arrived[0] >= 0.2
    assert before_the_end == [True]
