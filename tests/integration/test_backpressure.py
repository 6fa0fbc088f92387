"""A slow target: receiving goes on, then waits; nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import DeliveryError
from tests.support.processes import wait_until
from tests.support.raw import close_frame, frame, serve_raw
from tests.support.receive import receive

if TYPE_CHECKING:
    from tap_websocket.delivery.bridge import Bridge
    from tap_websocket.delivery.pages import Page
    from tests.support.raw import RawPeer

pytestmark = pytest.mark.usefixtures("each_transport")

KIB = 1024
CLOSE, PING, PONG = 8, 9, 10


class Numbers:
    """A server that sends numbers at a rate, then a Ping, and closes at its answer.

    Attributes:
        answered: Set when that Ping was answered.
    """

    def __init__(self, rate: int, messages: int) -> None:
        self.answered = threading.Event()
        self._rate = rate
        self._messages = messages

    async def __call__(self, peer: RawPeer) -> None:
        await peer.upgrade()
        reading = asyncio.ensure_future(self._read(peer))
        begin = time.monotonic()
        sent = 0
        while sent < self._messages:
            burst = min(self._rate // 50, self._messages - sent)
            for number in range(sent, sent + burst):
                peer.writer.write(
                    frame(b'{"n": %d, "pad": "%s"}' % (number, b"x" * 60))
                )
            sent += burst
            await peer.writer.drain()
            ahead = sent / self._rate - (time.monotonic() - begin)
            await asyncio.sleep(max(0, ahead))
        await peer.send(frame(b"?", opcode=PING))
        while not (self.answered.is_set() or reading.done()):
            await asyncio.sleep(0.01)
        await peer.send(close_frame(1000))
        await reading

    async def _read(self, peer: RawPeer) -> None:
        opcode = 0
        while opcode != CLOSE:
            opcode, payload = await peer.recv()
            if opcode == PING:
                peer.writer.write(frame(payload, opcode=PONG))
            elif opcode == PONG:
                self.answered.set()


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
    """Pings are answered meanwhile: many a server hangs up where they are not."""
    server = Numbers(rate=100_000, messages=60_000)

    def each(page: Page, bridge: Bridge) -> None:
        del page, bridge
        assert server.answered.wait(20)

    with serve_raw(server) as serving:
        run = receive(
            url=serving.url,
            buffer_bytes=1024 * KIB,
            spill_bytes=64 * 1024 * KIB,
            each=each,
        )
    assert run.error is None
    assert numbers(run) == list(range(60_000))


def test_without_room_reading_pauses_and_nothing_is_lost() -> None:
    taken_at_stall = 0
    server = Numbers(rate=400_000, messages=200_000)

    def each(page: Page, bridge: Bridge) -> None:
        nonlocal taken_at_stall
        del page
        if not taken_at_stall:
            wait_until(lambda: bridge.buffer.is_full, 20)
            time.sleep(0.5)  # more would come now
            taken_at_stall = bridge.buffer.accepted

    with serve_raw(server) as serving:
        run = receive(url=serving.url, buffer_bytes=256 * KIB, each=each)
    assert run.error is None
    assert taken_at_stall < 10_000
    assert numbers(run) == list(range(200_000))


def test_all_clocks_stand_still_while_reading_is_paused() -> None:
    # Time-outs of half the stall: a busy machine's server answers a Ping well within.
    server = Numbers(rate=100_000, messages=200_000)
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
    server = Numbers(rate=1_000_000, messages=messages)
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
    server = Numbers(rate=400_000, messages=50_000)
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

    def each(page: Page, bridge: Bridge) -> None:
        del page
        wait_until(lambda: bridge.failure is not None, 20)

    server = Numbers(rate=400_000, messages=100_000)
    monkeypatch.setattr(os, "pwrite", full)
    with serve_raw(server) as serving:
        run = receive(
            url=serving.url,
            buffer_bytes=256 * KIB,
            spill_bytes=1024 * KIB,
            each=each,
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
    server = Numbers(rate=200_000, messages=100_000)

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
        if not sizes:
            wait_until(lambda: spilled() >= 2048 * KIB, 20)
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
