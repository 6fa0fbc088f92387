"""How many messages a second, at what cost: everyone in turn, round by round."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contestants import Job
from benchmarks.processes import FailedError, measure, serving
from benchmarks.sender import trade_ids
from benchmarks.starts import Cost, messages_for, whole_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.contestants import Contestant
    from benchmarks.processes import Measured

__all__ = [
    "Results",
    "Sample",
    "check",
    "compete",
    "run_once",
    "span_rate",
    "trades_in",
]

_SHORT_SPAN = 0.05
_ID = re.compile(rb'"trade_id": ?(\d+)')


@dataclasses.dataclass(frozen=True)
class Sample:
    """One run.

    Attributes:
        rate: Messages a second over the whole process, its start and end included.
        span_rate: Messages a second from the first records in the file to the last, or
            None where that is no time or there is no file.
        cpu: Microseconds of CPU for each message, the start included.
        peak: Resident memory at its highest, in bytes.
        apart: Microseconds of CPU for each message, the start left out, or None where
            what a start costs is not known.
    """

    rate: float
    span_rate: float | None
    cpu: float
    peak: float
    apart: float | None = None

    def of_whole(self, read: int, count: int, start: Cost) -> Sample:
        """Return the sample of a whole feed, where this one read a part of it.

        Args:
            read: Number of messages that were read.
            count: Number of messages of the feed.
            start: What a start costs.
        """
        part = Cost(read / self.rate, self.cpu * read / 1e6)
        whole = whole_cost(part, start, count / read)
        return dataclasses.replace(
            self,
            rate=count / whole.seconds,
            cpu=whole.cpu / count * 1e6,
            apart=(whole.cpu - start.cpu) / count * 1e6,
        )


class Results:
    """The samples of each contestant, one for each round."""

    def __init__(self) -> None:
        """Begin with none."""
        self._samples: dict[str, list[Sample]] = {}

    def add(self, name: str, sample: Sample) -> None:
        """Keep a sample."""
        self._samples.setdefault(name, []).append(sample)

    @property
    def names(self) -> list[str]:
        """The contestants, the fastest first."""
        return sorted(
            self._samples,
            key=lambda name: -(self.median(name, lambda sample: sample.rate) or 0),
        )

    def median(
        self,
        name: str,
        value: Callable[[Sample], float | None],
    ) -> float | None:
        """Return the median of a value, or None when there is no value."""
        values = [found for found in map(value, self._samples.get(name, [])) if found]
        return statistics.median(values) if values else None

    def ratio(
        self,
        first: str,
        second: str,
        value: Callable[[Sample], float | None] = lambda sample: sample.rate,
    ) -> float | None:
        """Return the median of the rounds' ratios, or None where one has no value."""
        if not {first, second} <= self._samples.keys():
            return None
        pairs = zip(
            map(value, self._samples[first]),
            map(value, self._samples[second]),
            strict=False,  # one may have failed in a later round
        )
        ratios = [one / other for one, other in pairs if one and other]
        return statistics.median(ratios) if ratios else None


def compete(
    contestants: Mapping[Contestant, Cost],
    *,
    count: int,
    size: int,
    rounds: int,
    say: Callable[[str], None],
) -> Results:
    """Let everyone read the same feed, in turn, for this many rounds.

    Args:
        contestants: Who runs, and what a start of each costs.
        count: Number of messages.
        size: Bytes of a message.
        rounds: Number of rounds.
        say: Told about each run.

    Raises:
        FailedError: When a run fails or its output is not complete.
    """
    results = Results()
    counts = {messages_for(contestant, count, size) for contestant in contestants}
    with contextlib.ExitStack() as stack:
        servers = {
            read: stack.enter_context(serving("sender", read, size)) for read in counts
        }
        for number in range(1, rounds + 1):
            for contestant, start in contestants.items():
                read = messages_for(contestant, count, size)
                sample = run_once(contestant, servers[read].url, read).of_whole(
                    read, count, start
                )
                results.add(contestant.name, sample)
                say(
                    f"{size} B, round {number}: {contestant.name}: "
                    f"{sample.rate:,.0f} msg/s, {sample.cpu:.2f} µs",
                )
    return results


def run_once(
    contestant: Contestant,
    url: str,
    count: int,
    expected: Sequence[int] | None = None,
) -> Sample:
    """Let one contestant read a feed, and check what it wrote.

    Args:
        contestant: Who runs.
        url: The feed.
        count: Number of its messages.
        expected: The `trade_id` of each record; those of the sender by default.

    Raises:
        FailedError: When the run fails or its output is not complete.
    """
    ids = trade_ids(count) if expected is None else expected
    with tempfile.TemporaryDirectory() as name:
        job = Job(url, count, Path(name))
        nowhere = Path("/dev/null")
        printed = nowhere if contestant.nowhere else job.output
        measured = measure(
            contestant.command(job),
            job.directory,
            output=job.output,
            stdout=printed if contestant.prints else nowhere,
        )
        if contestant.nowhere:
            _check_log(contestant.name, measured.log, len(ids))
            spanned = None
        else:
            data = job.output.read_bytes()
            check(contestant.name, data, ids)
            spanned = span_rate(measured, data, len(ids))
    return Sample(
        rate=count / measured.seconds,
        span_rate=spanned,
        cpu=measured.cpu / count * 1e6,
        peak=measured.peak,
    )


def trades_in(data: bytes) -> list[int]:
    """Return the `trade_id` of each record of an output."""
    return list(map(int, _ID.findall(data)))


def check(name: str, data: bytes, ids: Sequence[int]) -> None:
    """Look for every record in an output: each trade, once, in order.

    Raises:
        FailedError: When the output is another one.
    """
    found = trades_in(data)
    if found != list(ids):
        msg = (
            f"{name}: {len(found)} of {len(ids)} records were written, or out of order"
        )
        raise FailedError(msg)
    if data.count(b"\n") < len(ids):
        msg = f"{name}: the records are not on lines of their own"
        raise FailedError(msg)


def _check_log(name: str, log: str, count: int) -> None:
    """Look for the number of records in the tap's own words.

    Raises:
        FailedError: When it is another one.
    """
    if f" records={count} " not in log:
        msg = f"{name}: it did not write {count} records:\n{log[-2000:]}"
        raise FailedError(msg)


def span_rate(measured: Measured, data: bytes, count: int) -> float | None:
    """Return the messages a second from the first records of a file to the last.

    Args:
        measured: The run.
        data: The file.
        count: Number of its records.
    """
    if measured.begun is None or measured.ended is None:
        return None
    seconds = measured.ended.at - measured.begun.at
    before = data.count(b"\n", 0, measured.begun.size)
    return (count - before) / seconds if seconds > _SHORT_SPAN else None
