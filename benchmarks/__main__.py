"""`python -m benchmarks`: measure everything, and say what came out."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import cases, machine
from benchmarks.connection_memory import measure_connection_memory
from benchmarks.contestants import CONTESTANTS, FAUCET, PICOWS, present
from benchmarks.feeds import BOOKS, feed_names
from benchmarks.latency import measure_latency
from benchmarks.markdown import in_parts
from benchmarks.paced import measure_paced
from benchmarks.processes import compile_all
from benchmarks.real import FEED_CONTESTANTS, measure_feed
from benchmarks.report import Report, in_block
from benchmarks.throughput import compete
from scripts.tools import tool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.contestants import Contestant

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent
_CASES = (
    "feeds",
    "paced",
    "long",
    "throughput",
    "latency",
    "connections",
    "connection-memory",
    "memory",
    "start-up",
    "rules",
)
_BOOKS_SHARE = 20
"""One order book for this many messages of the other feeds."""

_FEW_MESSAGES = 10_000
_START_UP_MESSAGES = 2000
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
    add("--rounds", type=int, default=5)
    add("--rates", type=int, nargs="+", default=[1000, 20_000], help="for the latency")
    add("--seconds", type=float, default=5, help="of each run for the latency")
    add("--connections", type=int, default=1000)
    add("--cases", nargs="+", choices=_CASES, default=_CASES)
    add("--feeds", nargs="+", choices=feed_names(), default=feed_names())
    add("--feed-messages", type=int, default=600_000, help="of each feed")
    add("--long", type=int, default=10_000_000, help="messages of the long run")
    add(
        "--paced", type=int, nargs="+", default=[1000, 10_000], help="messages a second"
    )
    add("--only", nargs="+", metavar="NAME", help="contestants of feeds and throughput")
    add("--write", type=Path, metavar="DIRECTORY", help="for docs/ and the README")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _chosen(
    options: argparse.Namespace, contestants: Sequence[Contestant]
) -> list[Contestant]:
    """Return those contestants that `--only` leaves."""
    return [
        contestant
        for contestant in contestants
        if not options.only or contestant.name in options.only
    ]


def _measure_feeds(options: argparse.Namespace, report: Report) -> None:
    """Measure feeds and connections as users have them."""
    rounds, chosen = options.rounds, options.cases
    if "feeds" in chosen:
        for name in options.feeds:
            count = options.feed_messages // (_BOOKS_SHARE if name == BOOKS else 1)
            report.feeds.append(
                measure_feed(
                    name,
                    count,
                    rounds=rounds,
                    say=_say,
                    contestants=_chosen(options, FEED_CONTESTANTS),
                )
            )
    if "paced" in chosen:
        report.paced = measure_paced(
            rates=options.paced,
            seconds=options.seconds,
            rounds=rounds,
            say=_say,
        )
    if "long" in chosen:
        report.long = measure_feed(
            "trades",
            options.long,
            rounds=rounds,
            say=_say,
            contestants=(PICOWS, FAUCET),
        )
    if "connection-memory" in chosen:
        clients = options.connections
        each_one = measure_connection_memory(clients, rounds=rounds, say=_say)
        report.connections = clients, each_one


def _measure(options: argparse.Namespace) -> Report:
    rounds, chosen = options.rounds, options.cases
    report = Report(machine.describe(), rounds)
    _measure_feeds(options, report)
    if "throughput" in chosen:
        contestants = _chosen(options, present())
        for size in options.sizes:
            count = max(_FEWEST, options.messages * min(options.sizes) // size)
            results = compete(
                contestants,
                count=count,
                size=size,
                rounds=rounds,
                say=_say,
            )
            report.trades[size] = count, results
    if "latency" in chosen:
        report.latencies = measure_latency(
            rates=options.rates,
            seconds=options.seconds,
            rounds=rounds,
            say=_say,
        )
    if "connections" in chosen:
        clients = options.connections
        each = max(1, options.messages // clients)
        runs = cases.connections(clients, each, rounds=rounds, say=_say)
        report.crowd = clients, each, runs
    if "memory" in chosen:
        few = min(_FEW_MESSAGES, options.messages)
        report.memory = cases.memory(options.messages, few, rounds=rounds, say=_say)
    if "start-up" in chosen:
        count = min(_START_UP_MESSAGES, options.messages)
        report.start_up = cases.start_up(count, rounds=rounds, say=_say)
    if "rules" in chosen and cases.has_rules():
        report.rules = cases.rules(options.messages, rounds=rounds, say=_say)
    return report


def _write(report: Report, directory: Path) -> None:
    """Write the page's parts that were measured, and the chart and the README's part.

    Args:
        report: What was measured.
        directory: It has a `README.md` and a `docs` in it.
    """
    docs = directory / "docs"
    path = docs / "benchmark.md"
    page = path.read_text(encoding="utf-8") if path.exists() else _PAGE
    path.write_text(in_parts(page, report.parts()), encoding="utf-8")
    if report.trades:
        _draw(report, docs / "benchmark.png")
        readme = directory / "README.md"
        text = in_block(readme.read_text(encoding="utf-8"), report.summary())
        readme.write_text(text, encoding="utf-8")


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


def main(arguments: list[str]) -> None:
    """Measure, print, and write where that is asked for."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # servers are stopped then
    compile_all()
    report = _measure(options)
    print(report.whole())
    if options.write is not None:
        _write(report, options.write)


if __name__ == "__main__":
    main(sys.argv[1:])
