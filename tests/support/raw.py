"""A server that speaks raw bytes, to misbehave in every way."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import hashlib
import itertools
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any

from tests.support.servers import listen, run_loop

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Iterator

__all__ = [
    "HELLO",
    "Pinging",
    "RawPeer",
    "RawServer",
    "close_frame",
    "frame",
    "never_reads",
    "opens",
    "serve_raw",
]

_LAST_WORDS_SECONDS = 2
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(
    payload: bytes = b"",
    *,
    opcode: int = 1,
    fin: bool = True,
    rsv: int = 0,
    mask: bool = False,
    length: int | None = None,
) -> bytes:
    """Make a frame; `length` is what it announces in place of the payload's own."""
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    flag = 0x80 if mask else 0
    if size < 126:
        head += bytes([flag | size])
    elif size < 2**16:
        head += bytes([flag | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([flag | 127]) + size.to_bytes(8, "big")
    return head + (b"\0\0\0\0" if mask else b"") + payload


def close_frame(code: int | None, reason: bytes = b"") -> bytes:
    body = b"" if code is None else code.to_bytes(2, "big") + reason
    return frame(body, opcode=8)


HELLO = frame(b'{"n": 1}')
"""A message."""


@dataclasses.dataclass
class RawPeer:
    """The server's end of one TCP connection."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    request: str = ""
    frames: list[tuple[int, bytes]] = dataclasses.field(default_factory=list)
    over: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)
    """Set when the server is stopped."""

    @property
    def headers(self) -> dict[str, str]:
        lines = self.request.split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return {name.strip().lower(): value.strip() for name, _, value in pairs}

    async def read_request(self) -> None:
        data = await self.reader.readuntil(b"\r\n\r\n")
        self.request = data.decode()

    def answer(
        self,
        *,
        accept: str | None = None,
        connection: str = "Upgrade",
        extra: str = "",
    ) -> bytes:
        """Make the 101 answer."""
        if accept is None:
            key = self.headers["sec-websocket-key"].encode()
            accept = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
        return (
            "HTTP/1.1 101 Switching Protocols\r\n"
            f"uPGRADE: WebSocket\r\nconnection: {connection}\r\n"
            f"sEC-wEBSOCKET-aCCEPT: {accept}\r\n{extra}\r\n"
        ).encode()

    async def upgrade(self, *coalesced: bytes, **options: Any) -> None:
        await self.read_request()
        await self.send(self.answer(**options), *coalesced)

    async def status(self, code: int, *headers: str, body: bytes = b"") -> None:
        """Answer the upgrade with an HTTP status."""
        await self.read_request()
        lines = [f"HTTP/1.1 {code} Whatever", f"Content-Length: {len(body)}", *headers]
        await self.send("\r\n".join([*lines, "", ""]).encode() + body)

    async def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))
        await self.writer.drain()

    async def recv(self) -> tuple[int, bytes]:
        """Read a frame of the client's."""
        head = await self.reader.readexactly(2)
        size = head[1] & 0x7F
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await self.reader.readexactly(8), "big")
        mask = await self.reader.readexactly(4)
        data = await self.reader.readexactly(size)
        payload = bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))
        self.frames.append((head[0] & 0x0F, payload))
        return self.frames[-1]

    async def all_read(self) -> None:
        """Wait until the client has read what was sent to it, by a Ping behind it.

        Raises:
            ConnectionResetError: It closes instead.
        """
        await self.send(frame(opcode=9))
        opcode = 0
        while opcode != 10:
            opcode, payload = await self.recv()
            if opcode == 8:
                await self.send(frame(payload, opcode=8))
                raise ConnectionResetError

    async def wait(self) -> None:
        """Read until the client closes, and close in turn."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            opcode = 0
            while opcode != 8:
                opcode, payload = await self.recv()
            await self.send(frame(payload, opcode=8))

    async def silence(self) -> None:
        """Neither read nor write, with TCP left open."""
        await self.over.wait()

    def reset(self) -> None:
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    @property
    def close_code(self) -> int | None:
        """The code of the client's Close frame."""
        for opcode, payload in self.frames:
            if opcode == 8:
                return int.from_bytes(payload[:2], "big") if payload else 1005
        return None


class Pinging:
    """A script that sends frames, and Pings one by one for as long as it may.

    Attributes:
        pongs: How many Pings were answered.
    """

    def __init__(self, *frames: bytes) -> None:
        self._frames = frames
        self.pongs = 0

    async def __call__(self, peer: RawPeer) -> None:
        await peer.upgrade(*self._frames)
        while True:
            await peer.send(frame(b"?", opcode=9))
            opcode, payload = await peer.recv()
            if opcode == 8:
                await peer.send(frame(payload, opcode=8))
                return
            self.pongs += opcode == 10


def opens(
    *frames: bytes, **options: Any
) -> Callable[[RawPeer], Coroutine[Any, Any, None]]:
    """Return a script that agrees to the handshake, and waits until the client leaves.

    Args:
        frames: Come in one read with the answer to the handshake.
        options: Those of `RawPeer.answer`.
    """

    async def play(peer: RawPeer) -> None:
        await peer.upgrade(*frames, **options)
        await peer.wait()

    return play


async def never_reads(peer: RawPeer) -> None:
    """Send numbers for ever; no Close is answered."""
    await peer.upgrade()
    for number in itertools.count():
        await peer.send(frame(b'{"n": %d}' % number))
        await asyncio.sleep(0.01)


@dataclasses.dataclass
class RawServer:
    port: int
    scheme: str
    peers: list[RawPeer]

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}/"


@contextlib.contextmanager
def serve_raw(script: Any, *, tls: ssl.SSLContext | None = None) -> Iterator[RawServer]:
    """Serve a script until the block is left."""
    listener = listen()
    scheme = "ws" if tls is None else "wss"
    server = RawServer(listener.getsockname()[1], scheme, [])
    ready = threading.Event()
    scripts: set[asyncio.Task[None]] = set()

    async def handle(
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        peer = RawPeer(len(server.peers) + 1, reader, writer)
        server.peers.append(peer)
        playing = asyncio.current_task()
        assert playing is not None
        scripts.add(playing)
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await script(peer)
        writer.close()

    async def main(stop: asyncio.Event) -> None:
        started = await asyncio.start_server(handle, sock=listener, ssl=tls)
        ready.set()
        await stop.wait()
        started.close()
        for peer in server.peers:
            peer.over.set()
        # What a client has sent before it left is still read.
        if scripts:
            await asyncio.wait(scripts, timeout=_LAST_WORDS_SECONDS)
        for peer in server.peers:
            peer.writer.transport.abort()

    with run_loop(main):
        assert ready.wait(20)
        yield server
