"""What servers may answer to the upgrade request, and what a refusal says."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import ConnectionFailed
from tap_websocket.feed import advice
from tap_websocket.feed.session import Session
from tap_websocket.network.errors import BadHandshake, HandshakeRefused
from tap_websocket.transports.answer import MAX_ANSWER_BYTES, AnswerReader
from tests.support.certificates import client_side, server_side
from tests.support.connect import connect
from tests.support.raw import HELLO, close_frame, opens, serve_raw
from tests.support.receive import receive

if TYPE_CHECKING:
    import trustme

    from tests.support.raw import RawPeer

EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def edited(old: bytes, new: bytes) -> Any:
    return lambda answer: answer.replace(old, new, 1)


ACCEPTED = {
    "no reason phrase": edited(b" Switching Protocols", b""),
    "an empty reason phrase": edited(b"Switching Protocols", b""),
    "a reason phrase in another charset": edited(b"Switching", b"\xc3\xa9\xff"),
    "an interim answer": lambda answer: EARLY_HINTS + answer,
    "interim answers": lambda answer: CONTINUE + EARLY_HINTS * 20 + answer,
    "bare line feeds": lambda answer: answer.replace(b"\r\n", b"\n"),
    "200 headers": edited(b"\r\n", b"\r\nX-Padding: x" * 200 + b"\r\n"),
    "a header of 40 KB": edited(b"\r\n", b"\r\nX-P: " + b"x" * 40_000 + b"\r\n"),
    "a folded header": edited(b"\r\n", b"\r\nX-Policy: a;\r\n  b;\r\n\tc\r\n"),
    "a header that is no ASCII": edited(b"\r\n", b"\r\nX-Name: Zo\xc3\xab\xff\r\n"),
    "a header that is not one": edited(b"\r\n", b"\r\nnonsense\r\n"),
    "a header with a body's length": edited(b"\r\n", b"\r\nContent-Length: 5\r\n"),
    "a transfer coding": edited(b"\r\n", b"\r\nTransfer-Encoding: chunked\r\n"),
    "no extension": edited(b"\r\n", b"\r\nSec-WebSocket-Extensions: \r\n"),
    "a list of connection options": edited(
        b"connection: Upgrade",
        b"connection: keep-alive\r\nConnection: , UPGRADE",
    ),
}


@pytest.mark.parametrize("pieces", ["whole", "bytes"])
@pytest.mark.parametrize("name", ACCEPTED)
def test_what_a_server_may_answer(name: str, pieces: str, each_transport: str) -> None:
    async def play(peer: RawPeer) -> None:
        await peer.read_request()
        data = ACCEPTED[name](peer.answer()) + HELLO + close_frame(1000)
        if pieces == "whole":
            await peer.send(data)
        else:
            for byte in data[-700:] if len(data) > 9000 else data:
                await peer.send(bytes([byte]))
                await asyncio.sleep(0)
        await peer.wait()

    if pieces == "bytes" and "KB" in name:
        return
    with serve_raw(play) as server:
        run = receive(url=server.url, transport=each_transport, max_duration=60)
    assert run.error is None
    assert [record["n"] for record in run.records] == [1]


REFUSED = {
    "HTTP/1.0": (edited(b"HTTP/1.1", b"HTTP/1.0"), "HTTP/1.0, which has no upgrade"),
    "no Upgrade": (edited(b"uPGRADE", b"X-Other"), "no header Upgrade: websocket"),
    "another Upgrade": (edited(b"WebSocket\r", b"h2c\r"), "no header Upgrade"),
    "no Connection": (edited(b"connection", b"X-Other"), "no header Connection"),
    "no Accept": (edited(b"sEC-wEBSOCKET-aCCEPT", b"X-Other"), "Sec-WebSocket-Accept"),
    "HTTP/2": (edited(b"HTTP/1.1", b"HTTP/2"), "not HTTP"),
    "an endless head": (
        edited(b"\r\n", b"\r\nX: y" * 20_000 + b"\r\n"),
        "longer than 64 KiB",
    ),
    "an endless line": (
        edited(b"\r\n", b"\r\nX: " + b"y" * 100_000 + b"\r\n"),
        "longer than 64 KiB",
    ),
    "endless interim answers": (
        lambda answer: EARLY_HINTS * 2_000 + answer,
        "longer than 64 KiB",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_server_may_not_answer(name: str, each_transport: str) -> None:
    edit, words = REFUSED[name]

    async def play(peer: RawPeer) -> None:
        await peer.read_request()
        with contextlib.suppress(ConnectionError):
            await peer.send(edit(peer.answer()), HELLO)
        await peer.silence()

    with serve_raw(play) as server:
        run = receive(url=server.url, transport=each_transport, max_duration=60)
    assert isinstance(run.error, ConnectionFailed)
    assert words in str(run.error)
    # Before its connect_timeout.
    assert run.seconds < 20


def test_the_words_of_a_server_are_not_printed(each_transport: str) -> None:
    bad = "\x1b[31m\r\n"

    async def play(peer: RawPeer) -> None:
        answer = "HTTP/1.1 101 \x1b[2J\r\nUpgrade: \x1b[31mx\r\nConnection: \x07\r\n"
        await peer.read_request()
        await peer.send(f"{answer}Sec-WebSocket-Accept: {bad}\r\n".encode())
        await peer.silence()

    with serve_raw(play) as server:
        run = receive(url=server.url, transport=each_transport, max_duration=60)
    assert str(run.error).isprintable()


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 503])
@pytest.mark.parametrize("body", ["endless", "chunked", "none"])
@pytest.mark.parametrize("secure", [False, True])
def test_a_refusal_is_known_at_the_end_of_its_head(
    status: int,
    body: str,
    secure: bool,
    each_transport: str,
    authority: trustme.CA,
    caplog: pytest.LogCaptureFixture,
) -> None:
    header = {
        "endless": "",
        "chunked": "Transfer-Encoding: chunked\r\n",
        "none": "Content-Length: 0\r\nConnection: close\r\n",
    }[body]

    async def play(peer: RawPeer) -> None:
        await peer.read_request()
        await peer.send(f"HTTP/1.1 {status} No\r\n{header}\r\n".encode())
        with contextlib.suppress(ConnectionError):
            while body != "none":
                await peer.send(b"5\r\nxxxxx\r\n")
                await asyncio.sleep(0.01)

    tls = server_side(authority, "localhost") if secure else None
    with serve_raw(play, tls=tls) as server, pytest.raises(HandshakeRefused) as caught:
        connect(each_transport, server.url, tls=client_side(authority))
    assert caught.value.status == status
    ours = [each for each in caplog.records if each.threadName == "MainThread"]
    assert not [each for each in ours if each.levelname == "ERROR"]


def test_header_values_outside_ascii_are_utf_8_on_the_wire(each_transport: str) -> None:
    seen: list[bytes] = []

    async def play(peer: RawPeer) -> None:
        seen.append(await peer.reader.readuntil(b"\r\n\r\n"))
        peer.request = seen[0].decode()
        await peer.send(peer.answer(), HELLO)
        await peer.wait()

    with serve_raw(play) as server:
        run = receive(
            url=server.url,
            headers={"X-User": "Zoë Łukasz"},
            transport=each_transport,
            max_messages=1,
        )
    assert run.error is None
    assert "X-User: Zoë Łukasz\r\n".encode() in seen[0]


@pytest.mark.parametrize("echo", ["client_max_window_bits", "client_max_window_bits=9"])
def test_an_offered_parameter_that_is_echoed(echo: str) -> None:
    async def play(peer: RawPeer) -> None:
        extra = f"Sec-WebSocket-Extensions: permessage-deflate; {echo}\r\n"
        await peer.upgrade(HELLO, extra=extra)
        await peer.wait()

    with serve_raw(play) as server:
        run = receive(url=server.url, compression=True, max_messages=1)
    assert run.error is None
    assert len(run.records) == 1


def test_a_handshake_that_hangs_is_named(each_transport: str) -> None:
    with serve_raw(lambda peer: peer.silence()) as server:
        run = receive(
            url=server.url,
            transport=each_transport,
            reconnect=True,
            idle_timeout=3,
        )
    assert isinstance(run.error, ConnectionFailed)
    assert re.fullmatch(
        r"never connected \(idle_timeout: nothing was received for 3 s\); "
        rf"the last try: connected to localhost:{server.port}, no answer to the "
        r"upgrade request after \d s",
        str(run.error),
    )


HINTS = [
    (400, "ws", "if the port speaks TLS, write wss://"),
    (400, "ws", "some servers want an Origin"),
    (403, "ws", "some servers want a header Origin"),
    (426, "ws", "the server wants another protocol"),
]


@pytest.mark.parametrize(("status", "scheme", "words"), HINTS)
def test_a_refusal_says_what_to_do(
    status: int, scheme: str, words: str, each_transport: str
) -> None:
    del scheme
    with serve_raw(lambda peer: peer.status(status)) as server:
        run = receive(url=server.url, transport=each_transport)
    assert f"HTTP {status}; " in str(run.error)
    assert words in str(run.error)


def test_a_private_authority_is_hinted_at(
    each_transport: str, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with serve_raw(
        lambda peer: peer.silence(), tls=server_side(authority, "localhost")
    ) as server:
        run = receive(url=server.url, transport=each_transport)
    assert "set tls.ca_file" in str(run.error)
    monkeypatch.undo()


def test_a_socks_proxy_that_is_written_as_http(each_transport: str) -> None:
    async def play(peer: RawPeer) -> None:
        await peer.reader.read(1)

    with serve_raw(play) as proxy:
        run = receive(
            url="ws://localhost:1/",
            proxy=f"http://localhost:{proxy.port}",
            transport=each_transport,
        )
    assert "socks5://" in str(run.error)


BAD_HOSTS = ["a..b", "a" * 64, ".local", "x" * 64 + ".test"]


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_a_host_that_cannot_be_looked_up(host: str, each_transport: str) -> None:
    run = receive(url=f"ws://{host}/", transport=each_transport, reconnect=True)
    assert isinstance(run.error, ConnectionFailed)
    assert "host name" in str(run.error)


@pytest.mark.parametrize(
    "location",
    [
        *(f"ws://{host}/" for host in BAD_HOSTS),
        "ws://localhost:99999/",
        "ws://[::1/",
        "//[/",
        "ws://\x1b[31m/",
        "ftp://localhost/",
    ],
)
def test_a_redirect_that_leads_nowhere(location: str, each_transport: str) -> None:
    with serve_raw(lambda peer: peer.status(302, f"Location: {location}")) as server:
        run = receive(url=server.url, transport=each_transport, reconnect=True)
    assert isinstance(run.error, ConnectionFailed)
    assert "not a WebSocket address" in str(run.error)
    assert str(run.error).isprintable()


def test_the_system_s_limit_of_open_files_is_named_and_retried(
    each_transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[bool] = []

    class Scarce(socket.socket):
        def __init__(self, family: Any = -1, *options: Any, **named: Any) -> None:
            if not failed and not (options[2:] or "fileno" in named):
                failed.append(True)
                raise OSError(24, "Too many open files")
            super().__init__(family, *options, **named)

    with serve_raw(opens(HELLO)) as server:
        monkeypatch.setattr("tap_websocket.network.tcp.socket.socket", Scarce)
        # Its own look at the system's bounds comes before.
        failed.append(True)
        run = receive(url=server.url, max_messages=1, transport=each_transport)
        assert run.error is None
        failed.clear()
        run = receive(url=server.url, max_messages=1, transport=each_transport)
    assert "limit of open files is reached: raise it (ulimit -n)" in str(run.error)
    assert "reconnect: true would try again" in str(run.error)


def test_an_answer_in_pieces_of_any_size() -> None:
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    answer = CONTINUE + (
        b"HTTP/1.1 101\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nrest"
    )
    for size in range(1, len(answer) + 1):
        reader = AnswerReader(key)
        agreed, rest = None, b""
        for start in range(0, len(answer), size):
            piece = answer[start : start + size]
            if agreed is None:
                agreed = reader.feed(piece)
            else:
                rest += piece
        assert agreed is not None
        assert agreed.rest + rest == b"rest"


def test_what_is_kept_of_an_answer_is_bounded() -> None:
    reader = AnswerReader("x")
    assert reader.feed(b"HTTP/1.1 101 " + b"x" * (MAX_ANSWER_BYTES - 100)) is None
    with pytest.raises(BadHandshake, match="longer than 64 KiB"):
        reader.feed(b"x" * 100)


def test_an_answer_that_came_while_the_loop_was_held_up_counts(
    each_transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To give it up would open a second connection beside the first one."""
    waiting = Session.waiting

    def hold_up(self: Session, what: str) -> None:
        waiting(self, what)
        if "upgrade" in what:
            asyncio.get_running_loop().call_later(0.4, time.sleep, 3)

    monkeypatch.setattr(Session, "waiting", hold_up)

    async def play(peer: RawPeer) -> None:
        await peer.read_request()
        await asyncio.sleep(1)
        await peer.send(peer.answer(), HELLO, close_frame(1000))
        await peer.wait()

    with serve_raw(play) as server:
        run = receive(url=server.url, connect_timeout=2, transport=each_transport)
        assert len(server.peers) == 1
    assert run.error is None
    assert len(run.records) == 1


@pytest.mark.parametrize("settings", [{}, {"ping_interval": 30}])
def test_a_silent_connection_that_is_cut_is_hinted_at(
    settings: dict[str, Any], each_transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advice, "_SILENT_SECONDS", 0.3)

    async def play(peer: RawPeer) -> None:
        await peer.upgrade(HELLO)
        await peer.all_read()
        await asyncio.sleep(0.5)

    with serve_raw(play) as server:
        run = receive(url=server.url, transport=each_transport, **settings)
    assert "ended the connection without a Close frame" in str(run.error)
    assert ("which ping_interval prevents" in str(run.error)) is not bool(settings)


def test_a_busy_connection_that_is_cut_has_no_such_hint(each_transport: str) -> None:
    with serve_raw(lambda peer: peer.upgrade(HELLO)) as server:
        run = receive(url=server.url, transport=each_transport)
    assert "ended the connection without a Close frame" in str(run.error)
    assert "ping_interval" not in str(run.error)
