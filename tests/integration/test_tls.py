"""TLS that fails in every way, and works: certificates are made here."""

from __future__ import annotations

import datetime as dt
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tap_websocket.errors import ConnectionFailed
from tests.support.certificates import server_side
from tests.support.raw import close_frame, frame, opens, serve_raw
from tests.support.receive import receive
from tests.support.scripts import says_nothing
from tests.support.servers import serve

if TYPE_CHECKING:
    from tests.support.raw import RawPeer
    from tests.support.servers import Peer

pytestmark = pytest.mark.usefixtures("each_transport")

HELLO = frame(b'{"n": 1}')


hello = opens(HELLO, close_frame(1000))


def test_a_trusted_server(authority: trustme.CA) -> None:
    with serve_raw(hello, tls=server_side(authority, "localhost")) as server:
        run = receive(url=server.url)
    assert run.error is None
    assert len(run.records) == 1


def test_a_trusted_server_of_another_implementation(authority: trustme.CA) -> None:
    async def script(peer: Peer) -> None:
        for number in range(2000):
            await peer.send(f'{{"n": {number}}}')
        await peer.close(1000)

    with serve(script, tls=server_side(authority, "localhost")) as server:
        run = receive(url=server.url)
    assert run.error is None
    assert [record["n"] for record in run.records] == list(range(2000))


def untrusted(run: Any) -> str:
    assert isinstance(run.error, ConnectionFailed)
    text = str(run.error)
    assert "the certificate is not trusted" in text
    return text


def test_an_unknown_authority(authority: trustme.CA) -> None:
    del authority
    with serve_raw(hello, tls=server_side(trustme.CA(), "localhost")) as server:
        run = receive(url=server.url, reconnect=True)
        assert len(server.peers) == 0
    assert "issuer" in untrusted(run)


def test_wrong_host(authority: trustme.CA) -> None:
    with serve_raw(hello, tls=server_side(authority, "elsewhere.example")) as server:
        run = receive(url=server.url, reconnect=True)
    assert "localhost" in untrusted(run)


def test_expired(authority: trustme.CA) -> None:
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    context = server_side(
        authority,
        "localhost",
        not_before=past - dt.timedelta(days=2),
        not_after=past,
    )
    with serve_raw(hello, tls=context) as server:
        run = receive(url=server.url, reconnect=True)
    assert "expired" in untrusted(run)


def test_a_version_that_is_too_old(authority: trustme.CA) -> None:
    context = server_side(authority, "localhost")
    with pytest.warns(DeprecationWarning, match="TLS"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLS"):
        context.maximum_version = ssl.TLSVersion.TLSv1
    with serve_raw(hello, tls=context) as server:
        run = receive(url=server.url, connect_timeout=30, max_duration=60)
    assert isinstance(run.error, ConnectionFailed)
    assert run.seconds < 20


def test_a_connection_that_dies_in_the_handshake() -> None:
    async def play(peer: RawPeer) -> None:
        await peer.reader.read(10)
        peer.reset()

    with serve_raw(play) as server:
        url = server.url.replace("ws:", "wss:")
        run = receive(
            url=url,
            reconnect=True,
            reconnect_backoff=0.02,
            max_reconnect_attempts=1,
        )
        assert len(server.peers) == 2
    assert isinstance(run.error, ConnectionFailed)


def test_wss_to_a_plain_port() -> None:
    with serve(says_nothing) as server:
        run = receive(url=server.url.replace("ws:", "wss:"), connect_timeout=20)
    assert isinstance(run.error, ConnectionFailed)
    assert "speaks no TLS on this port; try ws://" in str(run.error)


def test_ws_to_a_tls_port(authority: trustme.CA) -> None:
    with serve_raw(hello, tls=server_side(authority, "localhost")) as server:
        url = server.url.replace("wss:", "ws:")
        run = receive(url=url, connect_timeout=30, max_duration=60)
    assert isinstance(run.error, ConnectionFailed)
    assert run.seconds < 20


def test_no_redirect_from_wss_to_ws(authority: trustme.CA) -> None:
    async def play(peer: RawPeer) -> None:
        await peer.status(302, "Location: ws://localhost:1/")

    with serve_raw(play, tls=server_side(authority, "localhost")) as server:
        run = receive(url=server.url, reconnect=True)
    assert "from wss:// to ws://" in str(run.error)
