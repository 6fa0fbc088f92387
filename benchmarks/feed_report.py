"""What was measured on feeds as users have them, as Markdown."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.contestants import BENTO, FAUCET, PICOWS, SCRIPT
from benchmarks.feed_targets import messages_over_faucet, over, recipes_in
from benchmarks.feeds import feed_names
from benchmarks.markdown import decimal, rounded, rows, table
from benchmarks.paced import FLUSHING
from benchmarks.targets import HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.paced import PacedResults
    from benchmarks.real import FeedResults
    from benchmarks.targets import Target

__all__ = [
    "connection_part",
    "expectations",
    "feeds_part",
    "long_part",
    "paced_part",
    "target_part",
]

_MIB = 1024 * 1024
_NAMES = (PICOWS.name, SCRIPT.name, FAUCET.name, BENTO.name)
_SHOWN_SLOWEST = 3
_HEADER = (
    "",
    "records",
    "tap, picows, records/s",
    "a user's script, records/s",
    "faucet, messages/s",
    "bento, messages/s",
    "CPU µs a record, start apart",
    "the script's",
    "a message, faucet's",
    "tap over script",
    "tap's records over faucet's messages",
    "run",
)


def feeds_part(feeds: Sequence[FeedResults], run: str, before: str) -> str:
    """Return the table of the feeds.

    Args:
        feeds: Those that were measured.
        run: When that run began.
        before: The last version of this part: feeds that are left out now keep their
            rows.
    """
    found = {name: rows(before, _HEADER).get(name) for name in feed_names()}
    found |= {feed.name: _row(feed, run) for feed in feeds}
    return (
        "**Feeds as users have them**, whole processes: the tap with the recipe's "
        "config as printed, a user's script that makes the same records, faucet and "
        "bento, which pass whole messages on."
        f"\n\n{table(_HEADER, filter(None, found.values()))}"
    )


def _row(found: FeedResults, run: str) -> tuple[str, ...]:
    results = found.results
    each = found.messages / found.records

    def rate(name: str, share: float = 1) -> str:
        if name not in results.names:
            return "fails" if name in found.failed else "-"
        value = results.median(name, lambda sample: sample.rate)
        return rounded(value and value * share)

    def cpu(name: str, share: float = 1) -> str:
        if name not in results.names:
            return "-"
        value = results.median(name, lambda sample: sample.apart)
        return decimal(value and value / share, 2)

    return (
        found.name,
        f"{found.records:,}",
        rate(PICOWS.name),
        rate(SCRIPT.name),
        rate(FAUCET.name, each),
        rate(BENTO.name, each),
        cpu(PICOWS.name),
        cpu(SCRIPT.name),
        cpu(FAUCET.name, each),
        decimal(over(found, SCRIPT.name), 2),
        decimal(messages_over_faucet(found), 2),
        run,
    )


def long_part(runs: Mapping[int, FeedResults]) -> str:
    """Return the table of the plainest feed."""
    header = (
        "messages",
        "",
        "msg/s, whole process",
        "msg/s, first to last record",
        "CPU µs a message",
        "start apart",
        "peak MiB",
    )
    lines = [
        (
            f"{count:,}",
            name,
            rounded(found.results.median(name, lambda sample: sample.rate)),
            rounded(found.results.median(name, lambda sample: sample.span_rate)),
            decimal(found.results.median(name, lambda sample: sample.cpu), 2),
            decimal(found.results.median(name, lambda sample: sample.apart), 2),
            decimal(found.results.median(name, lambda s: s.peak / _MIB), 0),
        )
        for count, found in runs.items()
        for name in found.results.names
    ]
    return f"**Trades in a long run**, into a file.\n\n{table(header, lines)}"


def paced_part(found: PacedResults) -> str:
    """Return the table of messages that come alone."""
    lines = [
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
        f"\n\n{table(header, lines)}"
    )


def connection_part(clients: int, found: Mapping[tuple[str, str], float]) -> str:
    """Return what a connection takes."""
    lines = [
        (scheme, transport, decimal(each / 1024, 1))
        for (scheme, transport), each in found.items()
    ]
    header = ("", "", "KiB a connection")
    return (
        f"**Memory of a connection** beyond the first, of {clients:,}."
        f"\n\n{table(header, lines)}"
    )


def target_part(targets: Sequence[Target], run: str, before: str) -> str:
    """Return the table of everything that is aimed at.

    Args:
        targets: All of them.
        run: When this run began.
        before: The last version of this part: what is not measured now keeps its row.
    """
    last = rows(before, HEADER)
    lines = [
        target.row(run) if target.measured else last.get(target.what, target.row(run))
        for target in targets
    ]
    return (
        "Medians of the rounds' ratios, of whole processes where nothing else is said. "
        "Where the CPU of two is compared with their starts left out, it is in the "
        "fifth column. A row keeps the figure of the last run that measured it."
        f"\n\n{table(HEADER, lines)}"
    )


def expectations(
    feeds: Mapping[str, FeedResults],
    plain: Sequence[str],
    paced: PacedResults,
    start: float,
) -> str:
    """Return what a user can expect on a feed, in three lines.

    Args:
        feeds: All feeds, by name.
        plain: Names of those whose messages are records as they are.
        paced: Messages that come alone.
        start: Seconds to the first record.
    """
    recipes = recipes_in(feeds)
    slowest = sorted(recipes, key=_tap_rate)[:_SHOWN_SLOWEST]
    rate = min(rate for _, rate in paced)
    ours, script = (
        statistics.median(run.each for run in paced[name, rate])
        for name in (PICOWS.name, FLUSHING.name)
    )
    names = ", ".join(f"{feed.name} ({rounded(_tap_rate(feed))})" for feed in slowest)
    plainly = (
        "Messages that become records as they are: "
        f"{_figures([feeds[name] for name in plain])}."
    )
    cut = (
        "The recipes, where records are cut out of messages, get fields, are watched "
        f"for gaps and duplicates: {_figures(recipes)}. Slowest: {names}."
    )
    singly = (
        f"Messages that come one by one, {rate:,} a second: {ours:.0f} µs of CPU "
        f"for each, a script's {script:.0f}. The first record comes {start:.1f} s "
        "after the start."
    )
    lines = (plainly, cut, singly)
    return "\n".join(f"- {line}" for line in lines)


def _tap_rate(found: FeedResults) -> float:
    return found.results.median(PICOWS.name, lambda sample: sample.rate) or 0


def _figures(found: Sequence[FeedResults]) -> str:
    """Return rates and ratios of some feeds, from the lowest to the highest."""
    rates = sorted(map(_tap_rate, found))
    text = f"{_between(list(map(rounded, (rates[0], rates[-1]))))} records a second"
    scripts = [ratio for feed in found if (ratio := over(feed, SCRIPT.name))]
    if scripts:
        text += f", {_times(scripts)} what a Python script does"
    faucets = [ratio for feed in found if (ratio := messages_over_faucet(feed))]
    if faucets:
        text += f", {_times(faucets)} faucet's messages (in Rust; it passes them whole)"
    return text


def _times(ratios: Sequence[float]) -> str:
    return f"{_between([f'{value:.1f}' for value in (min(ratios), max(ratios))])} times"


def _between(ends: Sequence[str]) -> str:
    low, high = ends
    return low if low == high else f"{low} to {high}"
