"""What was measured on feeds as users have them, as Markdown."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.contestants import BENTO, FAUCET, PICOWS, SCRIPT
from benchmarks.feed_targets import (
    connection_targets,
    feed_targets,
    long_targets,
    paced_targets,
)
from benchmarks.markdown import decimal, rounded, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.paced import PacedResults
    from benchmarks.real import FeedResults
    from benchmarks.targets import Target

__all__ = ["connection_part", "feeds_part", "long_part", "paced_part"]

_KIB = 1024
_NAMES = (PICOWS.name, SCRIPT.name, FAUCET.name, BENTO.name)


def feeds_part(feeds: Sequence[FeedResults]) -> str:
    """Return the table of the feeds, and their targets."""
    header = (
        "",
        "records",
        *(f"{name}, records/s" for name in _NAMES),
        "its CPU µs a record",
        "the script's",
        "faucet's",
    )
    return (
        "**Feeds as users have them**, whole processes: the tap with the recipe's "
        "config as printed, a user's script that makes the same records, faucet and "
        "bento, which pass whole messages on."
        f"\n\n{table(header, map(_row, feeds))}\n\n{_targets(feed_targets(feeds))}"
    )


def _row(found: FeedResults) -> tuple[str, ...]:
    results = found.results

    def rate(name: str) -> str:
        if name not in results.names:
            return "fails" if name in found.failed else "-"
        return rounded(results.median(name, lambda sample: sample.rate))

    def cpu(name: str) -> str:
        if name not in results.names:
            return "-"
        return decimal(results.median(name, lambda sample: sample.cpu), 2)

    return (
        found.name,
        f"{found.records:,}",
        *map(rate, _NAMES),
        *map(cpu, (PICOWS.name, SCRIPT.name, FAUCET.name)),
    )


def long_part(found: FeedResults) -> str:
    """Return the table of the long run, and its targets."""
    rows = [
        (
            name,
            rounded(found.results.median(name, lambda sample: sample.rate)),
            rounded(found.results.median(name, lambda sample: sample.span_rate)),
            decimal(found.results.median(name, lambda sample: sample.cpu), 2),
            decimal(found.results.median(name, lambda s: s.peak / _KIB**2), 0),
        )
        for name in found.results.names
    ]
    header = (
        "",
        "msg/s, whole process",
        "msg/s, first to last record",
        "CPU µs a message",
        "peak MiB",
    )
    return (
        f"**A long run**: {found.messages:,} trades into a file."
        f"\n\n{table(header, rows)}\n\n{_targets(long_targets(found))}"
    )


def paced_part(found: PacedResults) -> str:
    """Return the table of messages that come alone, and its targets."""
    rows = [
        (
            f"{rate:,}",
            name,
            decimal(statistics.median(run.cpu for run in runs), 2),
            decimal(statistics.median(run.each for run in runs), 1),
        )
        for (name, rate), runs in found.items()
    ]
    header = ("msg/s", "", "CPU s of the process", "CPU µs a message, start apart")
    return (
        "**Messages that come alone**: one write of the server for each."
        f"\n\n{table(header, rows)}\n\n{_targets(paced_targets(found))}"
    )


def connection_part(clients: int, found: Mapping[tuple[str, str], float]) -> str:
    """Return what a connection takes beside its targets."""
    return (
        f"**Memory of a connection** beyond the first, of {clients:,}."
        f"\n\n{_targets(connection_targets(found))}"
    )


def _targets(found: Iterable[Target]) -> str:
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
    return table(header, rows)
