"""A connection that is over is gone at once, without the garbage collector."""

from __future__ import annotations

import asyncio
import collections
import gc
from asyncio.sslproto import SSLProtocol
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tap_websocket.expressions.placeholders import ConnectionBuiltins, PlaceholderValues
from tap_websocket.feed.dialer import Dialer
from tap_websocket.network.errors import (
    BadHandshake,
    HandshakeError,
    HandshakeRefused,
    Unreachable,
    Untrusted,
)
from tap_websocket.transports.base import Handshake
from tests.support import receive
from tests.support.certificates import client_side, server_side
from tests.support.connect import Heard, make_transport
from tests.support.proxies import serve_proxy
from tests.support.raw import close_frame, frame, serve_raw
from tests.support.receive import make_settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.support.proxies import Kind
    from tests.support.raw import RawPeer

OURS = {
    *("Frames", "WSProtocol", "WSTransport"),
    *("FeedConnection", "FeedProtocol", "ClientProtocol"),
}


def alive() -> collections.Counter[str]:
    """Count what connections of this side consist of."""
    found: collections.Counter[str] = collections.Counter()
    for each in gc.get_objects():
        name = type(each).__name__
        if name in OURS or (type(each) is SSLProtocol and not each._server_side):  # noqa: SLF001 - the server's are in this process, too
            found[name] += 1
    return found


async def closes(peer: RawPeer) -> None:
    await peer.upgrade(frame(b"x" * 1000))
    await peer.send(close_frame(1000))
    await peer.wait()


async def violates(peer: RawPeer) -> None:
    await peer.upgrade(frame(b"x" * 1000))
    await peer.send(frame(b"", opcode=3))
    await peer.wait()


async def closes_with_a_code_that_may_not_be_sent(peer: RawPeer) -> None:
    await peer.upgrade(frame(b"x" * 1000))
    await peer.send(close_frame(1005))
    await peer.wait()


async def leaves(peer: RawPeer) -> None:
    await peer.upgrade(frame(b"x" * 1000))


async def refuses(peer: RawPeer) -> None:
    await peer.status(503)


async def refuses_credentials(peer: RawPeer) -> None:
    await peer.status(401)


async def refuses_and_stays(peer: RawPeer) -> None:
    await peer.status(503)
    await peer.reader.read()


async def hangs_up(peer: RawPeer) -> None:
    await peer.read_request()


async def is_silent(peer: RawPeer) -> None:
    await peer.reader.read()


async def speaks_something_else(peer: RawPeer) -> None:
    await peer.send(b"SSH-2.0-OpenSSH\r\n\r\n")
    await peer.reader.read()


async def left_by(times: int, once: Callable[[], Awaitable[None]]) -> list[str]:
    """Return what connections have left that is not gone without the collector."""
    async with asyncio.timeout(20 * times):
        await once()
        gc.collect()
        gc.disable()
        try:
            before = alive()
            for _ in range(times):
                await once()
            # What the loop still has in hand goes soon.
            for _ in range(100):
                if not alive() - before:
                    break
                await asyncio.sleep(0.05)
            return sorted((alive() - before).elements())
        finally:
            gc.enable()


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize(
    "play",
    [closes, violates, closes_with_a_code_that_may_not_be_sent, leaves, refuses],
)
def test_a_closed_connection_is_gone(
    play: Any, secure: bool, each_transport: str, authority: trustme.CA
) -> None:
    transport = make_transport(each_transport)
    tls = client_side(authority)
    server = server_side(authority, "localhost") if secure else None
    with serve_raw(play, tls=server) as served:

        async def once() -> None:
            heard = Heard(most=10)
            try:
                await transport.connect(
                    Handshake(served.url, tls=tls, close_timeout=1), heard
                )
            except HandshakeError:
                pass
            else:
                await heard.over.wait()
                # As a session does.
                heard.connection = None

        assert asyncio.run(left_by(5, once)) == []


def left_by_refusals(url: str, error: type[HandshakeError], **given: Any) -> list[str]:
    """Return what is alive of failed attempts while their errors are kept."""
    settings = make_settings(
        url=url, transport=receive.transport, **{"connect_timeout": 20, **given}
    )
    kept: list[Exception] = []

    async def run() -> list[str]:
        dialer = Dialer(settings, learn=lambda _secrets: None)

        async def once() -> None:
            with pytest.raises(error) as raised:
                await dialer.dial(
                    url,
                    PlaceholderValues(),
                    ConnectionBuiltins(),
                    Heard(),
                    lambda _address: None,
                )
            # As the wait for the next attempt does.
            kept.append(raised.value)

        return await left_by(2, once)

    return asyncio.run(run())


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize(
    ("play", "error"),
    [
        (refuses, HandshakeRefused),
        (refuses_and_stays, HandshakeRefused),
        (refuses_credentials, HandshakeRefused),
        (hangs_up, Unreachable),
        (speaks_something_else, BadHandshake),
    ],
)
def test_a_refused_attempt_is_gone(
    play: Any, error: type[HandshakeError], authority: trustme.CA
) -> None:
    with serve_raw(play, tls=server_side(authority, "localhost")) as served:
        assert left_by_refusals(served.url, error) == []


@pytest.mark.usefixtures("each_transport", "authority")
def test_an_attempt_whose_certificate_is_not_trusted_is_gone() -> None:
    unknown = server_side(trustme.CA(), "localhost")
    with serve_raw(is_silent, tls=unknown) as served:
        assert left_by_refusals(served.url, Untrusted) == []


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize("speaks_tls", [False, True])
def test_an_attempt_that_took_too_long_is_gone(
    speaks_tls: bool, authority: trustme.CA
) -> None:
    server = server_side(authority, "localhost") if speaks_tls else None
    with serve_raw(is_silent, tls=server) as served:
        url = served.url.replace("ws:", "wss:")
        assert left_by_refusals(url, Unreachable, connect_timeout=1) == []


@pytest.mark.parametrize(
    ("scheme", "trusted"),
    [
        ("http", True),
        ("http", False),
        ("socks5", True),
        ("socks5", False),
        # Where the certificate is not trusted there, asyncio of Python 3.11.7 leaves
        # the socket to the collector.
        ("https", True),
    ],
)
def test_an_attempt_that_was_refused_behind_a_proxy_is_gone(
    scheme: Kind,
    trusted: bool,
    each_transport: str,
    authority: trustme.CA,
    tmp_path: Path,
) -> None:
    if scheme == "https" and each_transport == "picows":
        pytest.skip("picows does not go through an https:// proxy")
    certificate = tmp_path / "proxy.pem"
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    server = server_side(authority if trusted else trustme.CA(), "localhost")
    error = HandshakeRefused if trusted else Untrusted
    with (
        serve_raw(refuses, tls=server) as served,
        serve_proxy(scheme, certificate=certificate) as proxy,
    ):
        assert left_by_refusals(served.url, error, proxy=proxy.url) == []
