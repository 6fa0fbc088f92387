"""The end of a feed whose server has left already is received as any other part."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import fcntl
import hashlib
import socket
import ssl
import struct
import termios
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import ConnectionFailed
from tests.support.certificates import server_side
from tests.support.processes import wait_until
from tests.support.raw import close_frame, frame, serve_raw
from tests.support.receive import receive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import trustme

    from tap_websocket.delivery.bridge import Bridge
    from tap_websocket.delivery.pages import Page
    from tests.support.raw import RawPeer

pytestmark = pytest.mark.usefixtures("each_transport")

MESSAGES = 16_000
PING = 9
SCHEMES = ["ws", "wss"]


@contextlib.contextmanager
def serve_blocking(
    script: Callable[[socket.socket], None],
    tls: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """Serve a script on plain blocking sockets; yield the URL.

    asyncio's servers answer and wait in the end, more than most servers do.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def play(peer: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if tls is not None:
                peer = tls.wrap_socket(peer, server_side=True)
            answer(peer)
            script(peer)
        peer.close()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                threading.Thread(target=play, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    scheme = "ws" if tls is None else "wss"
    try:
        yield f"{scheme}://localhost:{listener.getsockname()[1]}/"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def answer(peer: socket.socket) -> None:
    """Agree to the handshake."""
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += peer.recv(4096)
    lines = request.lower().split(b"\r\n")
    (at,) = (n for n, line in enumerate(lines) if b"sec-websocket-key" in line)
    key = request.split(b"\r\n")[at].split(b":")[1].strip()
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    peer.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n"
        % base64.b64encode(digest),
    )


def leave(peer: socket.socket) -> None:
    """Leave at once when all has arrived, without waiting for a Close or a word."""
    deadline = time.monotonic() + 10
    while waiting(peer) and time.monotonic() < deadline:
        time.sleep(0.01)
    peer.setblocking(False)
    if isinstance(peer, ssl.SSLSocket):
        with contextlib.suppress(OSError):
            peer.unwrap()
    peer.close()


def waiting(peer: socket.socket) -> int:
    """Return how many bytes have not arrived yet."""
    (size,) = struct.unpack("i", fcntl.ioctl(peer, termios.TIOCOUTQ, b"\0" * 4))
    return int(size)


def feed(messages: int = MESSAGES, *, pings: bool = False) -> bytes:
    """Return a feed that ends in good order, with Pings in its second half."""
    parts = []
    for number in range(messages):
        parts.append(frame(b'{"n": %d, "pad": "xxxxxxxxxxxxxxxxxxxx"}' % number))
        if pings and number % 500 == 0 and number > messages / 2:
            parts.append(frame(b"", opcode=9))
    return b"".join([*parts, close_frame(1000)])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("written", ["Pongs", "heartbeats"])
def test_what_is_written_does_not_cost_what_a_server_sent_before_it_left(
    authority: trustme.CA,
    scheme: str,
    written: str,
) -> None:
    left = threading.Event()
    settings: dict[str, Any] = {}
    if written == "heartbeats":
        settings = {"heartbeat_message": "beat", "heartbeat_interval": 0.4}

    def script(peer: socket.socket) -> None:
        peer.sendall(feed(pings=written == "Pongs"))
        leave(peer)
        left.set()

    def each(page: Page, bridge: Bridge) -> None:
        del page, bridge
        if not left.is_set():
            assert left.wait(120)
            time.sleep(1 if settings else 0)  # two heartbeats

    tls = server_side(authority, "localhost") if scheme == "wss" else None
    with serve_blocking(script, tls) as url:
        run = receive(
            url=url,
            buffer_bytes=100_000,
            batch_size=100,
            infer_messages=1,
            each=each,
            **settings,
        )
    assert run.error is None
    assert [record["n"] for record in run.records] == list(range(MESSAGES))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_connections_that_end_while_reading_is_paused_lose_nothing(
    authority: trustme.CA,
    scheme: str,
) -> None:
    servers, messages = 4, 10_000
    left: list[bool] = []

    def script(peer: socket.socket) -> None:
        peer.sendall(feed(messages))
        leave(peer)
        left.append(True)

    def each(page: Page, bridge: Bridge) -> None:
        del page, bridge
        wait_until(lambda: len(left) == servers)

    tls = server_side(authority, "localhost") if scheme == "wss" else None
    with serve_blocking(script, tls) as url:
        run = receive(
            url=url,
            contexts=[{"server": str(number)} for number in range(servers)],
            buffer_bytes=100_000,
            batch_size=100,
            infer_messages=1,
            each=each,
        )
    assert run.error is None
    assert len(run.records) == servers * messages


def test_no_ping_is_sent_while_reading_is_paused() -> None:
    pings = 0

    async def count(peer: RawPeer) -> None:
        nonlocal pings
        while True:
            opcode, _ = await peer.recv()
            pings += opcode == PING

    async def script(peer: RawPeer) -> None:
        await peer.upgrade()
        counting = asyncio.ensure_future(count(peer))
        await peer.send(feed())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await counting

    stalled: list[bool] = []

    def each(page: Page, bridge: Bridge) -> None:
        del page
        if not stalled:
            stalled.append(True)
            wait_until(lambda: bridge.buffer.is_full)
            # Some may still be under way.
            wait_until(lambda: not comes_another(0.5))

    def comes_another(seconds: float) -> bool:
        before = pings
        time.sleep(seconds)
        return pings > before

    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            buffer_bytes=100_000,
            batch_size=100,
            infer_messages=1,
            ping_interval=0.05,
            each=each,
        )
    assert run.error is None


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_server_that_answers_nothing_any_more_does_not_hold_up_the_end(
    authority: trustme.CA,
    scheme: str,
) -> None:
    over = threading.Event()

    def script(peer: socket.socket) -> None:
        peer.sendall(frame(b'{"n": 1}'))
        time.sleep(0.1)
        peer.sendall(frame(b"x" * 800)[:40])
        over.wait(100)

    tls = server_side(authority, "localhost") if scheme == "wss" else None
    with serve_blocking(script, tls) as url:
        run = receive(url=url, max_message_bytes=50, max_duration=60)
        over.set()
    assert isinstance(run.error, ConnectionFailed)
    assert "larger than max_message_bytes" in str(run.error)
    # What a server may take to close TLS is 30 s.
    assert run.seconds < 20


def test_an_end_does_not_wait_until_a_server_reads() -> None:
    over = threading.Event()

    def script(peer: socket.socket) -> None:
        peer.sendall(frame(b'{"n": 1}'))
        pings = frame(b"p" * 125, opcode=9) * 2000
        for _ in range(30):
            peer.sendall(pings)
        peer.sendall(frame(b"", opcode=3))
        over.wait(100)

    with serve_blocking(script) as url:
        run = receive(url=url, max_duration=60)
        over.set()
    assert isinstance(run.error, ConnectionFailed)
    assert "violated the protocol" in str(run.error)
