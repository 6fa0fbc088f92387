"""Servers that send and do not read: what waits to be written to them is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from tap_websocket.errors import ConnectionFailed
from tap_websocket.network import tcp
from tap_websocket.transports import flow
from tests.support.connect import Heard, listen
from tests.support.raw import close_frame, frame, serve_raw
from tests.support.receive import receive

if TYPE_CHECKING:
    from tests.support.raw import RawPeer

MIB = 1024 * 1024
KERNEL_BYTES = 8 * MIB
"""What loopback takes of a writer whose peer does not read."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a server up soon."""
    monkeypatch.setattr(flow, "_PATIENCE_SECONDS", 0.6)
    monkeypatch.setattr(flow, "_LOOK_SECONDS", 0.2)


async def stop_reading(peer: RawPeer) -> None:
    opened = peer.writer.get_extra_info("socket")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
    transport = peer.writer.transport
    assert isinstance(transport, asyncio.Transport)
    transport.pause_reading()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("opcode", [9, 1])
def test_a_server_that_does_not_read_is_given_up(
    opcode: int, each_transport: str
) -> None:
    sent = 0

    async def play(peer: RawPeer) -> None:
        nonlocal sent
        await peer.upgrade()
        await stop_reading(peer)
        data = frame(b"x" * 125, opcode=opcode) * 1000
        with contextlib.suppress(ConnectionError):
            while True:
                await peer.send(data)
                sent += len(data)

    class Replying(Heard):
        def messages(self, payloads: list[bytes], *, binary: bool) -> None:
            del binary
            assert self.connection is not None
            for payload in payloads:
                self.connection.send(payload * 10)

    with serve_raw(play) as server:
        heard = listen(Replying(), each_transport, server.url)
    assert heard.closing is not None
    assert heard.closing.failure == "the server does not read what is sent to it"
    if opcode == 1:
        # Reading stops as well, so the server cannot go on sending.
        assert sent < 4 * KERNEL_BYTES


def test_no_more_than_a_bound_is_kept_of_one_read(
    each_transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    check = flow.FlowControl.check

    def watched(self: flow.FlowControl) -> None:
        kept.append(self._transport.get_write_buffer_size())
        check(self)

    monkeypatch.setattr(flow.FlowControl, "check", watched)

    async def play(peer: RawPeer) -> None:
        await peer.upgrade()
        await stop_reading(peer)
        await peer.send(frame(b"{}") * 1000)
        await peer.silence()

    class Amplifying(Heard):
        def messages(self, payloads: list[bytes], *, binary: bool) -> None:
            del binary
            assert self.connection is not None
            for _ in payloads:
                self.connection.send(b"x" * MIB)

    with serve_raw(play) as server:
        heard = listen(Amplifying(), each_transport, server.url)
    assert heard.closing is not None
    assert heard.closing.failure == "the server does not read what is sent to it"
    assert max(kept) < 18 * MIB


@pytest.mark.parametrize("size", [1000, MIB])
@pytest.mark.usefixtures("each_transport", "impatient")
def test_replies_to_one_read_are_bounded_too(size: int) -> None:
    """They are sent together, but not all of them."""
    asked = 500 * MIB // size if size == MIB else 100_000

    async def play(peer: RawPeer) -> None:
        await peer.upgrade()
        await stop_reading(peer)
        await peer.send(frame(b"{}") * asked)
        await peer.silence()

    tracemalloc.start()
    try:
        with serve_raw(play) as server:
            run = receive(
                url=server.url,
                message_rules=[{"then": "ignore", "reply": "x" * size}],
                max_duration=200,
            )
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert "the server does not read what is sent to it" in str(run.error)
    assert peak < 64 * MIB


def test_of_pongs_that_wait_the_last_one_is_sent(
    each_transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "_HIGH_BYTES", 64 * 1024)
    monkeypatch.setattr(flow, "_LOW_BYTES", 16 * 1024)
    monkeypatch.setattr(flow, "_PATIENCE_SECONDS", 60)

    def bound(opened: socket.socket, _: int) -> None:
        # Otherwise loopback takes 10 MiB.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)

    monkeypatch.setattr(tcp, "bound_window", bound)
    pings = 20_000
    pongs: list[bytes] = []
    heard = Heard(10)

    async def play(peer: RawPeer) -> None:
        await peer.upgrade()
        await stop_reading(peer)
        for start in range(0, pings, 1000):
            batch = (
                frame(b"%0100d" % number, opcode=9)
                for number in range(start, start + 1000)
            )
            await peer.send(*batch)
        await peer.send(frame(b"{}"))
        # The client answers meanwhile, until its Pongs have to wait. It may read
        # nothing more then, so there is no event to wait for.
        await asyncio.sleep(2)
        transport = peer.writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.resume_reading()
        with contextlib.suppress(asyncio.IncompleteReadError):
            while not pongs or int(pongs[-1]) != pings - 1:
                opcode, payload = await peer.recv()
                assert opcode == 10
                pongs.append(payload)
        await peer.send(close_frame(1000))
        await peer.wait()

    with serve_raw(play) as server:
        listen(heard, each_transport, server.url)
    assert heard.texts == [b"{}"]
    assert len(heard.controls) == pings + 1
    assert int(pongs[-1]) == pings - 1
    assert len(pongs) < pings - 1000


@pytest.mark.usefixtures("impatient")
def test_a_stalled_connection_is_a_drop(each_transport: str) -> None:
    async def play(peer: RawPeer) -> None:
        await peer.upgrade()
        if peer.number == 2:
            await peer.send(frame(b'{"n": 2}'), close_frame(1000))
            await peer.wait()
            return
        await stop_reading(peer)
        await peer.send(frame(b'{"n": 1}'))
        with contextlib.suppress(ConnectionError):
            while True:
                await peer.send(frame(b"x" * 125, opcode=9) * 1000)

    with serve_raw(play) as server:
        run = receive(
            url=server.url,
            transport=each_transport,
            reconnect=True,
            reconnect_backoff=0.02,
            max_messages=2,
            max_duration=30,
        )
    assert run.error is None
    assert [record["n"] for record in run.records] == [1, 2]
    assert run.counts.reconnects == 1


def test_a_large_subscription_waits_for_a_slow_server(
    each_transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is over the bound from which nothing is read, and the server is alive."""
    monkeypatch.setattr(flow, "_PATIENCE_SECONDS", 2)
    monkeypatch.setattr(flow, "_LOOK_SECONDS", 0.2)
    size = 8_000_000
    got = 0

    async def play(peer: RawPeer) -> None:
        nonlocal got
        await peer.upgrade()
        while got < size:
            got += len(await peer.reader.read(64 * 1024))
            await asyncio.sleep(0.03)
        await peer.send(frame(b'{"n": 1}'), close_frame(1000))
        with contextlib.suppress(ConnectionError):
            await peer.reader.read()

    with serve_raw(play) as server:
        run = receive(
            url=server.url,
            transport=each_transport,
            subscribe_messages=["x" * size],
            max_duration=100,
        )
    assert not isinstance(run.error, ConnectionFailed), run.error
    assert len(run.records) == 1
