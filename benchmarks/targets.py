"""What the tap is meant to reach, as ratios within one run."""

from __future__ import annotations

import dataclasses
import statistics
from typing import TYPE_CHECKING

from benchmarks import cases, latency
from benchmarks.contestants import (
    BENTO,
    PICOWS,
    PICOWS_NULL,
    PLAIN_TAP,
    SCRIPT,
    WEBSOCKETS,
)
from benchmarks.markdown import NONE, decimal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.latency import Latencies
    from benchmarks.throughput import Results

__all__ = [
    "HEADER",
    "Target",
    "latency_targets",
    "memory_targets",
    "one",
    "rule_targets",
    "start_targets",
    "throughput_targets",
]

HEADER = ("", "target", "measured", "verdict", "start apart, by CPU", "run")
_LATENCY_RATE = 1000


@dataclasses.dataclass(frozen=True)
class Target:
    """A ratio that is aimed at, for one thing or for each of several.

    Attributes:
        what: The ratio.
        bound: What it is to be.
        measured: What it was; empty when it was not measured.
        at_most: Whether it is to be that at most; else at least.
        apart: The same by CPU, the starts left out, where that is measured.
    """

    what: str
    bound: float
    measured: Sequence[float]
    at_most: bool = False
    apart: Sequence[float] = ()

    @property
    def wanted(self) -> str:
        """The bound in words."""
        return f"{'≤' if self.at_most else '≥'} {self.bound:g}"

    @property
    def verdict(self) -> str:
        """Whether it was reached."""
        if not self.measured:
            return "not measured"
        met = sum(
            value <= self.bound if self.at_most else value >= self.bound
            for value in self.measured
        )
        if met == len(self.measured):
            return "met"
        if len(self.measured) == 1:
            return "**not met**"
        return f"**not met**: {met} of {len(self.measured)} are"

    def row(self, run: str) -> tuple[str, ...]:
        """Return its row below `HEADER`.

        Args:
            run: When the run began.
        """
        figures = _span(self.measured), self.verdict, _span(self.apart)
        return (self.what, self.wanted, *figures, run if self.measured else NONE)


def one(value: float | None) -> Sequence[float]:
    """Return a value as what was measured; None is nothing."""
    return () if value is None else (value,)


def _span(values: Sequence[float]) -> str:
    if len(values) < 2:  # noqa: PLR2004 - one value is no span
        return decimal(next(iter(values), None), 2)
    least, middle, most = min(values), statistics.median(values), max(values)
    return f"{least:.2f} to {most:.2f}, median {middle:.2f}"


def throughput_targets(trades: Results | None) -> Iterator[Target]:
    """Yield the targets of the smallest messages."""
    fast = PICOWS.name
    for first, second, bound in (
        (fast, PLAIN_TAP.name, 20),
        (fast, SCRIPT.name, 8),
        (WEBSOCKETS.name, SCRIPT.name, 2),
        (fast, BENTO.name, 5),
    ):
        yield Target(
            f"trades: {first}, over {second}",
            bound,
            one(trades.ratio(first, second) if trades else None),
            apart=one(
                trades.ratio(second, first, lambda sample: sample.apart)
                if trades
                else None
            ),
        )


def start_targets(start_up: dict[str, list[float]]) -> Iterator[Target]:
    """Yield the target of the start."""
    yield Target(
        f"start-up to the first record, over the {PLAIN_TAP.name}'s",
        1.1,
        one(_pairs(start_up.get(PICOWS.name), start_up.get(PLAIN_TAP.name))),
        at_most=True,
    )


def latency_targets(latencies: Latencies) -> Iterator[Target]:
    """Yield the target of the latency."""
    ours, script = (
        [each.p99 for each in latencies.get((name, _LATENCY_RATE), [])]
        for name in (latency.QUICK, latency.SCRIPT)
    )
    yield Target(
        "latency p99 at 1,000 msg/s with `flush_interval` 0.001, over a script's",
        2,
        one(_pairs(ours, script)),
        at_most=True,
    )


def memory_targets(memory: Results | None) -> Iterator[Target]:
    """Yield the target of peak memory."""
    names = PICOWS_NULL.name, cases.FEW
    peak = memory.ratio(*names, lambda sample: sample.peak) if memory else None
    what = "peak memory, many messages over ten thousand"
    yield Target(what, 1.1, one(peak), at_most=True)


def rule_targets(rules: Results | None) -> Iterator[Target]:
    """Yield the target of message rules."""
    kept = rules.ratio(cases.WITH_RULES, cases.WITHOUT_RULES) if rules else None
    what = "two rules over none, one message in a hundred matched"
    yield Target(what, 0.6, one(kept))


def _pairs(firsts: list[float] | None, seconds: list[float] | None) -> float | None:
    if not firsts or not seconds:
        return None
    pairs = zip(firsts, seconds, strict=True)
    return statistics.median(first / second for first, second in pairs)
