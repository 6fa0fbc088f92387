"""The smaller cases: connections, memory, start-up, rules."""

from __future__ import annotations

import collections
import dataclasses
import functools
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contestants import (
    PICOWS,
    PICOWS_NULL,
    PLAIN_TAP,
    Contestant,
    Job,
    tap_command,
)
from benchmarks.processes import FailedError, environment, measure, serving
from benchmarks.sender import trade_ids
from benchmarks.throughput import Results, run_once, span_rate, trades_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.contestants import Command

    Say = Callable[[str], None]

__all__ = [
    "FEW",
    "WITHOUT_RULES",
    "WITH_RULES",
    "Crowded",
    "allow_files",
    "connections",
    "memory",
    "rules",
    "start_up",
]

FEW = "few messages"
WITH_RULES = "tap, two rules"
WITHOUT_RULES = "tap, no rules"
_NOISE = 100
_RULES = [
    {"match": {"type": "heartbeat"}, "then": "ignore"},
    {"match": {"event": "info"}, "then": "ignore"},
]
_SIZE = 115


@dataclasses.dataclass(frozen=True)
class Crowded:
    """A run with many connections.

    Attributes:
        transport: What carried them.
        connecting: Seconds from the first connection to the last.
        rate: Messages a second over all, from the first record in the file to the last.
        cpu: Microseconds of CPU for each message.
        peak: Resident memory at its highest, in bytes.
    """

    transport: str
    connecting: float
    rate: float | None
    cpu: float
    peak: int


def connections(clients: int, each: int, *, rounds: int, say: Say) -> list[Crowded]:
    """Open many connections at once; when all are there, each gets this many messages.

    Raises:
        FailedError: When a run fails or its output is not complete.
    """
    allow_files()
    found = []
    with serving("crowd", clients, each) as server:
        for _ in range(rounds):
            for transport in ("picows", "websockets"):
                with tempfile.TemporaryDirectory() as name:
                    job = Job(server.url, clients * each, Path(name))
                    contexts = [{"context": str(n)} for n in range(clients)]
                    command = tap_command(job, transport=transport, contexts=contexts)
                    measured = measure(
                        command,
                        job.directory,
                        output=job.output,
                        stdout=job.output,
                    )
                    data = job.output.read_bytes()
                counts = collections.Counter(trades_in(data))
                if counts != dict.fromkeys(trade_ids(each), clients):
                    msg = f"{clients} connections, {transport}: records are missing"
                    raise FailedError(msg)
                crowded = Crowded(
                    transport,
                    float(server.stdout.readline()),
                    span_rate(measured, data, job.count),
                    measured.cpu / job.count * 1e6,
                    measured.peak,
                )
                found.append(crowded)
                say(f"{clients} connections, {transport}: {crowded}")
    return found


def allow_files() -> None:
    """Let this process and its children open as many files as they may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def memory(count: int, few: int, *, rounds: int, say: Say) -> Results:
    """Compare the peak memory of many messages with that of a few."""
    results = Results()
    with serving("sender", count, _SIZE) as many, serving("sender", few, _SIZE) as some:
        for number in range(1, rounds + 1):
            for name, server, messages in (
                (FEW, some, few),
                (PICOWS_NULL.name, many, count),
            ):
                sample = run_once(PICOWS_NULL, server.url, messages)
                results.add(name, sample)
                say(
                    f"memory, round {number}: {messages} messages: "
                    f"{sample.peak / 2**20:.1f} MiB",
                )
    return results


def start_up(count: int, *, rounds: int, say: Say) -> dict[str, list[float]]:
    """Return the seconds from the start of a process to its first record."""
    found: dict[str, list[float]] = {}
    with serving("sender", count, _SIZE) as server:
        for number in range(1, rounds + 1):
            for contestant in (PLAIN_TAP, PICOWS):
                with tempfile.TemporaryDirectory() as name:
                    job = Job(server.url, count, Path(name))
                    seconds = _first_record(contestant.command(job), job)
                found.setdefault(contestant.name, []).append(seconds)
                say(f"start-up, round {number}: {contestant.name}: {seconds:.3f} s")
    return found


def _first_record(command: Command, job: Job) -> float:
    with (job.directory / "stderr.txt").open("w+b") as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment(),
        )
        stdout = process.stdout
        if stdout is None:  # pragma: no cover - it was asked for
            raise FailedError
        with stdout:
            found = next((line for line in stdout if b'"RECORD"' in line), b"")
            seconds = time.perf_counter() - begin
            more = sum(b'"RECORD"' in line for line in stdout)
        code = process.wait()
    if code or not found or more + 1 != job.count:
        msg = f"{command} ended with exit code {code} and {more + bool(found)} records"
        raise FailedError(msg)
    return seconds


def rules(count: int, *, rounds: int, say: Say) -> Results:
    """Compare a feed, one message in a hundred of it no trade, with rules and without.

    Without rules what is no trade becomes a record.
    """
    given: dict[str, dict[str, Any]] = {
        WITH_RULES: {"message_rules": _RULES},
        WITHOUT_RULES: {},
    }
    results = Results()
    with serving("sender", count, _SIZE, _NOISE) as server:
        for number in range(1, rounds + 1):
            for name, config in given.items():
                command = functools.partial(tap_command, transport="picows", **config)
                contestant = Contestant(name, command)
                ids = trade_ids(count, _NOISE)
                sample = run_once(contestant, server.url, count, ids)
                results.add(name, sample)
                say(f"rules, round {number}: {name}: {sample.rate:,.0f} msg/s")
    return results
