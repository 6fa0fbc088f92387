"""The tap on feeds as users have them, beside what else does the job."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import itertools
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
    tap_command,
)
from benchmarks.feeds import FIRST, NUMBER, feed
from benchmarks.keys import write_key
from benchmarks.player import BARE
from benchmarks.processes import FailedError, measure, serving
from benchmarks.shapes import shapes
from benchmarks.starts import messages_for
from benchmarks.throughput import Results, Sample
from scripts.recipes import located

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchmarks.contestants import Command
    from benchmarks.feeds import Feed
    from benchmarks.processes import Measured
    from benchmarks.starts import Cost

__all__ = ["FEED_CONTESTANTS", "FeedResults", "measure_feed"]

FEED_CONTESTANTS = (PICOWS, FAUCET, SCRIPT, BENTO)
_ENDS = ("max_duration", "idle_timeout", "max_messages")
_BYTES = re.compile(r" records=\d+ bytes=(\d+)")
_BLOCK_BYTES = 1 << 24


@dataclasses.dataclass(frozen=True)
class FeedResults:
    """What was measured on one feed.

    Attributes:
        name: The feed's.
        messages: Number of messages of the feed.
        records: Number of records of the feed.
        results: Rates are records a second, of all contestants.
        failed: Who could not do it, and why.
    """

    name: str
    messages: int
    records: int
    results: Results
    failed: dict[str, str]


@dataclasses.dataclass(frozen=True)
class _Part:
    """What of a feed is read: by those that are slow a part, by others all.

    Attributes:
        messages: Number of messages.
        records: Number of records.
        different: Number of records that differ; then they come again.
    """

    messages: int
    records: int
    different: int


def _part(played: Feed, count: int) -> _Part:
    each, times = played.turns(count)
    different = played.records(each)
    return _Part(each * times, different * times, different)


def measure_feed(
    name: str,
    count: int,
    contestants: Mapping[Contestant, Cost],
    *,
    rounds: int,
    say: Callable[[str], None],
) -> FeedResults:
    """Let everyone in turn read a feed.

    Who fails is left out from then on, and `FeedResults.failed` has the reason.

    Args:
        name: The feed's.
        count: Number of messages.
        contestants: Who runs, and what a start of each costs.
        rounds: Number of rounds.
        say: Told about each run.
    """
    played = feed(name)
    whole = _part(played, count)
    found = FeedResults(name, whole.messages, whole.records, Results(), {})
    counts = {
        messages_for(contestant, count, played.size) for contestant in contestants
    }
    with contextlib.ExitStack() as stack:
        urls = {
            read: stack.enter_context(serving("player", name, read)).url
            for read in counts
        }
        for number in range(1, rounds + 1):
            seen: set[str] = set()
            for contestant, start in contestants.items():
                if contestant.name in found.failed:
                    continue
                read = messages_for(contestant, count, played.size)
                part = _part(played, read)
                try:
                    sample, shown = _run(contestant, played, urls[read], part)
                    _compare(seen, shown)
                except FailedError as error:
                    found.failed[contestant.name] = str(error)
                    say(f"{name}: {contestant.name} failed: {error}")
                    continue
                seen |= shown
                sample = sample.of_whole(part.records, whole.records, start)
                found.results.add(contestant.name, sample)
                say(
                    f"{name}, round {number}: {contestant.name}: "
                    f"{sample.rate:,.0f} records/s, {sample.cpu:.2f} µs",
                )
    return found


def _compare(seen: set[str], shown: set[str]) -> None:
    """Compare the records of the script with those of the tap, which came before.

    The script may have read a part of the feed.

    Raises:
        FailedError: When it has others.
    """
    if seen and not shown <= seen:
        msg = f"the records of the tap and the script differ: {shown - seen}"
        raise FailedError(msg)


def _command(contestant: Contestant, played: Feed, job: Job) -> Command:
    if contestant is PICOWS:
        port = int(job.url.rpartition(":")[2].rstrip("/"))
        given = {"url": job.url, **played.config}
        config: dict[str, Any] = {
            key: value
            for key, value in located(given, port).items()
            if key not in _ENDS
        }
        if config.get("reconnect") and "redundancy" not in config:
            # A tap that lost a record would read the feed again, for what is missing.
            config["max_reconnect_attempts"] = 0
        for kind, file in played.keys.items():
            write_key(kind, job.directory / file)
        messages = job.count + played.beside
        return tap_command(job, transport="picows", max_messages=messages, **config)
    bare = dataclasses.replace(
        job, url=job.url + BARE, message_format=_message_format(played)
    )
    if contestant is SCRIPT:
        return [sys.executable, RIVALS / "recipe_script.py", played.name, bare.url]
    return contestant.command(bare)


def _message_format(played: Feed) -> str:
    """Return what faucet has to take the messages of a feed for."""
    if played.packed:
        return "binary"
    return "raw_string" if played.text else "json"


def _run(
    contestant: Contestant, played: Feed, url: str, part: _Part
) -> tuple[Sample, set[str]]:
    """Run one contestant; return what it cost, and its records without numbers.

    Raises:
        FailedError: When the run fails or its output is not complete.
    """
    with tempfile.TemporaryDirectory() as name:
        job = Job(url, part.messages, Path(name))
        printed = job.output if contestant.prints else Path("/dev/null")
        measured = measure(
            _command(contestant, played, job),
            job.directory,
            output=job.output,
            stdout=printed,
        )
        size = job.output.stat().st_size
        encoded = contestant is FAUCET and played.packed
        blocks = _blocks(job.output)
        if encoded:
            blocks = map(_decoded(played), blocks)
        shown = _check(contestant, played, blocks, part)
    # Records that came by both of two lines were read twice.
    read = round(part.records * _lines(measured.log, played, part.messages))
    sample = Sample(
        rate=read / measured.seconds,
        span_rate=_span(measured, size, read),
        cpu=measured.cpu / read * 1e6,
        peak=measured.peak,
    )
    return sample, shown


def _blocks(output: Path) -> Iterator[bytes]:
    """Yield an output in pieces of whole lines."""
    with output.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block + file.readline()


def _decoded(played: Feed) -> Callable[[bytes], bytes]:
    """Return what makes messages of lines that hold them as base64."""

    def decoded(block: bytes) -> bytes:
        return b"\n".join(
            played.unpack(base64.b64decode(json.loads(line)))
            for line in block.splitlines()
        )

    return decoded


def _check(
    contestant: Contestant, played: Feed, blocks: Iterator[bytes], part: _Part
) -> set[str]:
    """Look for every record in an output, in order; return what the records are.

    Of faucet and bento, which pass whole messages on, nothing is returned.

    Raises:
        FailedError: When one is missing, is there twice, or not at its place.
    """
    compared = contestant in {PICOWS, SCRIPT}
    expected = itertools.cycle(range(FIRST, FIRST + part.different))
    count = 0
    shown: set[str] = set()
    for block in blocks:
        numbers = list(map(int, NUMBER.findall(block)))
        if numbers != list(itertools.islice(expected, len(numbers))):
            msg = f"{contestant.name}: records are missing or out of order"
            raise FailedError(msg)
        count += len(numbers)
        if compared:
            shown |= shapes(block, rescued=played.rescued)
    if count != part.records:
        msg = f"{contestant.name}: {count} of {part.records} records were written"
        raise FailedError(msg)
    return shown


def _lines(log: str, played: Feed, messages: int) -> float:
    """Return how many times the tap has read the feed; 1 for others.

    It ends with the last record, when a second line may not be at its end.
    """
    taken = _BYTES.search(log)
    if "redundancy" not in played.config or taken is None:
        return 1.0
    return int(taken[1]) / (len(played.messages(1)[0]) * messages)


def _span(measured: Measured, size: int, records: int) -> float | None:
    """Return the records a second from the first in the file to the last."""
    if measured.begun is None or measured.ended is None:
        return None
    seconds = measured.ended.at - measured.begun.at
    share = 1 - measured.begun.size / size
    return records * share / seconds if seconds > 0 else None
