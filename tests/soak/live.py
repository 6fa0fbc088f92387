"""A feed that sends each number at its time, to all connections alike."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import itertools
import json
import random
import time
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.support.servers import Gone

if TYPE_CHECKING:
    from tests.support.servers import Peer

__all__ = ["MODES", "OUTAGE_SECONDS", "OVERLAP", "LiveFeed", "Mode"]

_EVERY = 0.004
"""Seconds between two messages."""

_KILL_SECONDS = 1.5
"""Mean time between two faults of a line."""

OVERLAP = 0.4
OUTAGE_SECONDS = 1.2


@dataclasses.dataclass(frozen=True)
class Mode:
    """A kind of run.

    Attributes:
        config: What it has in its config.
        kills: Single lines are killed at random while another one is up.
        noise: Each message has something that differs from line to line.
        ends_after: Age of a connection at which the server ends it, in seconds. Where
            lines are killed it does so only while another one is up.
        outages: All lines are ended at once, twice.
        shuts_until: Age of a connection until which no other one is let in, in
            seconds; None where all are.
        misses: There are outages: what is sent then is missing.
        settles: For how long another line has to be up before one is killed, in
            seconds. A reset takes away what is not read yet, so a target that makes
            reading pause asks for more.
        pads: Bytes that each message has for nothing. Where it has any, reading has to
            pause, as more arrives than buffers hold while the target stalls.
    """

    config: dict[str, Any]
    kills: bool = False
    noise: bool = False
    ends_after: float = float("inf")
    outages: bool = False
    shuts_until: float | None = None
    misses: bool = False
    settles: float = 2 * OVERLAP
    pads: int = 0


_KILLED = {"redundancy": 2, "stale_timeout": 1}
_WATCHED = {"sequence": {"path": "$.n"}, "record_metadata": True}
_REPLACED = {"connection_lifetime": 2}
_PAUSED = {"buffer_bytes": 16_384, "spill_bytes": 0}

MODES = {
    "two lines": Mode(_KILLED, kills=True, ends_after=3),
    "three lines, replaced": Mode(
        {**_KILLED, **_REPLACED, "redundancy": 3}, kills=True, ends_after=3
    ),
    "noise on each line": Mode(
        {**_KILLED, "deduplicate": {"by": ["$.n"]}},
        kills=True,
        noise=True,
        ends_after=3,
    ),
    "two lines, slow target": Mode(
        {**_KILLED, **_PAUSED}, kills=True, ends_after=4, settles=3.5, pads=2000
    ),
    "one line, replaced": Mode(_REPLACED, ends_after=5),
    "one line, replaced, slow target": Mode(
        {**_REPLACED, **_PAUSED}, ends_after=5, pads=2000
    ),
    "one line, kept while it cannot be replaced": Mode(
        {**_REPLACED, "connect_timeout": 1}, ends_after=12, shuts_until=4
    ),
    "one line, lost as it cannot be replaced": Mode(
        {**_REPLACED, **_WATCHED, "connect_timeout": 1},
        ends_after=3,
        shuts_until=5,
        misses=True,
    ),
    "outages": Mode({"redundancy": 2, **_WATCHED}, outages=True, misses=True),
}


class LiveFeed:
    """The server's side of a run, and what it knows to have sent.

    Attributes:
        sent: Numbers that went out on a connection, at least.
        faults: How often what happened to a line.
        outages: For how long no line was up, each time, in seconds.
    """

    def __init__(self, mode: Mode, seed: str, seconds: float) -> None:
        """Make a feed that begins now.

        Args:
            mode: What happens to lines.
            seed: Repeats what is random.
            seconds: How long the run is.
        """
        self.sent: set[int] = set()
        self.faults: collections.Counter[str] = collections.Counter()
        self.outages: list[float] = []
        self._begin = time.monotonic()
        # When the first connection was there; outages are planned from then on.
        self._first_at = float("inf")
        self._mode = mode
        self._chance = random.Random(seed)
        # The connections that send, and since when.
        self._up: dict[Peer, float] = {}
        # When the last of them went; None while there is one.
        self._down_since: float | None = None
        self._seconds = seconds
        self._planned = [
            (at, at + OUTAGE_SECONDS)
            for at in ([seconds * 0.3, seconds * 0.7] if mode.outages else [])
        ]

    @property
    def is_over(self) -> bool:
        """Whether the run has been long enough, from the first connection on."""
        return time.monotonic() > self._first_at + self._seconds

    def refuse(self, request: web.Request) -> web.StreamResponse | None:
        """Refuse some handshakes, and all of them while every line is to be down."""
        del request
        refuses = self._mode.shuts_until is None and self._chance.random() < 0.15
        if self._is_outage() or (self._up and refuses):
            self.faults["503"] += 1
            return web.Response(status=503)
        return None

    async def script(self, peer: Peer) -> None:
        """Send numbers, until a fault or the end of the connection's time."""
        opened = time.monotonic()
        self._is_up(peer)
        try:
            with contextlib.suppress(Gone, ConnectionError):
                await self._send(peer, opened)
        finally:
            self._is_down(peer)

    def _is_up(self, peer: Peer) -> None:
        now = self._up[peer] = time.monotonic()
        self._first_at = min(self._first_at, now)
        if self._down_since is not None:
            self.outages.append(now - self._down_since)
            self._down_since = None

    def _is_down(self, peer: Peer) -> None:
        self._up.pop(peer, None)
        if not self._up and self._down_since is None:
            self._down_since = time.monotonic()

    def _is_outage(self) -> bool:
        now = time.monotonic() - self._first_at
        return any(first <= now < last for first, last in self._planned)

    def _may_fail(self, peer: Peer) -> bool:
        """Return whether another line has been up for long enough."""
        now = time.monotonic()
        return any(
            now - since > self._mode.settles
            for other, since in self._up.items()
            if other is not peer
        )

    async def _send(self, peer: Peer, opened: float) -> None:
        mode = self._mode
        fault_at = self._next_fault(opened)
        for n in itertools.count(int((opened - self._begin) / _EVERY) + 1):
            await asyncio.sleep(self._begin + n * _EVERY - time.monotonic())
            now = time.monotonic()
            if self._is_outage():
                await self._end(peer, 1012, "all at once")
                return
            if now > opened + mode.ends_after and (
                not mode.kills or self._may_fail(peer)
            ):
                await self._end(peer, 1000, "its time is over")
                return
            if now > fault_at and self._may_fail(peer):
                fault_at = self._next_fault(now)
                if await self._fail(peer):
                    return
            message: dict[str, Any] = {"n": n, "text": f"number {n}"}
            if mode.pads:
                message["pad"] = "x" * mode.pads
            if mode.noise:
                message["delivery"] = f"{peer.number}-{n}"
            await peer.send(json.dumps(message))
            self.sent.add(n)

    def _next_fault(self, now: float) -> float:
        if not self._mode.kills:
            return float("inf")
        return now + self._chance.expovariate(1 / _KILL_SECONDS)

    async def _end(self, peer: Peer, code: int, fault: str) -> None:
        """Close a line; what was sent before is received, so what is missing is known.

        It does not count as up from here on: no other one may be ended meanwhile.
        """
        self.faults[fault] += 1
        self._is_down(peer)
        await peer.close(code)

    async def _fail(self, peer: Peer) -> bool:
        """Do something bad to a line; return whether that was its end."""
        fault = self._chance.choice(["reset", "close", "silence", "stall"])
        if fault == "close":
            await self._end(peer, 1012, fault)
            return True
        self.faults[fault] += 1
        self._is_down(peer)
        if fault == "reset":
            await peer.reset()
            return True
        if fault == "silence":
            await peer.wait()
            return True
        # It brings late what the others have brought, but within overlap: the credits
        # that an ended line gave lapse then.
        await asyncio.sleep(self._chance.uniform(0.1, 0.25))
        self._is_up(peer)
        return False
