"""What the tap is meant to reach on feeds as users have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.contestants import FAUCET, PICOWS, RUST_JSON, SCRIPT
from benchmarks.feeds import BINANCE, BOOKS, TRADES
from benchmarks.paced import FLUSHING
from benchmarks.recipe_feeds import RECIPE_FEEDS
from benchmarks.targets import Target, one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.paced import PacedResults
    from benchmarks.real import FeedResults
    from benchmarks.throughput import Sample

__all__ = [
    "RECIPES",
    "binance_targets",
    "book_targets",
    "connection_targets",
    "line_targets",
    "long_targets",
    "messages_over_faucet",
    "odd_targets",
    "over",
    "paced_targets",
    "recipe_targets",
    "recipes_in",
    "rescue_targets",
]

Feeds = dict[str, "FeedResults"]

RECIPES = tuple(source.name for source in RECIPE_FEEDS)
_MOST_RECIPES = 0.9
"""The part of the recipes that has to be measured for something to be said of them."""

_WORST = "an unknown field in every record"
_SHARE = 0.4
"""Of the page path's rate, for feeds that do not pass as they are."""

_RESCUES = (_WORST, "names made portable")
_LINES = ("two lines", "deduplicate by", "sequence")
_ODD = (
    "one odd record in 1,000",
    "bursts of odd records",
    "odd records from the middle on",
)
_KIB = 1024
_MEMORY = {"ws": 40.0, "wss": 350.0}
"""KiB a connection."""

_LONG = {1_000_000: 2.0, 10_000_000: 2.5}
"""Messages of a run to what its rate is to be, over faucet's."""

_LONG_CPU = 1.8
_RATES = (1000, 10_000)
"""Messages a second."""


def _rate(sample: Sample) -> float:
    return sample.rate


def over(
    found: FeedResults | None,
    other: str,
    value: Callable[[Sample], float | None] = _rate,
) -> float | None:
    """Return the tap's rate, or what else, over that of another one."""
    return found.results.ratio(PICOWS.name, other, value) if found else None


def _apart(found: FeedResults | None, other: str) -> float | None:
    """Return another one's CPU over the tap's, the starts left out."""
    if found is None:
        return None
    return found.results.ratio(other, PICOWS.name, lambda sample: sample.apart)


def messages_over_faucet(found: FeedResults, *, apart: bool = False) -> float | None:
    """Return the tap's records over faucet's messages, each a second (or by CPU)."""
    ratio = _apart(found, FAUCET.name) if apart else over(found, FAUCET.name)
    return None if ratio is None else ratio * found.records / found.messages


def recipes_in(feeds: Mapping[str, FeedResults]) -> Sequence[FeedResults]:
    """Return the recipes that were measured; none where those are too few."""
    found = [feeds[name] for name in RECIPES if name in feeds]
    return found if len(found) >= _MOST_RECIPES * len(RECIPES) else []


def binance_targets(feeds: Feeds) -> Iterator[Target]:
    """Yield the target of Binance's trade, none of whose fields is rescued."""
    found = feeds.get(BINANCE)
    yield Target(
        f"{BINANCE}, no field rescued, over faucet",
        1.5,
        one(over(found, FAUCET.name)),
        apart=one(_apart(found, FAUCET.name)),
    )


def recipe_targets(feeds: Feeds) -> Iterator[Target]:
    """Yield the targets of the recipes; of a few of them nothing is said."""
    found = recipes_in(feeds)

    def each(value: Callable[[FeedResults], float | None]) -> Sequence[float]:
        return [ratio for ratio in map(value, found) if ratio is not None]

    yield Target(
        "recipes over a user's script",
        5,
        each(lambda feed: over(feed, SCRIPT.name)),
        apart=each(lambda feed: _apart(feed, SCRIPT.name)),
    )
    yield Target(
        "recipes, records over faucet's whole messages",
        1,
        each(messages_over_faucet),
        apart=each(lambda feed: messages_over_faucet(feed, apart=True)),
    )


def rescue_targets(feeds: Feeds) -> Iterator[Target]:
    """Yield the targets of records that have to be changed."""
    return _shares(feeds, _RESCUES, TRADES, "the page path", _SHARE)


def line_targets(feeds: Feeds) -> Iterator[Target]:
    """Yield the targets of records that are watched."""
    return _shares(feeds, _LINES, TRADES, "the page path", _SHARE)


def odd_targets(feeds: Feeds) -> Iterator[Target]:
    """Yield the targets of feeds that change in mid-run."""
    return _shares(feeds, _ODD, _WORST, "odd records alone", 1)


def _shares(
    feeds: Feeds, names: Sequence[str], base: str, what: str, bound: float
) -> Iterator[Target]:
    """Yield the targets of the tap's rate on some feeds over that on another one."""

    def ratio(
        first: str, second: str, value: Callable[[Sample], float | None]
    ) -> Sequence[float]:
        if not {first, second} <= feeds.keys():
            return ()
        medians = (
            feeds[name].results.median(PICOWS.name, value) for name in (first, second)
        )
        above, below = medians
        return one(above / below if above and below else None)

    for name in names:
        yield Target(
            f"{name}, over {what}",
            bound,
            ratio(name, base, _rate),
            apart=ratio(base, name, lambda sample: sample.apart),
        )


def book_targets(feeds: Feeds) -> Iterator[Target]:
    """Yield the targets of large messages."""
    found = feeds.get(BOOKS)
    for other, bound in ((SCRIPT.name, 2), (FAUCET.name, 1)):
        yield Target(
            f"{BOOKS} of 64 kB, over {other}",
            bound,
            one(over(found, other)),
            apart=one(_apart(found, other)),
        )


def long_targets(runs: Mapping[int, FeedResults]) -> Iterator[Target]:
    """Yield the targets of the plainest feed, by the number of its messages."""
    for count, bound in _LONG.items():
        found = runs.get(count)
        rate, cpu = over(found, FAUCET.name), None
        if found:
            cpu = found.results.ratio(FAUCET.name, PICOWS.name, lambda one: one.cpu)
        apart = one(_apart(found, FAUCET.name))
        yield Target(f"{count:,} trades, over faucet", bound, one(rate), apart=apart)
        yield Target(
            f"{count:,} trades, faucet's CPU over the tap's",
            _LONG_CPU,
            one(cpu),
            apart=apart,
        )
    for count in _LONG:
        span = over(runs.get(count), RUST_JSON.name, lambda sample: sample.span_rate)
        what = f"{count:,} trades, first to last record, over {RUST_JSON.name}"
        yield Target(what, 1, one(span))


def paced_targets(found: PacedResults) -> Iterator[Target]:
    """Yield the targets of messages that come alone; starts are left out."""
    for rate in _RATES:
        for other, bound in ((FAUCET.name, 0.85), (FLUSHING.name, 1.7)):
            yield Target(
                f"{rate:,} msg/s one by one, start apart, CPU of {other}, over the "
                "tap's",
                bound,
                one(found.ratio(other, PICOWS.name, rate)),
            )


def connection_targets(found: Mapping[tuple[str, str], float]) -> Iterator[Target]:
    """Yield the targets of a connection's memory."""
    for scheme, bound in _MEMORY.items():
        for transport in ("picows", "websockets"):
            each = found.get((scheme, transport))
            yield Target(
                f"KiB a connection beyond the first, {scheme}, {transport}",
                bound,
                one(each / _KIB if each is not None else None),
                at_most=True,
            )
