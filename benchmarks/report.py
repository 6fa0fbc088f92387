"""What was measured, as Markdown."""

from __future__ import annotations

import dataclasses
import statistics
from typing import TYPE_CHECKING

from benchmarks import feed_targets as aims
from benchmarks import targets
from benchmarks.contestants import PICOWS, PLAIN_TAP, SCRIPT, missing
from benchmarks.feed_report import (
    connection_part,
    expectations,
    feeds_part,
    long_part,
    paced_part,
    target_part,
)
from benchmarks.feeds import BINANCE, TRADES
from benchmarks.markdown import decimal, part, part_of, rounded, table
from benchmarks.paced import PacedResults

if TYPE_CHECKING:
    from benchmarks.cases import Crowded
    from benchmarks.latency import Latencies
    from benchmarks.real import FeedResults
    from benchmarks.throughput import Results

__all__ = ["Report"]

_NAMES = {
    "SDK path": "SDK path: this tap where the SDK has to work on each record, as with "
    "stream maps.",
    SCRIPT.name: f"{SCRIPT.name}: websockets, `json.loads` and `print`.",
    PLAIN_TAP.name: f"{PLAIN_TAP.name}: a tap that yields a record for each message.",
    "faucet": "faucet: the command line of faucet-stream, in Rust.",
    "bento": "bento: a stream processor, in Go.",
    "rust-loop": "rust-loop: no product but a yardstick, a bare loop in Rust.",
}
# The README is shown by the package index, too, where relative links lead nowhere.
_RAW = "https://raw.githubusercontent.com/tap-websocket/tap-websocket/main"
_MIB = 1024 * 1024
_PART = (
    "The script, bento, the plain SDK tap and the SDK path read a fifth of the "
    "messages, if there are 100,000 or more; what that took, the start apart, is taken "
    "five times."
)


@dataclasses.dataclass
class Report:
    """Everything that was measured; what was left out is empty.

    Attributes:
        machine: What it ran on.
        begun: When the run began.
        rounds: Parts that were measured, to the number of their rounds.
        trades: Bytes of a message to number of messages and results.
        latencies: Delays.
        crowd: Number of connections, messages for each, and the runs.
        memory: Peak memory, and the number of messages, many and few.
        start_up: Seconds to the first record.
        rules: With rules and without.
        feeds: Feeds as users have them, by name.
        long: The plainest feed, by the number of its messages.
        paced: Messages that come alone.
        connections: Number of connections, and bytes of each by scheme and transport.
    """

    machine: str
    begun: str
    rounds: dict[str, int]
    trades: dict[int, tuple[int, Results]] = dataclasses.field(default_factory=dict)
    latencies: Latencies = dataclasses.field(default_factory=dict)
    crowd: tuple[int, int, list[Crowded]] = (0, 0, [])
    memory: Results | None = None
    start_up: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    rules: Results | None = None
    feeds: dict[str, FeedResults] = dataclasses.field(default_factory=dict)
    long: dict[int, FeedResults] = dataclasses.field(default_factory=dict)
    paced: PacedResults = dataclasses.field(default_factory=PacedResults)
    connections: tuple[int, dict[tuple[str, str], float]] = (0, {})

    @property
    def trade_results(self) -> Results | None:
        """The results of the smallest messages."""
        return self.trades[min(self.trades)][1] if self.trades else None

    def readme_parts(self) -> dict[str, str]:
        """Return the parts of the README that were measured, by name."""
        parts = {}
        plain = (TRADES, BINANCE)
        measured = self.feeds.keys() >= set(plain) and aims.recipes_in(self.feeds)
        if self.paced and self.start_up and measured:
            start = statistics.median(self.start_up[PICOWS.name])
            parts["expect"] = expectations(self.feeds, plain, self.paced, start)
        if self.trades:
            size = min(self.trades)
            shown = (
                self._how("throughput"),
                self._who(),
                f"![Messages a second]({_RAW}/docs/benchmark.png)",
                self._throughput(size, *self.trades[size]),
                self._latency(),
            )
            parts["benchmark"] = "\n\n".join(filter(None, shown))
        return parts

    def whole(self) -> str:
        """Return everything that was measured."""
        return "\n".join(part(name, text) for name, text in self.parts("").items())

    def parts(self, before: str) -> dict[str, str]:
        """Return the parts of the page that were measured, by name.

        Args:
            before: The page as it is: rows that are not measured now are kept.
        """
        clients, connections = self.connections
        parts = {
            "targets": target_part(
                self._targets(), self.begun, part_of(before, "targets")
            ),
            "feeds": self.feeds
            and feeds_part(
                list(self.feeds.values()), self.begun, part_of(before, "feeds")
            ),
            "long": self.long and long_part(self.long),
            "paced": self.paced and paced_part(self.paced),
            "contestants": self._who(),
            "throughput": "\n\n".join(
                self._throughput(size, *found) for size, found in self.trades.items()
            ),
            "latency": self._latency(),
            "connections": self._connections(),
            "connection-memory": connections and connection_part(clients, connections),
            "memory": self._memory(),
            "start-up": self._start_up(),
            "rules": self._rules(),
        }
        return {
            name: f"{text}\n\n{self._how(name)}" if name in self.rounds else text
            for name, text in parts.items()
            if text
        }

    def _targets(self) -> list[targets.Target]:
        """Return everything that is aimed at, measured or not."""
        return [
            *aims.binance_targets(self.feeds),
            *aims.long_targets(self.long),
            *aims.recipe_targets(self.feeds),
            *aims.rescue_targets(self.feeds),
            *aims.line_targets(self.feeds),
            *aims.odd_targets(self.feeds),
            *aims.book_targets(self.feeds),
            *aims.paced_targets(self.paced),
            *aims.connection_targets(self.connections[1]),
            *targets.start_targets(self.start_up),
            *targets.throughput_targets(self.trade_results),
            *targets.latency_targets(self.latencies),
            *targets.memory_targets(self.memory),
            *targets.rule_targets(self.rules),
        ]

    def _how(self, name: str) -> str:
        """Return how a part was measured, and on what."""
        rounds = self.rounds[name]
        how = f"medians of {rounds} interleaved rounds" if rounds > 1 else "one round"
        return f"*{self.begun}, {how}. {self.machine}*"

    def _who(self) -> str:
        """Return a line on each of the rows whose names say little."""
        if self.trade_results is None:
            return ""
        shown = [*self.trade_results.names, *(each.name for each in missing())]
        return "\n".join(
            f"- {text}"
            for word, text in _NAMES.items()
            if any(word in name for name in shown)
        )

    def _throughput(self, size: int, count: int, results: Results) -> str:
        rows = [
            (
                name,
                rounded(results.median(name, lambda sample: sample.rate)),
                rounded(results.median(name, lambda sample: sample.span_rate)),
                decimal(results.median(name, lambda sample: sample.cpu), 2),
                decimal(results.median(name, lambda sample: sample.peak / _MIB), 0),
                decimal(results.ratio(PICOWS.name, name), 2),
            )
            for name in results.names
        ]
        rows += [(each.name, "not on the PATH", "", "", "", "") for each in missing()]
        shown = table(
            (
                "",
                "msg/s, whole process",
                "msg/s, first to last record",
                "CPU µs a message",
                "peak MiB",
                "picows over it",
            ),
            rows,
        )
        return (
            f"**{count:,} messages of {size:,} bytes** into a file. Times, CPU, memory "
            "and ratios cover the whole process, start-up included; ratios are taken "
            "pair by pair. From first to last record is the time in which the file "
            "grew, without the start. Picows over it: the rate of "
            f"`{PICOWS.name}`, divided by the rate of that row. {_PART}"
            f"\n\n{shown}"
        )

    def _latency(self) -> str:
        if not self.latencies:
            return ""
        rows = [
            (
                f"{rate:,}",
                name,
                *(
                    decimal(statistics.median(values), 2)
                    for values in (
                        [each.p50 for each in found],
                        [each.p99 for each in found],
                        [each.most for each in found],
                    )
                ),
            )
            for (name, rate), found in self.latencies.items()
        ]
        header = ("msg/s", "", "p50 ms", "p99 ms", "max ms")
        return (
            "**Latency** from the server's send to the line on stdout, a pipe."
            f"\n\n{table(header, rows)}"
        )

    def _connections(self) -> str:
        clients, each, runs = self.crowd
        if not runs:
            return ""
        rows = []
        for transport in sorted({run.transport for run in runs}):
            mine = [run for run in runs if run.transport == transport]
            rates = [run.rate for run in mine if run.rate]
            rows.append(
                (
                    f"tap, {transport}",
                    decimal(statistics.median(run.connecting for run in mine), 2),
                    rounded(statistics.median(rates) if rates else None),
                    decimal(statistics.median(run.cpu for run in mine), 2),
                    decimal(statistics.median(run.peak / _MIB for run in mine), 0),
                ),
            )
        shown = table(
            (
                "",
                "connected within s",
                "msg/s, all together",
                "CPU µs a message",
                "peak MiB",
            ),
            rows,
        )
        return (
            f"**{clients:,} connections at once** (`contexts`), {each:,} messages on "
            "each once all are there; the rate is from first to last record."
            f"\n\n{shown}"
        )

    def _memory(self) -> str:
        if self.memory is None:
            return ""
        memory = self.memory
        rows = [
            (name, decimal(memory.median(name, lambda sample: sample.peak / _MIB), 1))
            for name in memory.names
        ]
        return f"**Peak memory**\n\n{table(('', 'peak MiB'), rows)}"

    def _start_up(self) -> str:
        rows = [
            (name, decimal(statistics.median(self.start_up[name]), 3))
            for name in (PLAIN_TAP.name, PICOWS.name)
            if name in self.start_up
        ]
        header = ("", "seconds to the first record")
        return f"**Start-up**\n\n{table(header, rows)}" if rows else ""

    def _rules(self) -> str:
        if self.rules is None:
            return ""
        results = self.rules
        rows = [
            (name, rounded(results.median(name, lambda sample: sample.rate)))
            for name in results.names
        ]
        header = ("", "msg/s, whole process")
        return (
            "**Message rules**: one message in a hundred is no trade."
            f"\n\n{table(header, rows)}"
        )
