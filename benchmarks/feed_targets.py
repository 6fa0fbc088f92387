"""What the tap is meant to reach on feeds as users have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.contestants import FAUCET, PICOWS, SCRIPT
from benchmarks.feeds import BOOKS
from benchmarks.paced import FLUSHING
from benchmarks.recipe_feeds import RECIPE_FEEDS
from benchmarks.targets import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.paced import PacedResults
    from benchmarks.real import FeedResults
    from benchmarks.throughput import Sample

__all__ = ["connection_targets", "feed_targets", "long_targets", "paced_targets"]

_PAGE_PATH = "trades"
_WORST = "an unknown field in every record"
_SHARES = {
    _WORST: 0.4,
    "names made portable": 0.4,
    "two lines": 0.4,
    "deduplicate by": 0.4,
}
"""Feeds, and the part of the page path's rate that is aimed at."""

_ODD = (
    "one odd record in 1,000",
    "bursts of odd records",
    "odd records from the middle on",
)
_RECIPES = tuple(source.name for source in RECIPE_FEEDS)
_KIB = 1024
_MEMORY = {"ws": 40.0, "wss": 350.0}
"""KiB a connection."""


def feed_targets(feeds: Sequence[FeedResults]) -> Iterator[Target]:
    """Yield the targets of the feeds that were measured."""
    by_name = {found.name: found for found in feeds}
    if binance := by_name.get("Binance's trade"):
        yield Target("Binance's trade over faucet", _over(binance, FAUCET.name), 1.5)
    for name in filter(by_name.__contains__, _RECIPES):
        yield Target(
            f"{name}, over a user's script", _over(by_name[name], SCRIPT.name), 5
        )
        messages = _over(by_name[name], FAUCET.name)
        share = by_name[name].records / by_name[name].messages
        yield Target(
            f"{name}, records over faucet's messages",
            messages and messages * share,
            1,
        )
    for name, bound in _SHARES.items():
        if {name, _PAGE_PATH} <= by_name.keys():
            yield _between(by_name, name, _PAGE_PATH, "the page path", bound)
    for name in _ODD:
        if {name, _WORST} <= by_name.keys():
            yield _between(by_name, name, _WORST, _WORST, 1)
    if books := by_name.get(BOOKS):
        yield Target(f"{BOOKS}, over a user's script", _over(books, SCRIPT.name), 2)
        yield Target(f"{BOOKS}, over faucet", _over(books, FAUCET.name), 1)


def long_targets(found: FeedResults) -> Iterator[Target]:
    """Yield the targets of the long run."""
    yield Target("long run over faucet", _over(found, FAUCET.name), 2.5)
    cpu = found.results.ratio(FAUCET.name, PICOWS.name, lambda sample: sample.cpu)
    yield Target("CPU of faucet over the long run's", cpu, 1.8)


def paced_targets(found: PacedResults) -> Iterator[Target]:
    """Yield the targets of messages that come alone."""
    for rate in sorted({rate for _, rate in found}):
        for other, bound in ((FAUCET.name, 0.85), (FLUSHING.name, 1.7)):
            yield Target(
                f"CPU of {other} over the tap's, {rate:,} msg/s",
                found.ratio(other, PICOWS.name, rate),
                bound,
            )


def connection_targets(found: Mapping[tuple[str, str], float]) -> Iterator[Target]:
    """Yield the targets of a connection's memory."""
    for (scheme, transport), each in found.items():
        what = f"KiB a connection, {scheme}, {transport}"
        yield Target(what, each / _KIB, _MEMORY[scheme], at_most=True)


def _over(found: FeedResults, other: str) -> float | None:
    return found.results.ratio(PICOWS.name, other)


def _rates(
    by_name: Mapping[str, FeedResults],
    first: str,
    second: str,
    value: Callable[[Sample], float | None] = lambda sample: sample.rate,
) -> float | None:
    one, other = (
        by_name[name].results.median(PICOWS.name, value) for name in (first, second)
    )
    return one / other if one and other else None


def _between(
    by_name: Mapping[str, FeedResults], first: str, second: str, what: str, bound: float
) -> Target:
    """Return the target of one feed's rate over that of another."""
    spans = _rates(by_name, first, second, lambda sample: sample.span_rate)
    rates = _rates(by_name, first, second)
    return Target(f"{first}, over {what}", rates, bound, span=spans)
