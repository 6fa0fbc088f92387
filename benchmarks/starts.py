"""What a start costs, so that a slow contestant need not read all of a long feed.

A contestant that is slow reads a fifth of a feed. What it costs beyond its start is
taken five times then: what it would cost on all of it, as each message costs the same.
"""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contestants import Job
from benchmarks.processes import measure, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from benchmarks.contestants import Contestant
    from benchmarks.processes import Measured

__all__ = ["Cost", "measure_starts", "messages_for", "whole_cost"]

_PART = 5
_LONG_MESSAGES, _LONG_BYTES = 100_000, 1 << 29
"""A feed with less of both is read whole by everyone: a fifth of it is no time."""

_FEW, _BYTES = 100, 115
_ROUNDS = 3


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a process took: seconds from before its start until after its end, and CPU.

    Attributes:
        seconds: Of the clock.
        cpu: Of CPU, user and system.
    """

    seconds: float
    cpu: float


def messages_for(contestant: Contestant, count: int, size: float) -> int:
    """Return how many of a feed's messages a contestant reads.

    Args:
        contestant: Who reads.
        count: Number of the feed's messages.
        size: Bytes of one.
    """
    long = count >= _LONG_MESSAGES or count * size >= _LONG_BYTES
    return count // _PART if contestant.slow and long else count


def measure_starts(
    contestants: Iterable[Contestant], say: Callable[[str], None]
) -> dict[Contestant, Cost]:
    """Return what a run costs that has next to nothing to read; medians.

    Raises:
        FailedError: When a run fails.
    """
    found = {}
    with serving("sender", _FEW, _BYTES) as server:
        for contestant in contestants:
            runs = [_start(contestant, server.url) for _ in range(_ROUNDS)]
            found[contestant] = cost = Cost(
                statistics.median(run.seconds for run in runs),
                statistics.median(run.cpu for run in runs),
            )
            say(
                f"start: {contestant.name}: {cost.seconds:.2f} s, "
                f"{cost.cpu:.2f} s of CPU"
            )
    return found


def _start(contestant: Contestant, url: str) -> Measured:
    with tempfile.TemporaryDirectory() as name:
        job = Job(url, _FEW, Path(name))
        return measure(
            contestant.command(job),
            job.directory,
            output=job.output,
            stdout=job.output if contestant.prints else Path("/dev/null"),
        )


def whole_cost(part: Cost, start: Cost, share: float) -> Cost:
    """Return what reading all of a feed costs, by what a part of it cost.

    Args:
        part: What the run cost that read a part.
        start: What a start costs.
        share: Messages of the feed over those that were read.
    """
    rest = share - 1
    return Cost(
        part.seconds + rest * max(0.0, part.seconds - start.seconds),
        part.cpu + rest * max(0.0, part.cpu - start.cpu),
    )
