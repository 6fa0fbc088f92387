"""Reconnecting, over real sockets (docs/behaviour.md, "Retried")."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import ConnectionFailed
from tests.support.raw import close_frame, frame, opens, serve_raw
from tests.support.receive import receive
from tests.support.servers import free_port, serve

if TYPE_CHECKING:
    from tests.support.raw import RawPeer
    from tests.support.servers import Kind, Peer


pytestmark = pytest.mark.usefixtures("each_transport")


async def two_then_close(peer: Peer) -> None:
    await peer.recv()
    for number in range(2):
        await peer.send(f'{{"connection": {peer.number}, "n": {number}}}')
    await peer.close((1000, 1001, 1012)[peer.number % 3])


def test_reconnects_after_any_close_and_subscribes_again(kind: Kind) -> None:
    with serve(two_then_close, kind) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.05,
            subscribe_messages=["subscribe"],
            max_messages=8,
        )
        received = server.received
    assert run.error is None
    assert [(record["connection"], record["n"]) for record in run.records] == [
        (connection, n) for connection in (1, 2, 3, 4) for n in (0, 1)
    ]
    assert received == ["subscribe"] * 4
    assert run.counts.reconnects == 3
    assert run.counts.disconnected_seconds >= 0.15


def test_metadata_numbers_connections_and_records(kind: Kind) -> None:
    with serve(two_then_close, kind) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.05,
            subscribe_messages=["go"],
            max_messages=4,
            record_metadata=True,
        )
    numbers = [(record["_connection"], record["_sequence"]) for record in run.records]
    assert numbers == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_gives_up_after_max_reconnect_attempts_the_first_connect_included() -> None:
    begin = time.monotonic()
    run = receive(
        url=f"ws://localhost:{free_port()}/",
        reconnect=True,
        reconnect_backoff=0.1,
        max_reconnect_attempts=2,
    )
    assert isinstance(run.error, ConnectionFailed)
    assert "2 retries" in str(run.error)
    assert "max_reconnect_attempts" in str(run.error)
    assert 0.2 <= time.monotonic() - begin < 10


def test_no_attempts_means_no_retry(kind: Kind) -> None:
    with serve(two_then_close, kind) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            max_reconnect_attempts=0,
            subscribe_messages=["go"],
        )
    assert isinstance(run.error, ConnectionFailed)
    assert len(run.records) == 2


def test_a_message_resets_the_count_of_attempts(kind: Kind) -> None:
    with serve(two_then_close, kind) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.02,
            max_reconnect_attempts=1,
            subscribe_messages=["go"],
            max_messages=12,
        )
    assert run.error is None
    assert len(run.records) == 12


def test_without_reconnect_the_error_says_what_would_help(kind: Kind) -> None:
    async def script(peer: Peer) -> None:
        await peer.close(1011)

    with serve(script, kind) as server:
        run = receive(url=server.url)
    assert "reconnect: true" in str(run.error)


def test_an_outage_is_logged_when_it_starts_and_when_it_ends(
    kind: Kind,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    with serve(two_then_close, kind) as server:
        receive(
            url=server.url + "/secret?token=secret",
            reconnect=True,
            reconnect_backoff=0.05,
            subscribe_messages=["go"],
            max_messages=4,
        )
    records = [entry for entry in caplog.records if entry.name.startswith("tap-")]
    text = "\n".join(entry.getMessage() for entry in records)
    assert "Lost ws://localhost:" in text
    assert "code 1001" in text
    assert "Connected again after" in text
    assert "secret" not in text


def test_the_end_of_an_outage_is_logged_before_what_comes_at_once(
    each_transport: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")

    async def script(peer: RawPeer) -> None:
        await peer.upgrade(frame(b"{}"), close_frame(1001))

    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.05,
            max_messages=2,
            transport=each_transport,
        )
    assert run.counts.reconnects == 1
    assert "at attempt 1;" in caplog.text


def test_a_server_that_comes_up_late_is_found(kind: Kind) -> None:
    refused = 0

    async def script(peer: Peer) -> None:
        nonlocal refused
        if peer.number < 3:
            refused += 1
            await peer.reset()
            return
        await peer.send("{}")
        await peer.wait()

    with serve(script, kind) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.05,
            max_messages=1,
        )
    assert run.error is None
    assert refused == 2


def test_an_address_that_says_nothing_does_not_hold_up_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = opens(frame(b'{"n": 1}'), close_frame(1000))
    tcp = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    with serve_raw(script) as server, socket.socket() as hole, socket.socket() as first:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        first.connect(hole.getsockname())  # its queue is full

        async def resolve(*_: object, **__: object) -> list[Any]:
            return [(*tcp, hole.getsockname()), (*tcp, ("127.0.0.1", server.port))]

        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
        run = receive(url=server.url, connect_timeout=20)
    assert run.error is None
    assert len(run.records) == 1
    assert run.seconds < 20
