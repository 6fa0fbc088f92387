"""Proxies, real ones and scripted ones, on each transport."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.network.errors import BadHandshake, Unreachable
from tap_websocket.transports.base import Handshake
from tests.support.connect import Heard, connect, make_transport
from tests.support.proxies import answering, serve_proxy, socks, tunnel
from tests.support.raw import frame, serve_raw
from tests.support.refused import CREDENTIALS, refused
from tests.support.servers import serve

if TYPE_CHECKING:
    from tests.support.proxies import Kind
    from tests.support.raw import RawPeer
    from tests.support.servers import Peer

TRANSPORTS = ["websockets", "picows"]
PLAIN: list[Kind] = ["http", "socks5", "socks5h"]


async def hello(peer: Peer) -> None:
    await peer.send('{"n": 1}')
    await peer.wait()


@pytest.mark.parametrize("userinfo", ["", "us%40er:pa%3Ass"])
@pytest.mark.parametrize("kind", PLAIN)
def test_a_proxy_leads_to_a_server(kind: Kind, userinfo: str, transport: str) -> None:
    wanted = userinfo.replace("%40", "@").replace("%3A", ":")
    with serve(hello) as server, serve_proxy(kind, wanted) as proxy:
        heard = connect(transport, server.url, proxy=proxy.url_with(userinfo))
        asked = proxy.asked()
    assert heard.texts == [b'{"n": 1}']
    host = "127.0.0.1" if kind == "socks5" else "localhost"
    assert asked == f"{host}:{server.port}"


@pytest.mark.parametrize("kind", ["http", "socks5h"])
def test_a_name_that_only_the_proxy_knows(kind: Kind, transport: str) -> None:
    with serve(hello) as server, serve_proxy(kind) as proxy:
        url = server.url.replace("localhost", "feed.test")
        heard = connect(transport, url, proxy=proxy.url)
        assert proxy.asked() == f"feed.test:{server.port}"
    assert heard.texts == [b'{"n": 1}']


def test_socks5_resolves_names_here(transport: str) -> None:
    with serve_proxy("socks5") as proxy:
        with pytest.raises(Unreachable, match="the name cannot be resolved"):
            connect(transport, "ws://feed.test:1/", proxy=proxy.url)
        assert proxy.lines.empty()


# What goes wrong, with proxies that follow a script.


def fails(transport: str, scheme: str, script: Any) -> Any:
    """Return the error of a handshake through a scripted proxy."""
    userinfo = "us%40er:sEcret" if scheme.startswith("socks") else CREDENTIALS
    with serve_raw(script) as server:
        proxy = f"{scheme}://{userinfo}@127.0.0.1:{server.port}"
        return refused(transport, proxy=proxy)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"HTTP/1.1 407 No\r\n\r\n", BadHandshake, "wants other credentials"),
        (b"HTTP/1.0 403 No\r\nA: b\r\n\r\n", BadHandshake, r"refuses .*HTTP 403"),
        (b"HTTP/1.1 502 No\r\n\r\n", Unreachable, r"cannot reach .*\(HTTP 502\)"),
        (b"HTTP/1.1 425 No\r\n\r\n", Unreachable, r"cannot reach .*\(HTTP 425\)"),
        (b"HTTP/1.1 429 No\r\n\r\n", Unreachable, r"cannot reach .*\(HTTP 429\)"),
        (b"HTTP/1.1 302 No\r\n\r\n", BadHandshake, r"refuses .*HTTP 302"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", BadHandshake, "is not HTTP"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", BadHandshake, "is not HTTP"),
        pytest.param(b"\0" * 100, BadHandshake, "is not HTTP", id="zeros"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000,
            BadHandshake,
            "too long",
            id="endless headers",
        ),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
            BadHandshake,
            "too long",
            id="endless interim answers",
        ),
        (b"HTTP/1.1 101 Switching\r\n\r\n", BadHandshake, r"refuses .*HTTP 101"),
        (b"HTTP/1.1 103 Hints\r\n\r\n!", Unreachable, "the proxy hung up .*answered$"),
        (b"!", Unreachable, "the proxy hung up"),
        (b"HTTP/1.1 200 O!", Unreachable, "the proxy hung up"),
    ],
)
def test_an_http_proxy_that_fails(
    answer: bytes, kind: type, words: str, transport: str
) -> None:
    error = fails(transport, "http", answering(answer))
    assert re.match(f"the proxy.*{words}|{words}", str(error))
    assert type(error) is kind


def connect_through(
    parts: list[bytes], transport: str, url: str, *, pause: float = 0
) -> Heard:
    """Connect through a proxy whose answer comes in parts, to a server behind it.

    Args:
        parts: Each is written by itself.
        pause: Seconds after each.
    """

    async def play(peer: RawPeer) -> None:
        await peer.read_request()
        for part in parts:
            await peer.send(part)
            await asyncio.sleep(pause)
        await peer.upgrade(frame(b"{}"))
        await peer.wait()

    with serve_raw(play) as server:
        return connect(transport, url, proxy=f"http://127.0.0.1:{server.port}")


def test_an_answer_in_pieces_is_read_to_its_end(transport: str) -> None:
    """And not a byte of it is taken for the server's."""

    parts = [b"HTTP/1.1 2", b"99 Fine\r\nVia: ", b"x\r\n\r", b"\n"]
    heard = connect_through(parts, transport, "ws://[2001:db8::1]/", pause=0.01)
    assert heard.texts == [b"{}"]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_interim_answers_of_a_proxy_are_skipped(size: int, transport: str) -> None:
    answer = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n"
    )
    parts = [answer[start : start + size] for start in range(0, len(answer), size)]
    heard = connect_through(parts, transport, "ws://feed.test/")
    assert heard.texts == [b"{}"]


def test_what_connect_asks_for(transport: str) -> None:
    requests: list[str] = []

    async def play(peer: RawPeer) -> None:
        await peer.read_request()
        requests.append(peer.request)
        await peer.send(b"HTTP/1.1 500 No\r\n\r\n")

    for url in ("ws://[2001:db8::1]/", "wss://bücher.test", "ws://feed.test:81"):
        with serve_raw(play) as server:
            proxy = f"http://{CREDENTIALS}@127.0.0.1:{server.port}"
            refused(transport, url, proxy=proxy)
    credentials = base64.b64encode("us@er:sEcrét".encode()).decode()
    targets = ["[2001:db8::1]:80", "xn--bcher-kva.test:443", "feed.test:81"]
    assert requests == [
        f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
        f"Proxy-Authorization: Basic {credentials}\r\n\r\n"
        for target in targets
    ]


@pytest.mark.parametrize("scheme", PLAIN)
def test_a_proxy_that_is_down(scheme: str, transport: str) -> None:
    userinfo = CREDENTIALS if scheme == "http" else "us%40er:sEcret"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        for host, words in (("127.0.0.1", "refused"), ("p.invalid", "resolved")):
            proxy = f"{scheme}://{userinfo}@{host}:{port}"
            error = refused(transport, "ws://127.0.0.1/pAth", proxy=proxy)
            assert type(error) is Unreachable
            assert re.match(f"the proxy cannot be reached: .*{words}", str(error))


@pytest.mark.parametrize("scheme", PLAIN)
@pytest.mark.parametrize("reset", [False, True])
def test_a_proxy_that_hangs_up(scheme: str, reset: bool, transport: str) -> None:
    async def play(peer: RawPeer) -> None:
        await peer.reader.read(3)
        if reset:
            peer.reset()

    error = fails(transport, scheme, play)
    assert type(error) is Unreachable
    assert re.match(r"the proxy hung up|the connection to the proxy broke", str(error))


@pytest.mark.parametrize(
    ("answers", "kind", "words"),
    [
        ((b"\5\2", b"\1\1"), BadHandshake, "Username and password"),
        ((b"\5\xff",), BadHandshake, "No acceptable"),
        ((b"HTTP/1.1 400 No\r\n\r\n",), BadHandshake, "did not agree"),
        ((b"\5\2", b"\1\0", b"\5\2\0"), BadHandshake, "not allowed"),
        ((b"\5\2", b"\1\0", b"\5\4\0"), Unreachable, "cannot reach .*Host"),
        ((b"\5\2", b"\1\0", b"\5\5\0"), Unreachable, "cannot reach .*refused"),
        ((b"\5\2", b"\1\0", b"\5\x77\0"), BadHandshake, "did not agree"),
    ],
)
def test_a_socks_proxy_that_fails(
    answers: tuple[bytes, ...], kind: type, words: str, transport: str
) -> None:
    error = fails(transport, "socks5h", socks(*answers))
    assert type(error) is kind
    assert re.match(f"the proxy.*{words}", str(error))


@pytest.mark.parametrize("kind", PLAIN)
def test_a_real_proxy_refuses_credentials(kind: Kind, transport: str) -> None:
    with serve_proxy(kind, "user:right") as proxy:
        given = proxy.url_with("user:wrOng")
        error = refused(transport, "ws://127.0.0.1:1/", proxy=given)
        assert proxy.lines.empty()
    if kind == "http":
        assert type(error) is BadHandshake
    assert "the proxy" in str(error)
    assert "wrOng" not in str(error)


@pytest.mark.parametrize("kind", PLAIN)
def test_a_real_proxy_that_does_not_reach_the_server(
    kind: Kind, transport: str
) -> None:
    with serve_proxy(kind) as proxy:
        error = refused(transport, "ws://127.0.0.1:1/", proxy=proxy.url)
    assert type(error) is Unreachable


@pytest.mark.parametrize(
    ("scheme", "stage"),
    [
        *((scheme, "proxy") for scheme in PLAIN),
        *((scheme, "tls") for scheme in ["", *PLAIN]),
        *((scheme, "upgrade") for scheme in ["", *PLAIN]),
    ],
)
def test_a_handshake_that_is_given_up_leaves_no_socket(
    scheme: str, stage: str, transport: str
) -> None:
    reached = threading.Event()
    left = threading.Event()

    async def play(peer: RawPeer) -> None:
        if stage != "proxy":
            await tunnel(peer, scheme)
        await peer.reader.readexactly(3)
        reached.set()
        while await peer.reader.read(1000):
            pass
        left.set()

    async def give_up(url: str, proxy: str | None) -> None:
        handshake = Handshake(url, proxy=proxy)
        opening = asyncio.create_task(
            make_transport(transport).connect(handshake, Heard())
        )
        assert await asyncio.to_thread(reached.wait, 20)
        opening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await opening
        assert await asyncio.to_thread(left.wait, 20)

    with serve_raw(play) as server:
        address = f"127.0.0.1:{server.port}"
        kind = "wss" if stage == "tls" else "ws"
        proxy = f"{scheme}://{address}" if scheme else None
        target = "127.0.0.1:1" if scheme else address
        asyncio.run(give_up(f"{kind}://{target}/", proxy))
