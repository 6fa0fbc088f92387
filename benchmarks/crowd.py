"""A server for many connections at once.

`python -m benchmarks.crowd CLIENTS MESSAGES [IDENTITY]` prints its port; with an
identity, a file with key and certificate, it speaks TLS. When this many clients are
connected it prints how many seconds that took, sends each the same messages and closes
with 1000; then it waits for as many again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
import time

from benchmarks.sender import answer, feed

__all__: list[str] = []

_BYTES = 115
_BACKLOG = 4096
_READ_BYTES = 4096


class Crowd:
    """The clients of one run."""

    def __init__(self, wanted: int, data: bytes) -> None:
        """Wait for this many clients; the data is the same for each."""
        self._wanted = wanted
        self._data = data
        self._begin = 0.0
        self._arrived = 0
        self._left = 0
        self._complete = asyncio.Event()

    async def serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Serve one client: agree, wait for the others, send, wait for its end."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            writer.write(answer(request))
            complete = self._arrive()
            await complete.wait()
            writer.write(self._data)
            await writer.drain()
            # The answer to the Close: a client waits for the server to hang up.
            await reader.read(_READ_BYTES)
        writer.close()
        self._leave()

    def _arrive(self) -> asyncio.Event:
        if self._arrived == 0:
            self._begin = time.monotonic()
        self._arrived += 1
        if self._arrived == self._wanted:
            print(f"{time.monotonic() - self._begin:.3f}", flush=True)
            self._complete.set()
        return self._complete

    def _leave(self) -> None:
        self._left += 1
        if self._left == self._wanted:
            self._arrived = self._left = 0
            self._complete = asyncio.Event()


async def main(clients: int, count: int, identity: str | None) -> None:
    """Serve until killed."""
    tls = None
    if identity is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(identity)
    crowd = Crowd(clients, feed(count, _BYTES))
    server = await asyncio.start_server(
        crowd.serve,
        "127.0.0.1",
        0,
        backlog=_BACKLOG,
        ssl=tls,
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    clients, count, *identity = sys.argv[1:]
    asyncio.run(main(int(clients), int(count), next(iter(identity), None)))
