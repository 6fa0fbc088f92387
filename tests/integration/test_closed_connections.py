"""A closed connection is gone at once, and does not wait for the garbage collector."""

from __future__ import annotations

import asyncio
import collections
import gc
from asyncio.sslproto import SSLProtocol
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.network.errors import HandshakeError
from tap_websocket.transports.base import Handshake
from tests.support.certificates import client_side, server_side
from tests.support.connect import Heard, make_transport
from tests.support.raw import close_frame, frame, serve_raw

if TYPE_CHECKING:
    import trustme

    from tests.support.raw import RawPeer

OURS = {"Frames", "WSProtocol", "WSTransport", "FeedConnection", "FeedProtocol"}


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

    async def once(url: str) -> None:
        heard = Heard(most=10)
        try:
            await transport.connect(Handshake(url, tls=tls, close_timeout=1), heard)
        except HandshakeError as error:
            error.__cause__ = None
        else:
            await heard.over.wait()
            # As a session does.
            heard.connection = None

    async def run(url: str) -> collections.Counter[str]:
        async with asyncio.timeout(15):
            await once(url)
            gc.collect()
            gc.disable()
            before = alive()
            for _ in range(5):
                await once(url)
            left = alive()
            while left - before:
                # What the loop still has in hand.
                await asyncio.sleep(0.05)
                left = alive()
            return left - before

    server = server_side(authority, "localhost") if secure else None
    try:
        with serve_raw(play, tls=server) as served:
            assert not asyncio.run(run(served.url))
    finally:
        gc.enable()
