"""The tap on feeds as users have them, beside what else does the job."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contestants import (
    BENTO,
    FAUCET,
    PICOWS,
    RIVALS,
    SCRIPT,
    Contestant,
    Job,
    present,
    tap_command,
)
from benchmarks.feeds import FIRST, NUMBER, feed
from benchmarks.player import BARE, MOST_DIFFERENT
from benchmarks.processes import FailedError, measure, serving
from benchmarks.throughput import Results, Sample
from scripts.recipes import located

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.contestants import Command
    from benchmarks.feeds import Feed
    from benchmarks.processes import Measured

__all__ = ["FEED_CONTESTANTS", "FeedResults", "measure_feed", "shapes"]

FEED_CONTESTANTS = (PICOWS, FAUCET, SCRIPT, BENTO)
_EXTRACTED = re.compile(rb',\s*"time_extracted":\s*"[^"]*"')
_BYTES = re.compile(r" records=\d+ bytes=(\d+)")
_ENDS = ("max_duration", "idle_timeout", "max_messages")


@dataclasses.dataclass(frozen=True)
class FeedResults:
    """What was measured on one feed.

    Attributes:
        name: The feed's.
        messages: Number of messages of a run.
        records: Number of records of a run.
        results: Rates are records a second, of all contestants.
        failed: Who could not do it, and why.
    """

    name: str
    messages: int
    records: int
    results: Results
    failed: dict[str, str]


def measure_feed(
    name: str,
    count: int,
    *,
    rounds: int,
    say: Callable[[str], None],
    contestants: Sequence[Contestant],
) -> FeedResults:
    """Let everyone in turn read a feed.

    Args:
        name: The feed's.
        count: Number of messages; above a million a multiple of a million.
        rounds: Number of rounds.
        say: Told about each run.
        contestants: Who runs, those left out whose program is not there.

    Raises:
        FailedError: When the tap or the script fails, or an output is not right.
    """
    played = feed(name)
    times = max(1, count // MOST_DIFFERENT)
    each = played.records(count // times)
    found = FeedResults(name, count, each * times, Results(), {})
    here = [contestant for contestant in contestants if contestant in present()]
    with serving("player", name, count) as server:
        for number in range(1, rounds + 1):
            seen: set[str] = set()
            for contestant in here:
                if contestant.name in found.failed:
                    continue
                try:
                    sample, shown = _run(contestant, played, server.url, found, each)
                except FailedError as error:
                    if contestant in {PICOWS, SCRIPT}:
                        raise
                    found.failed[contestant.name] = str(error)
                    say(f"{name}: {contestant.name} failed: {error}")
                    continue
                if contestant in {PICOWS, SCRIPT}:
                    if played.replies and seen and seen != shown:
                        msg = f"{name}: the records differ: {seen ^ shown}"
                        raise FailedError(msg)
                    seen = shown
                found.results.add(contestant.name, sample)
                say(
                    f"{name}, round {number}: {contestant.name}: "
                    f"{sample.rate:,.0f} records/s, {sample.cpu:.2f} µs",
                )
    return found


def _command(contestant: Contestant, played: Feed, job: Job) -> Command:
    if contestant is PICOWS:
        port = int(job.url.rpartition(":")[2].rstrip("/"))
        given = {"url": job.url, **played.config}
        config: dict[str, Any] = {
            key: value
            for key, value in located(given, port).items()
            if key not in _ENDS
        }
        return tap_command(job, transport="picows", max_messages=job.count, **config)
    bare = dataclasses.replace(job, url=job.url + BARE)
    if contestant is SCRIPT:
        return [sys.executable, RIVALS / "recipe_script.py", played.name, bare.url]
    return contestant.command(bare)


def _run(
    contestant: Contestant,
    played: Feed,
    url: str,
    found: FeedResults,
    each: int,
) -> tuple[Sample, set[str]]:
    """Run one contestant; return what it cost, and its records without numbers."""
    with tempfile.TemporaryDirectory() as name:
        job = Job(url, found.messages, Path(name))
        printed = job.output if contestant.prints else Path("/dev/null")
        measured = measure(
            _command(contestant, played, job),
            job.directory,
            output=job.output,
            stdout=printed,
        )
        data = job.output.read_bytes()
    numbers = list(map(int, NUMBER.findall(data)))
    times = found.records // each
    if numbers != list(range(FIRST, FIRST + each)) * times:
        msg = (
            f"{contestant.name}: {len(numbers)} of {found.records} records were "
            f"written, or out of order; {measured.log[-500:]}"
        )
        raise FailedError(msg)
    # Records that came by both of two lines were read twice.
    read = round(found.records * _lines(measured.log, played, found.messages))
    sample = Sample(
        rate=read / measured.seconds,
        span_rate=_span(measured, data, read),
        cpu=measured.cpu / read * 1e6,
        peak=measured.peak,
    )
    compared = contestant in {PICOWS, SCRIPT}
    return sample, shapes(data) if compared else set()


def _lines(log: str, played: Feed, messages: int) -> float:
    """Return how many times the tap has read the feed; 1 for others.

    It ends with the last record, when a second line may not be at its end.
    """
    taken = _BYTES.search(log)
    if "redundancy" not in played.config or taken is None:
        return 1.0
    return int(taken[1]) / (len(played.messages(1)[0]) * messages)


def _span(measured: Measured, data: bytes, records: int) -> float | None:
    """Return the records a second from the first in the file to the last."""
    if measured.begun is None or measured.ended is None:
        return None
    seconds = measured.ended.at - measured.begun.at
    share = 1 - measured.begun.size / len(data)
    return records * share / seconds if seconds > 0 else None


def shapes(data: bytes) -> set[str]:
    """Return what the records of an output are but for their numbers.

    It is the same for all ways to write the same: an order of the fields, a null
    that is left out, a nested value as JSON text, a number as text.
    """
    lines = set(_EXTRACTED.sub(b"", NUMBER.sub(b"0", data)).splitlines())
    found = set()
    for line in lines:
        message = json.loads(line)
        if "stream" in message and message.get("type") != "RECORD":
            continue
        record = message["record"] if message.get("type") == "RECORD" else message
        found.add(json.dumps(dict(_plain(record)), sort_keys=True))
    return found


def _plain(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in record.items():
        nested = isinstance(value, str) and value[:1] in {"{", "["}
        plain = json.loads(value) if nested else value
        if plain is not None:
            yield name, json.dumps(plain).strip('"')
