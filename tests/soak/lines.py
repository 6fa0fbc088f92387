"""Lines that die while others live: `python -m tests.soak.lines --minutes 10`.

One feed sends each number at its time, to all connections alike. What was sent while
a line was up has to arrive exactly once, through a target that stalls. Where all lines
are down, exactly that is missing, and said to be.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import itertools
import json
import random
import secrets
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.soak.process import Pair
from tests.support.servers import Gone, serve

if TYPE_CHECKING:
    from tests.support.servers import Peer

__all__ = ["MODES", "Report", "soak"]

_EVERY = 0.004
"""Seconds between two messages."""

_OVERLAP = 0.4
_SERVER_ENDS_SECONDS = 3.0
_OUTAGE_SECONDS = 1.2

MODES: dict[str, dict[str, Any]] = {
    "two lines": {"redundancy": 2, "stale_timeout": 1},
    "three lines, replaced": {
        "redundancy": 3,
        "stale_timeout": 1,
        "connection_lifetime": 2,
    },
    "noise on each line": {
        "redundancy": 2,
        "stale_timeout": 1,
        "deduplicate": {"by": ["$.n"]},
    },
    "one line, replaced": {"connection_lifetime": 2},
    "outages": {
        "redundancy": 2,
        "sequence": {"path": "$.n"},
        "record_metadata": True,
    },
}
"""What each kind of run has in its config."""


@dataclasses.dataclass
class Report:
    """What came of a run.

    Attributes:
        sent: Numbers that went out on a connection, at least.
        arrived: Records in the table.
        connections: How many there were.
        problems: What is wrong, in words.
    """

    sent: int = 0
    arrived: int = 0
    connections: int = 0
    problems: list[str] = dataclasses.field(default_factory=list)


class _Feed:
    """The server's side of a run, and what it knows to have sent."""

    def __init__(self, mode: str, seed: str, seconds: float) -> None:
        self.sent: set[int] = set()
        self.begin = time.monotonic()
        self._mode = mode
        self._chance = random.Random(seed)
        # The connections that send, and since when.
        self._up: dict[Peer, float] = {}
        self._outages = [
            (at, at + _OUTAGE_SECONDS)
            for at in ([seconds * 0.3, seconds * 0.7] if mode == "outages" else [])
        ]

    def refuse(self, request: web.Request) -> web.StreamResponse | None:
        """Refuse some handshakes, and all of them while every line is to be down."""
        del request
        if self._is_outage() or (self._up and self._chance.random() < 0.15):
            return web.Response(status=503)
        return None

    def _is_outage(self) -> bool:
        now = time.monotonic() - self.begin
        return any(first <= now < last for first, last in self._outages)

    def _may_fail(self, peer: Peer) -> bool:
        """Return whether another line has been up for long enough."""
        now = time.monotonic()
        return any(
            now - since > 2 * _OVERLAP
            for other, since in self._up.items()
            if other is not peer
        )

    async def script(self, peer: Peer) -> None:
        """Send numbers, until a fault or the end of the connection's time."""
        opened = time.monotonic()
        self._up[peer] = opened
        fault_at = opened + self._chance.expovariate(1 / 1.5)
        if self._mode in {"one line, replaced", "outages"}:
            fault_at = float("inf")
        try:
            with contextlib.suppress(Gone, ConnectionError):
                await self._send(peer, opened, fault_at)
        finally:
            self._up.pop(peer, None)

    async def _send(self, peer: Peer, opened: float, fault_at: float) -> None:
        for n in itertools.count(int((opened - self.begin) / _EVERY) + 1):
            await asyncio.sleep(self.begin + n * _EVERY - time.monotonic())
            now = time.monotonic()
            if self._is_outage():
                # What was sent before a Close is received: it is known what is missing.
                await peer.close(1012)
                return
            if now > opened + _SERVER_ENDS_SECONDS and (
                "replaced" not in self._mode or self._may_fail(peer)
            ):
                await peer.close(1000)
                return
            if now > fault_at and self._may_fail(peer):
                fault_at = now + self._chance.expovariate(1 / 1.5)
                if await self._fail(peer):
                    return
            message: dict[str, Any] = {"n": n, "text": f"number {n}"}
            if self._mode == "noise on each line":
                message["delivery"] = f"{peer.number}-{n}"
            await peer.send(json.dumps(message))
            self.sent.add(n)

    async def _fail(self, peer: Peer) -> bool:
        """Do something bad to a line; return whether that was its end."""
        match self._chance.choice(["reset", "close", "silence", "stall"]):
            case "reset":
                self._up.pop(peer, None)
                await peer.reset()
                return True
            case "close":
                self._up.pop(peer, None)
                await peer.close(1012)
                return True
            case "silence":
                self._up.pop(peer, None)
                await peer.wait()
                return True
            case _:
                # It brings late what the others have brought, but within overlap:
                # the credits that an ended line gave lapse then.
                self._up.pop(peer, None)
                await asyncio.sleep(self._chance.uniform(0.1, 0.25))
                self._up[peer] = time.monotonic()
                return False


async def soak(
    mode: str, transport: str, seed: str, seconds: float, directory: Path
) -> Report:
    """Run the tap against one feed, and check what arrived."""
    feed = _Feed(mode, seed, seconds)
    with serve(feed.script, refuse=feed.refuse) as server:
        config = {
            "url": server.url,
            "transport": transport,
            "reconnect": True,
            "reconnect_backoff": 0.05,
            "overlap": _OVERLAP,
            "close_timeout": 1,
            "infer_messages": 20,
            "buffer_bytes": 200_000,
            "max_duration": 10 * seconds,
            **MODES[mode],
        }
        pair = await Pair.start(directory, config, seed)
        watching = asyncio.ensure_future(pair.watch())
        await asyncio.wait([watching], timeout=seconds + 2)
        pair.signal(signal.SIGTERM)
        try:
            log = await asyncio.wait_for(watching, 60)
        finally:
            await pair.close()
        report = Report(sent=len(feed.sent), connections=len(server.peers))
    lines = pair.output.read_bytes().splitlines()
    records = [
        line["record"] for line in map(json.loads, lines) if line["type"] == "RECORD"
    ]
    report.arrived = len(records)
    report.problems = list(_problems(mode, records, feed.sent, log))
    if pair.tap.returncode != 0:
        report.problems.append(f"exit code {pair.tap.returncode}: {log[-500:]}")
    return report


def _problems(
    mode: str, records: list[Any], sent: set[int], log: str
) -> itertools.chain[str]:
    """Return what is wrong with the records."""
    found: list[str] = []
    numbers = [record["n"] for record in records]
    if len(numbers) < 100:
        return itertools.chain([f"only {len(numbers)} records"])
    present = set(numbers)
    # A signal cuts off what is on its way.
    lost = {n for n in sent if n <= max(numbers)} - present
    if lost:
        found.append(f"lost {len(lost)}, as {sorted(lost)[:5]}")
    if len(present) < len(numbers):
        doubled = sorted(n for n in present if numbers.count(n) > 1)
        found.append(f"doubled {len(numbers) - len(present)}, as {doubled[:5]}")
    if present - sent:
        found.append(f"never sent: {sorted(present - sent)[:5]}")
    if mode == "outages":
        skipped = max(numbers) - min(numbers) + 1 - len(present)
        said = sum(record["_missing"] for record in records)
        if said != skipped:
            found.append(f"_missing says {said}, and {skipped} are missing")
        outages = [float(r["_outage_seconds"]) for r in records if r["_outage_seconds"]]
        if not any(seconds > _OUTAGE_SECONDS / 2 for seconds in outages):
            found.append(f"_outage_seconds says {outages}")
        if "are missing, from" not in log:
            found.append("the log says nothing of what is missing")
    elif "outages=0" not in log:
        found.append("the log tells of an outage")
    return itertools.chain(found)


def main() -> int:
    """Run all modes on both transports in turn; return the exit code."""
    parser = argparse.ArgumentParser(prog="lines", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seconds", type=float, default=15, help="of each run")
    parser.add_argument("--seed", default=None, help="repeats; drawn when not given")
    given = parser.parse_args()
    seed = given.seed or secrets.token_hex(4)
    print(f"seed {seed}")
    end = time.monotonic() + 60 * given.minutes
    failed = False
    runs = itertools.cycle(itertools.product(MODES, ("websockets", "picows")))
    for number, (mode, transport) in enumerate(runs):
        if time.monotonic() > end:
            break
        with tempfile.TemporaryDirectory() as folder:
            report = asyncio.run(
                soak(mode, transport, f"{seed}/{number}", given.seconds, Path(folder))
            )
        failed = failed or bool(report.problems)
        print(
            f"run {number}: {mode}, {transport}: sent {report.sent}, arrived "
            f"{report.arrived}, {report.connections} connections; "
            f"{'; '.join(report.problems) or 'all there, once'}",
            flush=True,
        )
    return failed


if __name__ == "__main__":
    sys.exit(main())
