"""Memory stays bounded, measured from outside (docs/behaviour.md, "Back-pressure")."""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
import weakref
from typing import IO, TYPE_CHECKING, Any

import pytest

from tests.support.connect import connect
from tests.support.memory import MIB, SLACK, peak_memory
from tests.support.processes import is_full, wait_until
from tests.support.raw import frame, opens, serve_raw
from tests.support.tap import start_tap

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.raw import RawPeer


def run_stalled(
    directory: Path, url: str, stalled: Callable[[IO[bytes]], None], **given: Any
) -> int:
    """Run the tap with nobody reading for a while; return its peak.

    Args:
        directory: Its working directory.
        url: Where it connects to.
        stalled: Waits for as long as nobody reads; gets the tap's stdout.
        given: Other settings.
    """
    with start_tap(directory, {"url": url, "max_duration": 600, **given}) as tap:
        assert tap.stdout is not None
        stalled(tap.stdout)
        return end_read(tap)


def end_read(tap: subprocess.Popen[bytes]) -> int:
    """End a tap by a signal and read what it still writes; return its peak before."""
    assert tap.stdout is not None
    assert tap.stderr is not None
    measured = peak_memory(tap)
    tap.terminate()
    for _ in tap.stdout:
        pass
    assert tap.wait(60) == 0, tap.stderr.read().decode()
    return measured


def flood(payload: bytes) -> Any:
    async def play(peer: RawPeer) -> None:
        await peer.upgrade()
        whole = frame(payload)
        burst = whole * max(1, 200_000 // len(whole))
        for _ in itertools.count():
            await peer.send(burst)

    return play


@pytest.mark.parametrize("transport", ["websockets", "picows"])
@pytest.mark.parametrize("size", [40, 1000, 1_000_000])
def test_a_stalled_target_costs_the_buffer_and_no_more(
    size: int,
    transport: str,
    tmp_path: Path,
) -> None:
    payload = b'{"n": 1, "pad": "%s"}' % (b"x" * (size - 20))

    def fill(stdout: IO[bytes]) -> None:
        wait_until(lambda: is_full(stdout))
        time.sleep(4)  # for the buffer to be full, too

    with serve_raw(flood(payload)) as server:
        measured = run_stalled(
            tmp_path,
            server.url,
            fill,
            buffer_bytes=64 * MIB,
            transport=transport,
        )
    assert measured < 64 * MIB + SLACK


@pytest.mark.parametrize("transport", ["websockets", "picows"])
def test_messages_that_are_too_big_are_not_buffered(
    transport: str,
    tmp_path: Path,
) -> None:
    async def play(peer: RawPeer) -> None:
        await peer.upgrade(frame(b'{"n": 1}'))
        if peer.number % 2:
            await peer.send(frame(b"x", length=2**62))
        else:
            await peer.send(frame(b"x" * 1000, fin=False))
        part = frame(b"y" * 100_000, opcode=0, fin=False)
        for _ in range(10_000):
            await peer.send(part)

    with serve_raw(play) as server:
        measured = run_stalled(
            tmp_path,
            server.url,
            lambda _: wait_until(lambda: len(server.peers) > 4),
            reconnect=True,
            reconnect_backoff=0.1,
            max_message_bytes=8 * MIB,
            buffer_bytes=8 * MIB,
            transport=transport,
            record_metadata=True,
        )
    assert measured < 8 * MIB + SLACK


REMEMBERED = 250_000
REMEMBERED_BYTES = 70 * MIB
"""What docs/continuity.md says that `deduplicate` takes at its bound."""


def numbered(count: int, lines: int) -> Any:
    """Send messages, each another one, on the first of several connections."""
    opened: list[RawPeer] = []

    async def play(peer: RawPeer) -> None:
        await peer.upgrade()
        opened.append(peer)
        if peer is opened[0]:
            while len(opened) < lines:
                await asyncio.sleep(0.01)
            for first in range(0, count, 1000):
                await peer.send(
                    b"".join(
                        frame(b'{"n": %d, "pad": "%s"}' % (n, b"x" * 40))
                        for n in range(first, first + 1000)
                    )
                )
        await peer.wait()

    return play


def run_read(directory: Path, url: str, records: int, **given: Any) -> int:
    """Run the tap until so many records were read; return its peak."""
    config = {"url": url, "max_duration": 600, "buffer_bytes": MIB, **given}
    with start_tap(directory, config) as tap:
        assert tap.stdout is not None
        for line in tap.stdout:
            records -= line.startswith(b'{"type":"RECORD"')
            if records == 0:
                break
        return end_read(tap)


@pytest.mark.parametrize("transport", ["websockets", "picows"])
@pytest.mark.parametrize(
    ("lines", "given"),
    [
        (1, {"deduplicate": {"by": ["$.n"]}}),
        (2, {"reconnect": True, "redundancy": 2, "deduplicate": {"seconds": 600}}),
    ],
    ids=["names", "credits of a line that brings nothing"],
)
def test_what_deduplicate_remembers_has_a_bound(
    lines: int,
    given: dict[str, Any],
    transport: str,
    tmp_path: Path,
) -> None:
    # A dict takes the most some time after it was first full, when it is made anew.
    count = 4 * REMEMBERED
    measured = []
    for changed in ({"deduplicate": False}, {}):
        with serve_raw(numbered(count, lines)) as server:
            measured.append(
                run_read(
                    tmp_path,
                    server.url,
                    count,
                    transport=transport,
                    **given | changed,
                )
            )
    without, remembering = measured
    assert remembering - without < REMEMBERED_BYTES


@pytest.mark.parametrize("transport", ["websockets", "picows"])
def test_a_closed_connection_does_not_wait_for_the_garbage_collector(
    transport: str,
) -> None:
    play = opens(frame(b"{}"))
    gc.disable()
    try:
        with serve_raw(play) as server:
            heard = connect(transport, server.url)
        listener = weakref.ref(heard)
        heard.connection = None
        del heard
        assert listener() is None
    finally:
        gc.enable()
