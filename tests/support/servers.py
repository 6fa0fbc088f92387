"""Scripted WebSocket servers that are not the client's own library.

A script is an async function that plays the server's part on one connection. The
server runs in a thread of its own, on a free loopback port.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import struct
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import uvicorn
from aiohttp import WSMessage, WSMsgType, web
from uvicorn.protocols.utils import ClientDisconnected

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterator

    Http = Callable[[web.Request], Awaitable[web.StreamResponse]]
    Refuse = Callable[[web.Request], web.StreamResponse | None]

__all__ = [
    "KINDS",
    "Kind",
    "Peer",
    "Server",
    "free_port",
    "listen",
    "run_loop",
    "serve",
]

Kind = Literal["aiohttp", "uvicorn"]
KINDS: tuple[Kind, ...] = ("aiohttp", "uvicorn")
_CONTENT = {WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.PONG}


class Gone(Exception):
    """The client left."""


class Peer(ABC):
    """The server's end of one connection.

    Attributes:
        number: Its number at the server, from 1.
        path: What the client asked for.
        headers: Those of its request, with names in lower case.
        received: Messages that have arrived; uvicorn's when the script has taken them.
        close_code: The code of the client's Close frame, or the one that was sent.
    """

    def __init__(self, number: int, path: str, headers: dict[str, str]) -> None:
        self.number = number
        self.path = path
        self.headers = headers
        self.received: list[str | bytes] = []
        self.close_code: int | None = None

    @abstractmethod
    async def send(self, message: str | bytes) -> None:
        """Send a message."""

    @abstractmethod
    async def recv(self) -> str | bytes:
        """Receive a message, or raise `Gone`."""

    async def ping(self) -> None:
        """Send a Ping, and receive its Pong and nothing else before it."""
        raise NotImplementedError

    async def all_read(self) -> None:
        """Wait until the client has read what was sent; drop what it says meanwhile."""
        raise NotImplementedError

    @abstractmethod
    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close with a code."""

    @abstractmethod
    async def reset(self) -> None:
        """Reset the TCP connection."""

    async def wait(self) -> None:
        """Read until the client leaves."""
        with contextlib.suppress(Gone):
            while True:
                await self.recv()


@dataclasses.dataclass
class Server:
    """A running server, as the tests see it."""

    port: int
    peers: list[Peer]
    scheme: str = "ws"

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}/feed"

    @property
    def received(self) -> list[str | bytes]:
        return [message for peer in self.peers for message in peer.received]


@contextlib.contextmanager
def run_loop(main: Callable[[asyncio.Event], Awaitable[None]]) -> Iterator[None]:
    """Run a coroutine function in a thread; the event tells it to stop."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def target() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(main(stop))
            pending = asyncio.all_tasks(loop)
            for task in pending:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
            # Connections that were just closed give up their sockets a turn later.
            loop.run_until_complete(asyncio.sleep(0))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)
        thread.join(20)


def listen() -> socket.socket:
    """Return a listening socket on a free loopback port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    listener.setblocking(False)
    return listener


@contextlib.contextmanager
def serve(
    script: Any,
    kind: Kind = "aiohttp",
    *,
    tls: ssl.SSLContext | None = None,
    subprotocols: tuple[str, ...] = (),
    compress: bool = False,
    listener: socket.socket | None = None,
    http: Http | None = None,
    refuse: Refuse | None = None,
) -> Iterator[Server]:
    """Serve a script until the block is left.

    `http` answers plain requests, and `refuse` those handshakes that shall fail.
    """
    listener = listener or listen()
    server = Server(
        listener.getsockname()[1], [], scheme="ws" if tls is None else "wss"
    )
    ready = threading.Event()
    run = _aiohttp if kind == "aiohttp" else _uvicorn
    part = _Part(script, listener, tls, subprotocols, compress, http, refuse)

    async def main(stop: asyncio.Event) -> None:
        await run(part, server, ready, stop)

    with run_loop(main):
        assert ready.wait(60)
        yield server


class _Part(NamedTuple):
    """What a server plays, and how: the parameters of `serve`."""

    script: Any
    listener: socket.socket
    tls: ssl.SSLContext | None
    subprotocols: tuple[str, ...]
    compress: bool
    http: Http | None
    refuse: Refuse | None


def _linger(raw: Any) -> None:
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class _AiohttpPeer(Peer):
    def __init__(
        self, number: int, request: web.Request, ws: web.WebSocketResponse
    ) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        super().__init__(number, request.path_qs, headers)
        self._request = request
        self._ws = ws
        # What the client has sent; behind it None, which is not taken out.
        self._arrived: asyncio.Queue[WSMessage | None] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        """Read to the end, so that a Close is answered though a script only sends."""
        try:
            while True:
                message = await self._ws.receive()
                if message.type is WSMsgType.PING:
                    await self._ws.pong(message.data)
                elif message.type in _CONTENT:
                    if message.type is not WSMsgType.PONG:
                        self.received.append(message.data)
                    self._arrived.put_nowait(message)
                else:
                    self.close_code = self._ws.close_code
                    return
        except ConnectionError:
            return
        finally:
            self._arrived.put_nowait(None)

    async def stop_reading(self) -> None:
        """Leave it to aiohttp to close: it reads up to the answer of the client."""
        self._reading.cancel()
        await asyncio.wait([self._reading])

    async def _next(self) -> WSMessage:
        message = await self._arrived.get()
        if message is None:
            self._arrived.put_nowait(None)
            raise Gone
        return message

    async def send(self, message: str | bytes) -> None:
        if isinstance(message, str):
            await self._ws.send_str(message)
        else:
            await self._ws.send_bytes(message)

    async def recv(self) -> str | bytes:
        message = await self._next()
        return message.data  # type: ignore[no-any-return]

    async def ping(self) -> None:
        await self._ws.ping(b"are you there?")
        message = await self._next()
        assert message.type is WSMsgType.PONG
        assert message.data == b"are you there?"

    async def all_read(self) -> None:
        await self._ws.ping()
        while (await self._next()).type is not WSMsgType.PONG:
            pass

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self.stop_reading()
        await self._ws.close(code=code, message=reason.encode())
        self.close_code = code

    async def reset(self) -> None:
        transport = self._request.transport
        assert transport is not None
        _linger(transport.get_extra_info("socket"))
        transport.abort()


async def _aiohttp(
    part: _Part, server: Server, ready: threading.Event, stop: asyncio.Event
) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        if part.http is not None and "Upgrade" not in request.headers:
            return await part.http(request)
        if part.refuse is not None and (refusal := part.refuse(request)) is not None:
            return refusal
        ws = web.WebSocketResponse(
            protocols=part.subprotocols,
            compress=part.compress,
            timeout=2,
            autoping=False,
            max_msg_size=0,
        )
        await ws.prepare(request)
        peer = _AiohttpPeer(len(server.peers) + 1, request, ws)
        server.peers.append(peer)
        with contextlib.suppress(ConnectionError, Gone):
            await part.script(peer)
        await peer.stop_reading()
        return ws

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.SockSite(runner, part.listener, ssl_context=part.tls).start()
    ready.set()
    await stop.wait()
    await runner.cleanup()


class _UvicornPeer(Peer):
    def __init__(self, number: int, scope: Any, receive: Any, send: Any) -> None:
        headers = {
            name.decode().lower(): value.decode() for name, value in scope["headers"]
        }
        query = scope["query_string"].decode()
        path = scope["path"] + (f"?{query}" if query else "")
        super().__init__(number, path, headers)
        self._receive = receive
        self._send = send

    async def send(self, message: str | bytes) -> None:
        kind = "text" if isinstance(message, str) else "bytes"
        try:
            await self._send({"type": "websocket.send", kind: message})
        except ClientDisconnected as error:
            raise Gone from error

    async def recv(self) -> str | bytes:
        event = await self._receive()
        if event["type"] != "websocket.receive":
            self.close_code = event.get("code")
            raise Gone
        message: str | bytes = event.get("text") or event.get("bytes") or b""
        self.received.append(message)
        return message

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await self._send({"type": "websocket.close", "code": code, "reason": reason})
        self.close_code = code

    async def reset(self) -> None:
        transport = self._send.__self__.transport
        _linger(transport.get_extra_info("socket"))
        transport.abort()


async def _uvicorn(
    part: _Part, server: Server, ready: threading.Event, stop: asyncio.Event
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            return
        await receive()
        offered = scope["subprotocols"]
        agreed = next((name for name in offered if name in part.subprotocols), None)
        await send({"type": "websocket.accept", "subprotocol": agreed})
        peer = _UvicornPeer(len(server.peers) + 1, scope, receive, send)
        server.peers.append(peer)
        with contextlib.suppress(Gone):
            await part.script(peer)

    assert part.tls is None, "uvicorn's own TLS wants files"
    assert part.http is None, "HTTP is answered by aiohttp"
    assert part.refuse is None, "HTTP is answered by aiohttp"
    config = uvicorn.Config(
        app,
        ws="wsproto",
        lifespan="off",
        log_config=None,
        ws_per_message_deflate=part.compress,
        timeout_graceful_shutdown=1,
    )
    runner = uvicorn.Server(config)
    serving = asyncio.ensure_future(runner.serve(sockets=[part.listener]))
    while not runner.started:
        await asyncio.sleep(0.01)
    ready.set()
    await stop.wait()
    runner.should_exit = True
    runner.force_exit = True
    for task in asyncio.all_tasks() - {asyncio.current_task(), serving}:
        task.cancel()
    await serving


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
