"""Subprotocols: what is offered, and what a server may pick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_websocket.network.errors import BadHandshake
from tests.support.connect import connect
from tests.support.raw import frame, serve_raw
from tests.support.scripts import greets
from tests.support.servers import serve

if TYPE_CHECKING:
    from tests.support.raw import RawPeer
    from tests.support.servers import Kind

OFFERED = ("graphql-transport-ws", "b.2")


def test_a_server_picks_one(kind: Kind, transport: str) -> None:
    with serve(greets, kind, subprotocols=("b.2",)) as server:
        heard = connect(transport, server.url, subprotocols=OFFERED)
        (peer,) = server.peers
    assert heard.texts == [b"{}"]
    if kind == "aiohttp":
        assert peer.headers["sec-websocket-protocol"] == "graphql-transport-ws, b.2"


NAMES = r"\(2 in subprotocols\)"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("", f"^the server agreed to none of the subprotocols offered {NAMES}$"),
        ("other", f"^the server agreed to a subprotocol that was not offered {NAMES}$"),
        ("B.2", f"that was not offered {NAMES}$"),
        ("{},}}", f"that was not offered {NAMES}$"),
        ("b.2, graphql-transport-ws", f"more than one of .* offered {NAMES}$"),
        ("b.2\r\nSec-WebSocket-Protocol: b.2", f"more than one of .* {NAMES}$"),
        ("b.2\r\nSec-WebSocket-Protocol: other", f"not offered {NAMES}$"),
        (" ", f"that was not offered {NAMES}$"),
    ],
)
def test_a_server_that_picks_wrongly(answer: str, words: str, transport: str) -> None:
    extra = f"sec-websocket-protocol: {answer}\r\n" if answer else ""

    async def play(peer: RawPeer) -> None:
        await peer.upgrade(frame(b"{}"), extra=extra)
        await peer.reader.read()

    with (
        serve_raw(play) as server,
        pytest.raises(BadHandshake, match=words),
    ):
        connect(transport, server.url, subprotocols=OFFERED)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("Sec-WebSocket-Protocol: x", r"^the server agreed to a subprotocol that was "),
        ("Sec-WebSocket-Extensions: x", "^the server agreed to an extension that was "),
        (
            "Sec-WebSocket-Extensions: permessage-deflate",
            "^the server agreed to an extension that was not offered$",
        ),
    ],
)
def test_a_server_that_picks_unasked(extra: str, words: str, transport: str) -> None:
    async def play(peer: RawPeer) -> None:
        await peer.upgrade(frame(b"{}"), extra=f"{extra}\r\n")
        await peer.reader.read()

    with (
        serve_raw(play) as server,
        pytest.raises(BadHandshake, match=words),
    ):
        connect(transport, server.url)
