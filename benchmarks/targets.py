"""What the tap is meant to reach, as ratios within one run."""

from __future__ import annotations

import dataclasses
import statistics
from typing import TYPE_CHECKING

from benchmarks import cases, latency
from benchmarks.contestants import (
    BENTO,
    FAUCET,
    PICOWS,
    PICOWS_NULL,
    PLAIN_TAP,
    RUST_JSON,
    SCRIPT,
    WEBSOCKETS,
)

if TYPE_CHECKING:
    from benchmarks.latency import Latencies
    from benchmarks.throughput import Results, Sample

__all__ = ["Target", "targets"]

_LATENCY_RATE = 1000


@dataclasses.dataclass(frozen=True)
class Target:
    """A ratio that is aimed at.

    Attributes:
        what: The ratio.
        measured: What it was, or None when it was not measured.
        bound: What it is to be.
        at_most: Whether it is to be that at most; else at least.
        span: The same from first to last record, where that is something else.
    """

    what: str
    measured: float | None
    bound: float
    at_most: bool = False
    span: float | None = None

    @property
    def wanted(self) -> str:
        """The bound in words."""
        return f"{'≤' if self.at_most else '≥'} {self.bound:g}"

    @property
    def verdict(self) -> str:
        """Whether it was reached."""
        if self.measured is None:
            return "not measured"
        reached = (
            self.measured <= self.bound if self.at_most else self.measured >= self.bound
        )
        return "met" if reached else "**not met**"


def targets(
    trades: Results | None,
    memory: Results | None,
    rules: Results | None,
    start_up: dict[str, list[float]],
    latencies: Latencies,
) -> list[Target]:
    """Compare what was measured with what is aimed at."""

    def faster(what: str, first: str, second: str, bound: float) -> Target:
        return Target(
            what,
            trades.ratio(first, second) if trades else None,
            bound,
            span=trades.ratio(first, second, _span) if trades else None,
        )

    cpu = (
        trades.ratio(FAUCET.name, PICOWS.name, lambda sample: sample.cpu)
        if trades
        else None
    )
    peak = (
        memory.ratio(PICOWS_NULL.name, cases.FEW, lambda sample: sample.peak)
        if memory
        else None
    )
    kept = rules.ratio(cases.WITH_RULES, cases.WITHOUT_RULES) if rules else None
    fast = PICOWS.name
    return [
        faster("picows over the plain SDK tap", fast, PLAIN_TAP.name, 20),
        faster("picows over a user's script", fast, SCRIPT.name, 8),
        faster("websockets over a user's script", WEBSOCKETS.name, SCRIPT.name, 2),
        faster("picows over faucet", fast, FAUCET.name, 2),
        Target("CPU of faucet over picows, a message", cpu, 1.5),
        faster("picows over bento", fast, BENTO.name, 5),
        faster("picows over rust-loop json", fast, RUST_JSON.name, 1),
        Target(
            "latency p99 at 1,000 msg/s with `flush_interval` 0.001, over a user's "
            "script's",
            _p99(latencies),
            2,
            at_most=True,
        ),
        Target(
            "peak memory, many messages over ten thousand",
            peak,
            1.1,
            at_most=True,
        ),
        Target(
            "start-up to the first record, over the plain SDK tap's",
            _pairs(start_up.get(PICOWS.name), start_up.get(PLAIN_TAP.name)),
            1.15,
            at_most=True,
        ),
        Target("two rules over none, one message in a hundred matched", kept, 0.6),
    ]


def _span(sample: Sample) -> float | None:
    return sample.span_rate


def _p99(latencies: Latencies) -> float | None:
    def of(name: str) -> list[float]:
        found = latencies.get((name, _LATENCY_RATE), [])
        return [each.p99 for each in found]

    return _pairs(of(latency.QUICK), of(latency.SCRIPT))


def _pairs(firsts: list[float] | None, seconds: list[float] | None) -> float | None:
    if not firsts or not seconds:
        return None
    pairs = zip(firsts, seconds, strict=True)
    return statistics.median(one / other for one, other in pairs)
