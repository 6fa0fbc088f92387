"""What stands before a server and lets nobody in for a while, in several ways."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import socket
from typing import TYPE_CHECKING, Literal, Self, get_args

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Gate", "Refusal"]

Refusal = Literal["503", "refused TCP", "no answer"]

_BEGINS_AFTER_SECONDS = 0.2
_UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class Gate:
    """Forwards TCP connections, but refuses those that come while it is shut.

    It shuts soon after every second connection that passes, so that this one cannot
    be replaced; the connections that have passed go on.

    Attributes:
        port: Where it listens on 127.0.0.1.
        shut: How often it was shut, for each way of refusing.
    """

    def __init__(self, target: int, seconds: float) -> None:
        """Make one that does not listen yet.

        Args:
            target: Port of the server behind it.
            seconds: Age of a connection at which others are let in again.
        """
        self.shut: collections.Counter[Refusal] = collections.Counter()
        self._target = target
        self._seconds = seconds
        self._ways = itertools.cycle(get_args(Refusal))
        # How it refuses; None while it is open.
        self._refusal: Refusal | None = None
        self._passed = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        # Never listens: it keeps the port while nothing does.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self.port: int = self._reserved.getsockname()[1]

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        await self._listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what it forwards, and stop listening."""
        self._stop_listening()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._reserved.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._take, "127.0.0.1", self.port)

    def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._keep(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                if self._refusal is None:
                    await self._forward(reader, writer)
                elif self._refusal == "503":
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(_UNAVAILABLE)
                else:
                    # Until the client's patience ends.
                    await reader.read()
        finally:
            writer.close()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._passed += 1
        if self._passed % 2:
            self._keep(asyncio.create_task(self._shut()))
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            back.close()

    async def _shut(self) -> None:
        """Refuse everybody for a while."""
        await asyncio.sleep(_BEGINS_AFTER_SECONDS)
        refusal: Refusal = next(self._ways)
        self._refusal = refusal
        self.shut[refusal] += 1
        if refusal == "refused TCP":
            self._stop_listening()
        await asyncio.sleep(self._seconds - _BEGINS_AFTER_SECONDS)
        self._refusal = None
        if refusal == "refused TCP":
            await self._listen()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction of a connection, its end included."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()
