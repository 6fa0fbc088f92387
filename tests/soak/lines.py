"""Lines that die or are replaced: `python -m tests.soak.lines --minutes 10`.

What was sent while a line was up has to arrive exactly once, through a target that
stalls. Where all lines are down, exactly that is missing, and said to be.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import dataclasses
import itertools
import json
import re
import secrets
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.soak.gate import Gate
from tests.soak.live import MODES, OVERLAP, LiveFeed, Mode
from tests.soak.process import Pair
from tests.support.servers import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MODES", "Report", "soak"]

_LEAST_RECORDS = 100
_TOLERANCE_SECONDS = 0.5
"""How late either side may notice that a line is there, or gone."""


@dataclasses.dataclass
class Report:
    """What came of a run.

    Attributes:
        sent: Numbers that went out on a connection, at least.
        arrived: Records in the table.
        connections: How many there were.
        outages: For how long no line was up, each time, in seconds.
        faults: How often what happened.
        problems: What is wrong, in words.
    """

    sent: int = 0
    arrived: int = 0
    connections: int = 0
    outages: list[float] = dataclasses.field(default_factory=list)
    faults: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    problems: list[str] = dataclasses.field(default_factory=list)


async def soak(
    mode: Mode, transport: str, seed: str, seconds: float, directory: Path
) -> Report:
    """Run the tap against one feed, and check what arrived."""
    feed = LiveFeed(mode, seed, seconds)
    async with contextlib.AsyncExitStack() as stack:
        server = stack.enter_context(serve(feed.script, refuse=feed.refuse))
        url, gate = server.url, None
        if mode.shuts_until is not None:
            gate = await stack.enter_async_context(Gate(server.port, mode.shuts_until))
            url = f"ws://127.0.0.1:{gate.port}/"
        config = {
            "url": url,
            "transport": transport,
            "reconnect": True,
            "reconnect_backoff": 0.05,
            "overlap": OVERLAP,
            "close_timeout": 1,
            "infer_messages": 20,
            "buffer_bytes": 200_000,
            "max_duration": 10 * seconds,
            **mode.config,
        }
        pair = await Pair.start(directory, config, seed)
        watching = asyncio.ensure_future(pair.watch())
        while not (feed.is_over or watching.done()):
            await asyncio.wait([watching], timeout=0.1)
        pair.signal(signal.SIGTERM)
        try:
            log = await asyncio.wait_for(watching, 60)
        finally:
            await pair.close()
        report = Report(len(feed.sent), connections=len(server.peers))
    lines = map(json.loads, pair.output.read_bytes().splitlines())
    records = [line["record"] for line in lines if line["type"] == "RECORD"]
    report.arrived = len(records)
    report.outages = feed.outages
    report.faults = feed.faults
    if gate is not None:
        report.faults += collections.Counter[str](gate.shut)
    report.problems = list(_problems(mode, records, feed, log))
    if mode.pads and "reading pauses" not in log:
        report.problems.append("reading did not pause")
    if pair.tap.returncode != 0:
        report.problems.append(f"exit code {pair.tap.returncode}: {log[-500:]}")
    return report


def _problems(
    mode: Mode, records: list[Any], feed: LiveFeed, log: str
) -> Iterator[str]:
    """Yield what is wrong with the records, and with what the run says of them."""
    numbers = [record["n"] for record in records]
    if len(numbers) < _LEAST_RECORDS:
        yield f"only {len(numbers)} records"
        return
    times = collections.Counter(numbers)
    # A signal cuts off what is on its way.
    last = max(numbers)
    lost = {n for n in feed.sent if n <= last} - times.keys()
    if lost:
        yield f"lost {len(lost)}, as {sorted(lost)[:5]}"
    doubled = sorted(n for n, count in times.items() if count > 1)
    if doubled:
        yield f"doubled {len(numbers) - len(times)}, as {doubled[:5]}"
    if times.keys() - feed.sent:
        yield f"never sent: {sorted(times.keys() - feed.sent)[:5]}"
    skipped = last - min(numbers) + 1 - len(times)
    if mode.misses:
        yield from _unsaid(records, skipped, feed.outages, log)
        return
    if skipped:
        yield f"{skipped} are missing, as no line was there"
    if "outages=0" not in log:
        said = re.findall(r"(?:Lost|Cannot connect).*", log)
        yield f"the log tells of an outage: {said}"


def _unsaid(
    records: list[Any], skipped: int, outages: list[float], log: str
) -> Iterator[str]:
    """Yield what the run should have said of its outages."""
    said = sum(record["_missing"] for record in records)
    if said != skipped:
        yield f"_missing says {said}, and {skipped} are missing"
    if not skipped or " missing, " not in log:
        yield "nothing was missing, or the log says nothing of it"
    seconds = [
        float(record["_outage_seconds"])
        for record in records
        if record["_outage_seconds"]
    ]
    # The last one may end with the run.
    if len(seconds) not in {len(outages), len(outages) - 1}:
        yield f"_outage_seconds says {seconds}, and not {outages}"
    for one, other in zip(seconds, outages, strict=False):
        if abs(one - other) > _TOLERANCE_SECONDS:
            yield f"_outage_seconds says {one}, and not {other}"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lines", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seconds", type=float, default=15, help="of each run")
    parser.add_argument("--seed", default=None, help="repeats; drawn when not given")
    parser.add_argument("--mode", action="append", choices=MODES, help="and no other")
    parser.add_argument("--transport", choices=("websockets", "picows"))
    parser.add_argument("--lifetime", type=float, help="connection_lifetime")
    parser.add_argument("--overlap", type=float)
    parser.add_argument("--ends-after", type=float, help="the server's own limit")
    parser.add_argument("--shuts-until", type=float, help="age, see tests/soak/live.py")
    return parser.parse_args()


def _changed(mode: Mode, given: argparse.Namespace) -> Mode:
    """Return a mode with what the command line says of it."""
    config = {"connection_lifetime": given.lifetime, "overlap": given.overlap}
    fields = {"ends_after": given.ends_after, "shuts_until": given.shuts_until}
    return dataclasses.replace(
        mode,
        config=mode.config | {k: v for k, v in config.items() if v is not None},
        **{k: v for k, v in fields.items() if v is not None},
    )


def main() -> int:
    """Run all modes on both transports in turn; return the exit code."""
    given = _parse()
    seed = given.seed or secrets.token_hex(4)
    print(f"seed {seed}")
    end = time.monotonic() + 60 * given.minutes
    total = Report()
    transports = [given.transport] if given.transport else ["websockets", "picows"]
    runs = itertools.cycle(itertools.product(given.mode or MODES, transports))
    number = 0
    for number, (name, transport) in enumerate(runs):
        if time.monotonic() > end:
            break
        mode = _changed(MODES[name], given)
        with tempfile.TemporaryDirectory() as folder:
            report = asyncio.run(
                soak(mode, transport, f"{seed}/{number}", given.seconds, Path(folder))
            )
        total.sent += report.sent
        total.arrived += report.arrived
        total.connections += report.connections
        total.outages += report.outages
        total.faults += report.faults
        total.problems += report.problems
        print(
            f"run {number}: {name}, {transport}: sent {report.sent}, arrived "
            f"{report.arrived}, {report.connections} connections; "
            f"{'; '.join(report.problems) or 'all there, once'}",
            flush=True,
        )
    print(
        f"{number} runs: sent {total.sent}, arrived {total.arrived}, "
        f"{total.connections} connections, {len(total.outages)} outages; faults: "
        + ", ".join(f"{name} {count}" for name, count in sorted(total.faults.items()))
    )
    return bool(total.problems)


if __name__ == "__main__":
    sys.exit(main())
