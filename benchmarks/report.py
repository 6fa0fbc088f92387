"""What was measured, as Markdown."""

from __future__ import annotations

import dataclasses
import statistics
from typing import TYPE_CHECKING

from benchmarks.contestants import PICOWS, PLAIN_TAP, SCRIPT, missing
from benchmarks.feed_report import connection_part, feeds_part, long_part, paced_part
from benchmarks.markdown import decimal, part, rounded, table
from benchmarks.targets import targets

if TYPE_CHECKING:
    from benchmarks.cases import Crowded
    from benchmarks.latency import Latencies
    from benchmarks.paced import PacedResults
    from benchmarks.real import FeedResults
    from benchmarks.throughput import Results

__all__ = ["Report", "in_block"]

BEGIN = "<!-- benchmark: written by make bench -->\n"
END = "<!-- /benchmark -->\n"
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
_BLOB = "https://github.com/tap-websocket/tap-websocket/blob/main"
_RAW = "https://raw.githubusercontent.com/tap-websocket/tap-websocket/main"
_MIB = 1024 * 1024


@dataclasses.dataclass
class Report:
    """Everything that was measured; what was left out is empty.

    Attributes:
        machine: What it ran on.
        rounds: Number of rounds.
        trades: Bytes of a message to number of messages and results.
        latencies: Delays.
        crowd: Number of connections, messages for each, and the runs.
        memory: Peak memory, and the number of messages, many and few.
        start_up: Seconds to the first record.
        rules: With rules and without.
        feeds: Feeds as users have them.
        long: The long run.
        paced: Messages that come alone.
        connections: Number of connections, and bytes of each by scheme and transport.
    """

    machine: str
    rounds: int
    trades: dict[int, tuple[int, Results]] = dataclasses.field(default_factory=dict)
    latencies: Latencies = dataclasses.field(default_factory=dict)
    crowd: tuple[int, int, list[Crowded]] = (0, 0, [])
    memory: Results | None = None
    start_up: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    rules: Results | None = None
    feeds: list[FeedResults] = dataclasses.field(default_factory=list)
    long: FeedResults | None = None
    paced: PacedResults | None = None
    connections: tuple[int, dict[tuple[str, str], float]] = (0, {})

    @property
    def trade_results(self) -> Results | None:
        """The results of the smallest messages."""
        return self.trades[min(self.trades)][1] if self.trades else None

    def summary(self) -> str:
        """Return what stands in the README."""
        parts = [self._how(), self._who()]
        if self.trades:
            parts.append(f"![Messages a second]({_RAW}/docs/benchmark.png)")
            size = min(self.trades)
            parts.append(self._throughput(size, *self.trades[size]))
        parts.append(self._latency())
        parts.append(
            f"[Everything that was measured]({_BLOB}/docs/benchmark.md), and "
            f"[who runs and how]({_BLOB}/benchmarks/README.md).",
        )
        return "\n\n".join(filter(None, parts)) + "\n"

    def whole(self) -> str:
        """Return everything that was measured."""
        return "\n".join(part(name, text) for name, text in self.parts().items())

    def parts(self) -> dict[str, str]:
        """Return the parts of the page that were measured, by name."""
        clients, connections = self.connections
        parts = {
            "machine": self._how(),
            "feeds": feeds_part(self.feeds) if self.feeds else "",
            "paced": paced_part(self.paced) if self.paced else "",
            "long": long_part(self.long) if self.long else "",
            "contestants": self._who(),
            "throughput": "\n\n".join(
                self._throughput(size, *found) for size, found in self.trades.items()
            ),
            "latency": self._latency(),
            "connections": self._connections(),
            "connection memory": connections and connection_part(clients, connections),
            "memory": self._memory(),
            "start-up": self._start_up(),
            "rules": self._rules(),
            "targets": self._targets() if self.trades else "",
        }
        return {name: text for name, text in parts.items() if text}

    def _how(self) -> str:
        return f"Medians of {self.rounds} interleaved rounds. {self.machine}"

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
            f"**{count:,} messages of {size:,} bytes** into a file. The whole process "
            "is from before its start until after its end, and so are CPU, memory and "
            "the ratios, which are taken pair by pair; first to last record is how the "
            "file grew, and leaves the start out. Picows over it: the rate of "
            f"`{PICOWS.name}`, divided by the rate of that row."
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

    def _targets(self) -> str:
        found = targets(
            self.trade_results,
            self.memory,
            self.rules,
            self.start_up,
            self.latencies,
        )
        rows = [
            (
                target.what,
                target.wanted,
                decimal(target.measured, 2),
                target.verdict,
                decimal(target.span, 2),
            )
            for target in found
        ]
        header = ("", "target", "measured", "verdict", "without the start")
        return (
            "**Targets**, medians of the rounds' ratios; throughput is that of whole "
            "processes, and beside it from first to last record."
            f"\n\n{table(header, rows)}"
        )


def in_block(text: str, body: str) -> str:
    """Return a page with the part between the benchmark's marks replaced.

    Raises:
        ValueError: When the page has no such marks.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        msg = "the page has no place for the benchmark"
        raise ValueError(msg)
    return f"{before}{BEGIN}\n{body}\n{END}{after}"
