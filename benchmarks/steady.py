"""A server that sends at a steady rate, spread over all of its connections.

`python -m benchmarks.steady RATE` prints its port, and then sends this many messages a
second, each by itself, to one connection after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
import time

from benchmarks.sender import answer, frame, messages

__all__: list[str] = []

_BYTES = 115
_BACKLOG = 4096
_TICK_SECONDS = 0.001


class Pacer:
    """The open connections, and what is sent to them.

    Args:
        rate: Messages a second, over all of them.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._writers: list[asyncio.StreamWriter] = []
        self._frames = itertools.cycle(map(frame, messages(1000, _BYTES)))

    async def serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Serve one client: agree, and wait for its end."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            writer.write(answer(await reader.readuntil(b"\r\n\r\n")))
            self._writers.append(writer)
            await reader.read()
        with contextlib.suppress(ValueError):
            self._writers.remove(writer)
        writer.close()

    async def send(self) -> None:
        """Send at the rate, for ever."""
        due = 0.0
        last = time.monotonic()
        for number in itertools.count():
            while due < 1 or not self._writers:
                await asyncio.sleep(_TICK_SECONDS)
                now = time.monotonic()
                due = due + (now - last) * self._rate if self._writers else 0.0
                last = now
            due -= 1
            writer = self._writers[number % len(self._writers)]
            if not writer.is_closing():
                writer.write(next(self._frames))


async def main(rate: float) -> None:
    """Serve until killed."""
    pacer = Pacer(rate)
    server = await asyncio.start_server(pacer.serve, "127.0.0.1", 0, backlog=_BACKLOG)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await pacer.send()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
