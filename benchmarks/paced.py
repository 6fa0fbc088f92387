"""The CPU that messages cost which come one by one, at the rates of real feeds."""

from __future__ import annotations

import dataclasses
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contestants import (
    BENTO,
    FAUCET,
    PICOWS,
    RIVALS,
    WEBSOCKETS,
    Contestant,
    Job,
)
from benchmarks.processes import measure, serving
from benchmarks.sender import FIRST_ID
from benchmarks.throughput import check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.contestants import Command
    from benchmarks.starts import Cost

__all__ = ["FLUSHING", "PACED_CONTESTANTS", "Paced", "PacedResults", "measure_paced"]


def _script(job: Job) -> Command:
    return [sys.executable, RIVALS / "script.py", job.url, "flush"]


FLUSHING = Contestant("a user's script, a flush for each line", _script)
PACED_CONTESTANTS = (PICOWS, WEBSOCKETS, FLUSHING, FAUCET, BENTO)


@dataclasses.dataclass(frozen=True)
class Paced:
    """What one run cost.

    Attributes:
        cpu: Seconds of CPU of the whole process.
        each: Microseconds of CPU for each message, the start left out.
    """

    cpu: float
    each: float


class PacedResults(dict[tuple[str, int], list[Paced]]):
    """Name and messages a second, to a run for each round."""

    def ratio(self, first: str, second: str, rate: int) -> float | None:
        """Return the first one's CPU a message over the second one's."""
        pairs = zip(
            self.get((first, rate), []), self.get((second, rate), []), strict=False
        )
        ratios = [one.each / max(other.each, 0.1) for one, other in pairs]
        return statistics.median(ratios) if ratios else None


def measure_paced(
    contestants: Mapping[Contestant, Cost],
    *,
    rates: Sequence[int],
    seconds: float,
    rounds: int,
    say: Callable[[str], None],
) -> PacedResults:
    """Measure everyone in turn at each rate, one write of the server a message.

    Args:
        contestants: Who runs, and what a start of each costs.
        rates: Messages a second.
        seconds: How long each run lasts.
        rounds: Number of rounds.
        say: Told about each run.

    Raises:
        FailedError: When a run fails or a message is missing.
    """
    found = PacedResults()
    for rate in rates:
        for number in range(1, rounds + 1):
            for contestant, start in contestants.items():
                cpu = _cpu(contestant, rate, seconds)
                each = (cpu - start.cpu) / int(rate * seconds) * 1e6
                found.setdefault((contestant.name, rate), []).append(Paced(cpu, each))
                say(
                    f"{rate} msg/s, round {number}: {contestant.name}: "
                    f"{cpu:.2f} s of CPU, {each:.1f} µs a message",
                )
    return found


def _cpu(contestant: Contestant, rate: int, seconds: float) -> float:
    """Run a contestant to the end of a feed; return its seconds of CPU."""
    count = int(rate * seconds)
    with (
        serving("pacer", rate, seconds, 1) as server,
        tempfile.TemporaryDirectory() as name,
    ):
        job = Job(server.url, count, Path(name))
        measured = measure(
            contestant.command(job),
            job.directory,
            output=job.output,
            stdout=job.output if contestant.prints else Path("/dev/null"),
        )
        check(
            contestant.name,
            job.output.read_bytes(),
            range(FIRST_ID, FIRST_ID + count),
        )
    return measured.cpu
