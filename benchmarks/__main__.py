"""`python -m benchmarks`: measure everything, and say what came out."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import cases, machine
from benchmarks.connection_memory import measure_connection_memory
from benchmarks.contestants import (
    CONTESTANTS,
    FAUCET,
    PICOWS,
    RUST_JSON,
    SCRIPT,
)
from benchmarks.feeds import TRADES, feed, feed_names
from benchmarks.latency import measure_latency
from benchmarks.markdown import in_parts
from benchmarks.paced import PACED_CONTESTANTS, measure_paced
from benchmarks.processes import FailedError, compile_all
from benchmarks.real import FEED_CONTESTANTS, measure_feed
from benchmarks.report import Report
from benchmarks.starts import measure_starts
from benchmarks.throughput import compete
from scripts.tools import tool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.contestants import Contestant
    from benchmarks.real import FeedResults
    from benchmarks.starts import Cost

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
_CASES = (
    "start-up",
    "long",
    "paced",
    "connection-memory",
    "connections",
    "memory",
    "rules",
    "latency",
    "throughput",
    "feeds",
)
_FEED_CASES = ("feeds", "long")
_FEW_MESSAGES = 10_000
_START_UP_MESSAGES = 2000
_TIMES = {"start-up": 7}
"""Rounds of a case for each of the others: a start takes half a second, and its time
moves by a tenth."""

_FEWEST = 200
_PAGE = "# How fast it is\n\n![Messages a second](benchmark.png)\n"
_NOT_DRAWN = {
    *(contestant.name for contestant in CONTESTANTS if contestant.nowhere),
    "rust-loop raw",
}
"""What goes nowhere, and what copies without a look."""


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--messages", type=int, default=1_000_000, help="of the smallest size")
    add("--sizes", type=int, nargs="+", default=[115, 1024, 65536], help="in bytes")
    add("--rounds", type=int, default=3)
    add("--rates", type=int, nargs="+", default=[1000, 20_000], help="for the latency")
    add("--seconds", type=float, default=5, help="of each run at a rate")
    add("--connections", type=int, default=1000)
    add("--cases", nargs="+", choices=_CASES, default=_CASES)
    add("--feeds", nargs="+", choices=feed_names(), default=feed_names())
    add("--feed-records", type=int, default=600_000, help="of each feed")
    add("--feed-rounds", type=int, default=1, help="of feeds and of the long run")
    add(
        "--long",
        type=int,
        nargs="+",
        default=[1_000_000, 10_000_000],
        help="messages of the long runs",
    )
    add(
        "--paced", type=int, nargs="+", default=[1000, 10_000], help="messages a second"
    )
    add("--only", nargs="+", metavar="NAME", help="contestants of feeds and throughput")
    add("--write", type=Path, metavar="DIRECTORY", help="for docs/ and the README")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class _Run:
    """A run of the benchmark: measures what was chosen, part by part.

    Args:
        options: Of the command line.
        write: Called whenever something was measured.
    """

    def __init__(
        self, options: argparse.Namespace, write: Callable[[Report], None]
    ) -> None:
        self._options = options
        self._write = write
        begun = f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d %H:%M} UTC"
        load = f"Load at the start {os.getloadavg()[0]:.1f}."
        self.report = Report(f"{machine.describe()} {load}", begun, {})
        self.failed: list[str] = []
        self._starts: dict[Contestant, Cost] = {}

    def measure(self, case: str) -> None:
        """Measure one of `_CASES`; if it fails, that is kept, and said.

        Part for part, so that what was measured is not lost with one that fails.
        """
        begin = time.monotonic()
        method = getattr(self, f"_{case.replace('-', '_')}")
        rounds = self._options.rounds
        if case in _FEED_CASES:
            rounds = self._options.feed_rounds
        rounds *= _TIMES.get(case, 1)
        self.report.rounds[case] = rounds
        try:
            method(rounds)
        except (FailedError, ValueError) as error:
            self.failed.append(f"{case}: {error}")
        self._write(self.report)
        _say(f"{case}: {time.monotonic() - begin:.0f} s")

    def _chosen(self, contestants: Sequence[Contestant]) -> dict[Contestant, Cost]:
        """Return those that `--only` leaves, with what a start costs."""
        only = self._options.only
        return self._with_starts(
            [
                contestant
                for contestant in contestants
                if not only or contestant.name in only
            ]
        )

    def _with_starts(self, contestants: Sequence[Contestant]) -> dict[Contestant, Cost]:
        """Return those that are here, with what a start costs; it is measured once."""
        here = [contestant for contestant in contestants if contestant.is_here]
        new = [contestant for contestant in here if contestant not in self._starts]
        if new:
            self._starts |= measure_starts(new, _say)
        return {contestant: self._starts[contestant] for contestant in here}

    def _feed(
        self, name: str, count: int, rounds: int, among: Sequence[Contestant]
    ) -> FeedResults:
        """Let everyone read a feed; the tap and the script must be able to."""
        contestants = self._chosen(among)
        found = measure_feed(name, count, contestants, rounds=rounds, say=_say)
        self.failed += [
            f"{name}: {found.failed[who.name]}"
            for who in (PICOWS, SCRIPT)
            if who.name in found.failed
        ]
        return found

    def _feeds(self, rounds: int) -> None:
        for name in self._options.feeds:
            try:
                count = feed(name).messages_for(self._options.feed_records)
                found = self._feed(name, count, rounds, FEED_CONTESTANTS)
            except ValueError as error:
                self.failed.append(f"{name}: {error}")
            else:
                self.report.feeds[name] = found
                self._write(self.report)

    def _long(self, rounds: int) -> None:
        for count in self._options.long:
            among = (PICOWS, FAUCET, RUST_JSON)
            self.report.long[count] = self._feed(TRADES, count, rounds, among)

    def _paced(self, rounds: int) -> None:
        options = self._options
        self.report.paced = measure_paced(
            self._with_starts(PACED_CONTESTANTS),
            rates=options.paced,
            seconds=options.seconds,
            rounds=rounds,
            say=_say,
        )

    def _connection_memory(self, rounds: int) -> None:
        clients = self._options.connections
        each = measure_connection_memory(clients, rounds=rounds, say=_say)
        self.report.connections = clients, each

    def _throughput(self, rounds: int) -> None:
        options = self._options
        contestants = self._chosen(CONTESTANTS)
        for size in options.sizes:
            count = max(_FEWEST, options.messages * min(options.sizes) // size)
            results = compete(
                contestants, count=count, size=size, rounds=rounds, say=_say
            )
            self.report.trades[size] = count, results

    def _latency(self, rounds: int) -> None:
        options = self._options
        self.report.latencies = measure_latency(
            rates=options.rates, seconds=options.seconds, rounds=rounds, say=_say
        )

    def _connections(self, rounds: int) -> None:
        clients = self._options.connections
        each = max(1, self._options.messages // clients)
        runs = cases.connections(clients, each, rounds=rounds, say=_say)
        self.report.crowd = clients, each, runs

    def _memory(self, rounds: int) -> None:
        count = self._options.messages
        few = min(_FEW_MESSAGES, count)
        self.report.memory = cases.memory(count, few, rounds=rounds, say=_say)

    def _start_up(self, rounds: int) -> None:
        count = min(_START_UP_MESSAGES, self._options.messages)
        self.report.start_up = cases.start_up(count, rounds=rounds, say=_say)

    def _rules(self, rounds: int) -> None:
        count = self._options.messages
        self.report.rules = cases.rules(count, rounds=rounds, say=_say)


def _write(report: Report, directory: Path) -> None:
    """Write the parts of the page and of the README that were measured.

    Args:
        report: What was measured.
        directory: It has a `README.md` and a `docs` in it.
    """
    docs = directory / "docs"
    path = docs / "benchmark.md"
    page = path.read_text(encoding="utf-8") if path.exists() else _PAGE
    path.write_text(in_parts(page, report.parts(page)), encoding="utf-8")
    readme = directory / "README.md"
    text = readme.read_text(encoding="utf-8")
    readme.write_text(in_parts(text, report.readme_parts()), encoding="utf-8")


def _draw(report: Report, path: Path) -> None:
    """Draw the throughput of the smallest messages."""
    size = min(report.trades)
    count, results = report.trades[size]
    data = {
        "title": "Messages a second, from one WebSocket into a file",
        "note": f"{count:,} JSON messages of {size} bytes; the start is included",
        "rates": {
            name: results.median(name, lambda sample: sample.rate)
            for name in results.names
            if name not in _NOT_DRAWN
        },
    }
    python = tool("matplotlib").parent / "python"
    subprocess.run(
        [python, ROOT / "benchmarks" / "chart.py", path],
        input=json.dumps(data),
        text=True,
        check=True,
    )


def main(arguments: list[str]) -> int:
    """Measure, print, and write where that is asked for; return the exit code."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # servers are stopped then
    compile_all()

    def write(report: Report) -> None:
        if options.write is not None:
            _write(report, options.write)

    run = _Run(options, write)
    for case in options.cases:
        run.measure(case)
        if case == "throughput" and options.write is not None and run.report.trades:
            _draw(run.report, options.write / "docs" / "benchmark.png")
    print(run.report.whole())
    for failure in run.failed:
        _say(f"FAILED: {failure}")
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
