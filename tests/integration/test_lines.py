"""What becomes of lines and replaced connections when servers are difficult."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.raw import close_frame, frame, serve_raw
from tests.support.receive import receive
from tests.support.servers import serve

if TYPE_CHECKING:
    from tests.support.raw import RawPeer
    from tests.support.servers import Peer

pytestmark = pytest.mark.usefixtures("each_transport")

REPLACED: dict[str, Any] = {
    "reconnect": True,
    "reconnect_backoff": 0.05,
    "connection_lifetime": 0.5,
    "overlap": 0.2,
}


END: dict[str, Any] = {"match": {"end": True}, "then": "stop"}
END_TEXT = b'{"end": true}'


def logged(caplog: pytest.LogCaptureFixture, text: str) -> list[str]:
    return [
        entry.getMessage() for entry in caplog.records if text in entry.getMessage()
    ]


def test_a_quiet_feed_does_not_lose_its_lines_together() -> None:
    """Both lines were sent the same, so both are silent for equally long."""
    opened: list[Peer] = []

    async def script(peer: Peer) -> None:
        opened.append(peer)
        while len(opened) < 2:
            await asyncio.sleep(0.01)
        if len(opened) == 2:
            await peer.send('{"n": 1}')
        if len(opened) == 4:
            await peer.send(END_TEXT.decode())
        await peer.wait()

    with serve(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.05,
            redundancy=2,
            stale_timeout=1,
            message_rules=[END],
            max_duration=20,
        )
    assert run.error is None
    # They are tried out, one after the other.
    assert run.counts.reconnects == 2
    assert run.counts.outages == 0


def test_logs_name_the_address_of_the_connection_that_was_lost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refused = "could not be replaced"
    caplog.set_level("INFO", "tap-websocket")

    async def holds(peer: RawPeer) -> None:
        if peer.number == 1:
            await peer.upgrade(frame(b'{"n": 1}'))
            # By this server, and by the other one.
            while len(logged(caplog, refused)) < 2:
                await asyncio.sleep(0.01)
            await peer.send(close_frame(1012))
            await peer.wait()
        elif peer.number == 2:
            await peer.status(503)
        else:
            await peer.upgrade(frame(END_TEXT))
            await peer.wait()

    with (
        serve_raw(holds) as one,
        serve_raw(lambda peer: peer.status(503)) as other,
    ):
        receive(
            url=one.url,
            alternate_urls=[other.url],
            **REPLACED | {"reconnect_backoff": 1},
            message_rules=[END],
            max_duration=20,
        )
    (lost,) = logged(caplog, "Lost ")
    assert f"Lost ws://localhost:{one.port}: a Close frame with code 1012" in lost
    (kept,) = logged(caplog, refused)[:1]
    assert f"The connection to ws://localhost:{one.port} could not" in kept


def test_a_replacement_waits_as_long_as_the_server_asks() -> None:
    attempts: list[float] = []

    async def script(peer: RawPeer) -> None:
        attempts.append(time.monotonic())
        if peer.number == 2:
            await peer.status(429, "Retry-After: 2")
            return
        await peer.upgrade(frame(b'{"n": %d}' % peer.number))
        await peer.wait()

    with serve_raw(script) as server:
        run = receive(url=server.url, **REPLACED, max_messages=2, max_duration=20)
    assert run.error is None
    assert attempts[2] - attempts[1] > 1.9


def test_what_is_announced_while_an_announced_address_hangs_is_kept() -> None:
    attempts: list[str] = []
    hanging = asyncio.Event()

    async def script(peer: RawPeer) -> None:
        await peer.read_request()
        path = peer.request.split()[1]
        attempts.append(path)
        if path == "/one":
            hanging.set()
            await peer.silence()
        await peer.send(peer.answer(), frame(b'{"n": 1}'))
        if path == "/two":
            await peer.send(frame(END_TEXT))
        if path == "/first":
            await peer.send(frame(b'{"end": "soon", "path": "one"}'))
            await hanging.wait()
            await peer.send(frame(b'{"end": "soon", "path": "two"}'))
        await peer.wait()

    with serve_raw(script) as server:
        run = receive(
            url=server.url + "{path}",
            placeholders={"path": "first"},
            connect_timeout=2,
            message_rules=[
                END,
                {
                    "match": {"end": "soon"},
                    "then": "replace",
                    "capture": {"path": "$.path"},
                },
            ],
            reconnect=True,
            reconnect_backoff=0.05,
            overlap=0.1,
            max_duration=20,
        )
    assert run.error is None
    assert attempts == ["/first", "/one", "/two"]


def test_a_refusal_for_the_old_connection_s_sake_does_not_end_the_run() -> None:
    """Where one connection is allowed, the refusal may come when that has ended."""
    first: list[RawPeer] = []
    gone = asyncio.Event()

    async def script(peer: RawPeer) -> None:
        if peer.number == 1:
            first.append(peer)
        if peer.number == 2:
            await first[0].send(close_frame(1000))
            await gone.wait()
            await peer.status(403)
            return
        await peer.upgrade(frame(b'{"n": %d}' % peer.number))
        await peer.wait()
        if peer.number == 1:
            peer.writer.write_eof()
            # Until the client has closed its end, too.
            await peer.reader.read()
            gone.set()

    with serve_raw(script) as server:
        run = receive(url=server.url, **REPLACED, max_messages=2, max_duration=20)
    assert run.error is None
    assert [row["n"] for row in run.records] == [1, 3]


def test_a_replacement_that_ends_at_once_is_followed_by_the_next_address() -> None:
    asked: list[str] = []

    async def one(peer: RawPeer) -> None:
        asked.append("one")
        await peer.upgrade()
        if peer.number > 1:
            await peer.send(close_frame(1013))
        await peer.wait()

    async def two(peer: RawPeer) -> None:
        asked.append("two")
        await peer.upgrade(frame(END_TEXT))
        await peer.wait()

    with serve_raw(one) as first, serve_raw(two) as second:
        run = receive(
            url=first.url,
            alternate_urls=[second.url],
            **REPLACED | {"overlap": 1},
            message_rules=[END],
            max_duration=20,
        )
    assert run.error is None
    assert run.counts.outages == 0
    assert asked == ["one", "one", "two"]


def test_a_line_keeps_its_own_address_and_comes_back_to_it() -> None:
    """Lines that stay where they fled to would all be lost together."""
    asked: list[str] = []
    # The two servers have a loop each.
    read = threading.Event()

    async def one(peer: RawPeer) -> None:
        asked.append("one")
        await peer.upgrade(frame(b'{"n": %d}' % peer.number))
        await peer.all_read()
        read.set()
        if peer.number == 2:
            await peer.send(close_frame(1012))
        await peer.wait()

    async def two(peer: RawPeer) -> None:
        asked.append("two")
        if peer.number == 2:
            await peer.status(503)
            return
        await peer.upgrade()
        if peer.number == 1:
            while not read.is_set():
                await asyncio.sleep(0.01)
            # The other line was first with it, but this one is as good.
            await peer.send(frame(b'{"n": 1}'), close_frame(1012))
        if peer.number == 3:
            await peer.send(frame(END_TEXT))
        await peer.wait()

    with serve_raw(one) as first, serve_raw(two) as second:
        run = receive(
            url=first.url,
            alternate_urls=[second.url],
            reconnect=True,
            reconnect_backoff=0.05,
            redundancy=2,
            overlap=0.1,
            message_rules=[END],
            max_duration=20,
        )
    assert run.error is None
    assert run.counts.outages == 0
    assert asked[2:] == ["two", "one", "two"]


def test_what_a_slow_target_has_not_taken_of_a_replaced_connection_is_not_lost() -> (
    None
):
    """Reading stops and goes on all the time; a Close is behind what is not read."""
    count = 15_000
    message = b'{"n": %d, "pad": "' + b"x" * 80 + b'"}'

    async def script(peer: RawPeer) -> None:
        await peer.upgrade()
        if peer.number == 1:
            for first in range(0, count, 100):
                numbers = range(first, first + 100)
                await peer.send(*(frame(message % n) for n in numbers))
        await peer.wait()

    with serve_raw(script) as server:
        run = receive(
            each=lambda _page, _bridge: time.sleep(0.01),
            url=server.url,
            reconnect=True,
            connection_lifetime=0.5,
            overlap=0.01,
            close_timeout=1,
            batch_size=50,
            buffer_bytes=20_000,
            spill_bytes=0,
            infer_messages=1,
            max_messages=count,
            max_duration=20,
        )
    assert run.error is None
    assert [row["n"] for row in run.records] == list(range(count))
