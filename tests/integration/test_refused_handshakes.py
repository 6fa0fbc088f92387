"""Handshakes that a server refuses or spoils, and which of them are tried again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import ConnectionFailed
from tests.support.raw import HELLO, serve_raw
from tests.support.receive import receive

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.raw import RawPeer
    from tests.support.receive import Received

pytestmark = pytest.mark.usefixtures("each_transport")


HANDSHAKES: list[tuple[str, Any, str]] = [
    ("never answers", lambda peer: peer.silence(), "no answer within 2 s"),
    ("hangs up", lambda peer: peer.read_request(), "hung up during the handshake"),
    ("is not HTTP", lambda peer: peer.send(b"SSH-2.0-OpenSSH\r\n\r\n"), "is not HTTP"),
    (
        "200",
        lambda peer: peer.status(200, body=b"<html>"),
        "HTTP 200; that is a web page",
    ),
    ("400", lambda peer: peer.status(400), "HTTP 400; the server does not take"),
    ("401", lambda peer: peer.status(401), "HTTP 401"),
    ("403", lambda peer: peer.status(403), "HTTP 403"),
    ("404", lambda peer: peer.status(404, body=b"x" * 500), "HTTP 404; there is"),
    ("407", lambda peer: peer.status(407), "HTTP 407"),
    ("429", lambda peer: peer.status(429), "HTTP 429"),
    ("500", lambda peer: peer.status(500), "HTTP 500"),
    ("503", lambda peer: peer.status(503), "HTTP 503"),
    ("a wrong accept", lambda peer: peer.upgrade(accept="x"), "agree to the handshake"),
    (
        "an extension that was not offered",
        lambda peer: peer.upgrade(extra="Sec-WebSocket-Extensions: x-zip\r\n"),
        "extension",
    ),
    (
        "a subprotocol that was not offered",
        lambda peer: peer.upgrade(extra="Sec-WebSocket-Protocol: chat\r\n"),
        "subprotocol",
    ),
]


@pytest.mark.parametrize(("name", "play", "error"), HANDSHAKES)
def test_each_bad_handshake_is_an_error(name: str, play: Any, error: str) -> None:
    patience = 2 if name == "never answers" else 20
    with serve_raw(play) as server:
        run = receive(url=server.url, connect_timeout=patience, max_duration=60)
    assert isinstance(run.error, ConnectionFailed)
    assert error in str(run.error)
    assert run.seconds < 10


def receive_after(
    refuse: Callable[[RawPeer], Awaitable[None]], *, times: int = 1, **given: Any
) -> Received:
    """Receive a message of a server that refuses the first attempts."""

    async def play(peer: RawPeer) -> None:
        if peer.number <= times:
            await refuse(peer)
        else:
            await peer.upgrade(HELLO)
            await peer.wait()

    with serve_raw(play) as server:
        return receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.02,
            max_messages=1,
            **given,
        )


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_some_statuses_are_retried(status: int) -> None:
    run = receive_after(lambda peer: peer.status(status), times=2)
    assert run.error is None
    assert len(run.records) == 1


@pytest.mark.parametrize(
    "line",
    [
        "HTTP/1.1 521 Web Server Is Down",
        "HTTP/1.0 503 Service Unavailable",
        "HTTP/1.1 503",
    ],
)
@pytest.mark.parametrize("pieces", [1, 2])
def test_a_status_that_a_library_does_not_read_is_retried(
    line: str,
    pieces: int,
) -> None:
    async def refuse(peer: RawPeer) -> None:
        await peer.read_request()
        text = f"{line}\r\nRetry-After: 1\r\n\r\n".encode()
        for part in (text[: -pieces + 1], text[-pieces + 1 :]):
            await peer.send(part)
            await asyncio.sleep(0.05)

    run = receive_after(refuse, max_duration=5)
    assert run.error is None
    assert len(run.records) == 1
    assert run.seconds >= 1


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404])
def test_other_statuses_are_not_retried(status: int) -> None:
    with serve_raw(lambda peer: peer.status(status)) as server:
        run = receive(url=server.url, reconnect=True, reconnect_backoff=0.02)
        assert len(server.peers) == 1
    assert isinstance(run.error, ConnectionFailed)


def test_retry_after_is_honoured() -> None:
    run = receive_after(lambda peer: peer.status(429, "Retry-After: 1"))
    assert run.error is None
    assert run.seconds >= 1


def test_an_answer_byte_by_byte_is_an_answer() -> None:
    async def play(peer: RawPeer) -> None:
        await peer.read_request()
        for byte in peer.answer() + HELLO:
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)
        await peer.wait()

    with serve_raw(play) as server:
        run = receive(url=server.url, max_messages=1)
    assert run.error is None
    assert len(run.records) == 1


def test_a_refusal_does_not_wait_for_its_body() -> None:
    async def play(peer: RawPeer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\n")
        await peer.reader.read()

    with serve_raw(play) as server:
        run = receive(url=server.url, connect_timeout=20, max_duration=60)
    assert isinstance(run.error, ConnectionFailed)
    assert "HTTP 404" in str(run.error)
    assert run.seconds < 15


def test_a_body_of_a_gigabyte_is_not_read() -> None:
    async def play(peer: RawPeer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 404 No\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(1000):
            await peer.send(b"x" * 1_000_000)

    with serve_raw(play) as server:
        run = receive(url=server.url, connect_timeout=5, max_duration=60)
    assert isinstance(run.error, ConnectionFailed)
    assert run.seconds < 20


@pytest.mark.parametrize(
    "value",
    [
        "9" * 400,
        "Wed, 21 Oct 2015 07:28:00 +99999999999999",
        "Wed, 21 Oct 99999 07:28:00 GMT",
        "-5",
        "soon",
        "\xff",
    ],
)
def test_a_retry_after_that_cannot_be_read(value: str) -> None:
    run = receive_after(
        lambda peer: peer.status(503, f"Retry-After: {value}"),
        max_duration=2 if value.startswith("999") else 20,
    )
    if value.startswith("999"):
        assert "HTTP 503" in str(run.error)
    else:
        assert run.error is None
