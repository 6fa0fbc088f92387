"""One connection of a transport, without the feed around it."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

from tap_websocket.transports.base import Closing, Handshake
from tap_websocket.transports.picows.transport import PicowsTransport
from tap_websocket.transports.websockets.transport import WebsocketsTransport

if TYPE_CHECKING:
    from tap_websocket.transports.base import Connection, Transport

__all__ = ["Heard", "connect", "listen", "make_transport"]


@dataclasses.dataclass
class Heard:
    """A listener that keeps what it hears, and closes after this many messages."""

    most: int = 1
    texts: list[bytes] = dataclasses.field(default_factory=list)
    controls: list[tuple[int, bytes]] = dataclasses.field(default_factory=list)
    fragments: int = 0
    waited: list[str] = dataclasses.field(default_factory=list)
    closing: Closing | None = None
    connection: Connection | None = None
    over: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    def waiting(self, what: str) -> None:
        self.waited.append(what)

    def opened(self, connection: Connection) -> None:
        self.connection = connection

    def messages(self, payloads: list[bytes], *, binary: bool) -> None:
        del binary
        self.texts += payloads
        if len(self.texts) >= self.most and self.connection is not None:
            self.connection.close(1000)

    def fragment(self) -> None:
        self.fragments += 1

    def control(self, opcode: int, payload: bytes) -> None:
        self.controls.append((opcode, payload))

    def closed(self, closing: Closing) -> None:
        self.closing = closing
        self.over.set()


def make_transport(name: str) -> Transport:
    return PicowsTransport() if name == "picows" else WebsocketsTransport()


def connect(transport: str, url: str, *, most: int = 1, **options: Any) -> Heard:
    """Connect, receive `most` messages, close; or raise what the handshake raised."""
    return listen(Heard(most), transport, url, **options)


def listen(heard: Heard, transport: str, url: str, **options: Any) -> Heard:
    """Connect, and return the listener when the connection is over."""

    async def run() -> None:
        handshake = Handshake(url, **{"close_timeout": 1, **options})
        async with asyncio.timeout(60):
            await make_transport(transport).connect(handshake, heard)
            await heard.over.wait()

    asyncio.run(run())
    return heard
