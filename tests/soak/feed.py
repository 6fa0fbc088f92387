"""The server: fast, full of faults, and with a record of its own."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import itertools
import random
from typing import TYPE_CHECKING, Any

from tests.soak.compare import Sent
from tests.soak.faults import (
    CLEAN,
    FATAL,
    FAULTS,
    INTERIM,
    INVALID_TEXT,
    REFUSALS,
    Fault,
    play,
)
from tests.soak.messages import Messages
from tests.support.raw import RawPeer, frame

if TYPE_CHECKING:
    from tests.soak.plan import Plan

__all__ = ["Connection", "Feed"]

_PATIENCE_SECONDS = 30
_LIFE_SECONDS = 1.5


@dataclasses.dataclass
class Connection(Sent):
    """What the server knows of one connection.

    Attributes:
        proven: When the client's answer to that came (the loop's time).
        left: When the client left by itself.
        sent_by_then: Messages on all connections up to then.
        last: The run ends with this one.
        quiet: Still open, with nothing under way, when the run ended.
    """

    proven: float | None = None
    left: float | None = None
    sent_by_then: int = 0
    last: bool = False
    quiet: bool = False


class _Line:
    """The client's end of one connection, as the server hears it."""

    def __init__(self, peer: RawPeer) -> None:
        self.peer = peer
        self.deaf = False
        self.answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        # Its result: whether the client ended TCP as one should.
        self.gone: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    @property
    def over(self) -> bool:
        return self.answer.done() or self.gone.done()

    async def first(self, patience: float | None = None) -> None:
        """Wait for the client's Close or the end of its TCP."""
        both: list[asyncio.Future[Any]] = [self.answer, self.gone]
        await asyncio.wait(both, timeout=patience, return_when="FIRST_COMPLETED")

    async def hear(self) -> None:
        """Answer pings, until the client is gone."""
        try:
            while True:
                opcode, payload = await self.peer.recv()
                self.peer.frames.clear()
                if opcode == 9 and not (self.deaf or self.answer.done()):
                    self.peer.writer.write(frame(payload, opcode=10))
                if opcode == 8 and not self.answer.done():
                    code = int.from_bytes(payload[:2], "big") if payload else 1005
                    self.answer.set_result(code)
        except asyncio.IncompleteReadError:
            self.gone.set_result(True)
        except OSError:
            self.gone.set_result(False)


class Feed:
    """Serves one run.

    Attributes:
        connections: Every connection whose handshake was answered with 101.
        faults: How often each happened.
        problems: What should never happen, in words.
        total: Messages sent, over all connections.
        ended_at: When the fault was sent that the run ends with (the loop's time).
        hushed: Nothing is sent any more.
        asked: A client has come.
    """

    def __init__(self, plan: Plan) -> None:
        self.connections: list[Connection] = []
        self.faults: collections.Counter[str] = collections.Counter()
        self.problems: list[str] = []
        self.total = 0
        self.ended_at: float | None = None
        self.hushed = False
        self.asked = asyncio.Event()
        self._plan = plan
        self._closing = False
        self._messages = Messages(random.Random(plan.seed), plan.variety)
        self._tries: collections.Counter[str] = collections.Counter()
        self._refused: set[str] = set()
        pings = "ping_interval" in plan.config
        # Text that is no UTF-8 is no violation where it may be skipped.
        refuses = plan.config["on_parse_error"] == "fail"
        self._faults = [
            one
            for one in FAULTS
            if (pings or one.then != "silence")
            and (refuses or INVALID_TEXT not in one.answers)
        ]
        self._serving: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Give up what is still open."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def end(self) -> None:
        """Make the run end, where that is the server's to do."""
        end = self._plan.end
        self.hushed = end == "idle_timeout"
        self._closing = end in {
            "a fatal close code",
            "every feed is closed",
            "a drop without reconnect",
        }

    async def serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Serve one client."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        peer = RawPeer(0, reader, writer)
        over = (asyncio.CancelledError, asyncio.IncompleteReadError, OSError)
        with contextlib.suppress(*over):
            await peer.read_request()
            self.asked.set()
            feed = peer.request.split()[1].strip("/")
            self._tries[feed] += 1
            rng = random.Random(f"{self._plan.seed}/{feed}/{self._tries[feed]}")
            if not await self._refuse(feed, peer, rng):
                await self._talk(feed, peer, rng)
        writer.close()

    async def _refuse(self, feed: str, peer: RawPeer, rng: random.Random) -> bool:
        """Refuse a handshake now and then, never twice in a row."""
        chance = rng.random()
        if (
            chance > 0.25
            or feed in self._refused
            or self.hushed
            or not self._plan.reconnects
        ):
            self._refused.discard(feed)
            return False
        name = rng.choice(sorted(REFUSALS))
        self.faults[f"handshake: {name}"] += 1
        self._refused.add(feed)
        await REFUSALS[name](peer)
        return True

    async def _talk(self, feed: str, peer: RawPeer, rng: random.Random) -> None:
        connection = Connection(len(self.connections) + 1, feed)
        self.connections.append(connection)
        first = b""
        if not self.hushed:
            # A message too big, and no record since the last such, would be an end.
            first = b"".join(self._frames(connection, rng, 1 + rng.randrange(3)))
        before = INTERIM if rng.random() < 0.3 else b""
        if rng.random() < 0.5:
            await peer.send(before, peer.answer(), first)
        else:
            await peer.send(before, peer.answer())
            await peer.send(first)
        line = _Line(peer)
        hearing = self._loop.create_task(line.hear())
        try:
            await self._live(connection, line, rng)
        finally:
            if not connection.fault:
                connection.left = self._loop.time()
                connection.sent_by_then = self.total
            await self._part(line)
            hearing.cancel()
            (error,) = await asyncio.gather(hearing, return_exceptions=True)
            if isinstance(error, Exception):
                self.problems.append(f"the server broke: {error!r}")

    async def _live(
        self,
        connection: Connection,
        line: _Line,
        rng: random.Random,
    ) -> None:
        until = self._loop.time() + rng.expovariate(1 / _LIFE_SECONDS)
        fault = rng.choice(self._faults)
        while not line.over:
            if self.hushed:
                await line.first()
                connection.quiet = line.answer.done() and line.answer.result() == 1000
                return
            if self._closing and self.ended_at is None:
                fault = self._last_fault(rng)
                break
            if self._plan.reconnects and self._loop.time() > until:
                break
            await self._send(connection, line, rng)
        if line.over:
            return
        await self._break(connection, line, fault)

    def _last_fault(self, rng: random.Random) -> Fault:
        if self._plan.end == "every feed is closed":
            return rng.choice(CLEAN)
        self.ended_at = self._loop.time()
        if self._plan.end == "a fatal close code":
            return FATAL
        return rng.choice([fault for fault in self._faults if fault not in CLEAN])

    async def _break(
        self,
        connection: Connection,
        line: _Line,
        fault: Fault,
    ) -> None:
        """Do what ends the connection, and see what the client says to it."""
        self.faults[fault.name] += 1
        connection.fault = fault.name
        connection.last = self._closing
        line.deaf = fault.then in {"silence", "fin"}
        await play(fault, line.peer)
        if fault.answers:
            await line.first(_PATIENCE_SECONDS)
        else:
            await asyncio.wait([line.gone], timeout=_PATIENCE_SECONDS)
        if not line.over:
            self.problems.append(
                f"the tap left the connection open for {_PATIENCE_SECONDS} s after: "
                f"{fault.name}",
            )
            return
        if line.answer.done():
            proven = line.answer.result() in fault.answers
        else:
            proven = fault.then == "fin" and line.gone.result()
        if proven:
            connection.proven = self._loop.time()
            connection.sent_by_then = self.total
        if fault.then == "linger":
            await asyncio.wait([line.gone], timeout=_PATIENCE_SECONDS)
            if not line.gone.done():
                self.problems.append(f"close_timeout did not end: {fault.name}")

    async def _part(self, line: _Line) -> None:
        """Answer the client's Close, and let it hang up."""
        if line.gone.done():
            return
        if line.answer.done():
            with contextlib.suppress(OSError):
                line.peer.writer.write(frame(b"\x03\xe8", opcode=8))
                line.peer.writer.write_eof()
                await asyncio.wait([line.gone], timeout=2)
        line.peer.writer.transport.abort()

    async def _send(
        self,
        connection: Connection,
        line: _Line,
        rng: random.Random,
    ) -> None:
        """Send some messages in one of many ways, and rest a little."""
        writer = line.peer.writer
        chance = rng.random()
        count = 1
        if chance < 0.5:
            count = rng.randint(2, 400)
            writer.write(b"".join(self._frames(connection, rng, count)))
        elif chance < 0.6:
            for part in self._frames(connection, rng, 5):
                await line.peer.send(part)
                await asyncio.sleep(0)
        elif chance < 0.8:
            writer.write(b"".join(self._fragments(connection, rng)))
        elif chance < 0.85:
            await asyncio.sleep(rng.choice((0.01, 0.1, 0.4)))
        else:
            writer.write(frame(rng.randbytes(rng.choice((0, 4, 125))), opcode=9))
        await writer.drain()
        pace = self._plan.rate / len(self._plan.feeds)
        await asyncio.sleep(rng.random() * 2 * count / pace)

    def _frames(
        self,
        connection: Connection,
        rng: random.Random,
        count: int,
    ) -> list[bytes]:
        return [
            frame(self._next(connection, rng), opcode=2 if rng.random() < 0.02 else 1)
            for _ in range(count)
        ]

    def _next(self, connection: Connection, rng: random.Random) -> bytes:
        number = len(connection.messages) + 1
        message = self._messages.make(rng, connection.number, number)
        connection.messages.append(message)
        self.total += 1
        return message

    def _fragments(self, connection: Connection, rng: random.Random) -> list[bytes]:
        """Cut a message anywhere, inside of characters too; pings come between."""
        message = self._next(connection, rng)
        cuts = sorted(rng.randint(0, len(message)) for _ in range(rng.randint(1, 6)))
        edges = [0, *cuts, len(message)]
        parts = []
        for number, (start, end) in enumerate(itertools.pairwise(edges)):
            last = number == len(cuts)
            opcode = 0 if number else 1
            parts.append(frame(message[start:end], opcode=opcode, fin=last))
            if rng.random() < 0.2 and not last:
                parts.append(frame(b"between", opcode=9))
        return parts
