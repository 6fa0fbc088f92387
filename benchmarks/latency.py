"""From the server's send to the line on stdout."""

from __future__ import annotations

import dataclasses
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.contestants import Job, tap_command
from benchmarks.processes import FailedError, environment, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.contestants import Command

__all__ = [
    "QUICK",
    "SCRIPT",
    "Latencies",
    "Latency",
    "delays",
    "measure_latency",
    "summary",
]

_SENT = re.compile(rb'"sent": ?(\d+)')
_WARM_UP = 0.2
_READ_BYTES = 1 << 20
_RIVALS = Path(__file__).resolve().parent / "rivals"

QUICK = "tap, flush_interval 0.001"
DEFAULTS = "tap, defaults"
SCRIPT = "a user's script, a flush for each line"


def _quick(job: Job) -> Command:
    return tap_command(job, flush_interval=0.001)


def _flushing(job: Job) -> Command:
    return [sys.executable, _RIVALS / "script.py", job.url, "flush"]


_COMMANDS: dict[str, Callable[[Job], Command]] = {
    QUICK: _quick,
    SCRIPT: _flushing,
    DEFAULTS: tap_command,
}


@dataclasses.dataclass(frozen=True)
class Latency:
    """Delays of one run, in milliseconds."""

    p50: float
    p99: float
    most: float


Latencies = dict[tuple[str, int], list[Latency]]
"""Name and messages a second to a latency for each round."""


def measure_latency(
    *,
    rates: Sequence[int],
    seconds: float,
    rounds: int,
    say: Callable[[str], None],
) -> Latencies:
    """Measure everyone in turn at each rate.

    Args:
        rates: Messages a second.
        seconds: How long each run lasts.
        rounds: Number of rounds.
        say: Told about each run.

    Raises:
        FailedError: When a run fails or a message is missing.
    """
    found: Latencies = {}
    for rate in rates:
        with serving("pacer", rate, seconds) as server:
            for number in range(1, rounds + 1):
                for name, command in _COMMANDS.items():
                    with tempfile.TemporaryDirectory() as directory:
                        count = int(rate * seconds)
                        job = Job(server.url, count, Path(directory))
                        latency = summary(delays(command(job), job))
                    found.setdefault((name, rate), []).append(latency)
                    say(
                        f"{rate} msg/s, round {number}: {name}: "
                        f"p50 {latency.p50:.2f}, p99 {latency.p99:.2f} ms",
                    )
    return found


def delays(command: Command, job: Job) -> list[int]:
    """Run a command and return the delay of each of its lines, in nanoseconds.

    Raises:
        FailedError: When the run fails or a message is missing.
    """
    chunks: list[tuple[int, bytes]] = []
    with (job.directory / "stderr.txt").open("w+b") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=job.directory,
            env=environment(),
        )
        stdout = process.stdout
        if stdout is None:  # pragma: no cover - it was asked for
            raise FailedError
        with stdout:
            while chunk := os.read(stdout.fileno(), _READ_BYTES):
                chunks.append((time.monotonic_ns(), chunk))
        code = process.wait()
        errors.seek(0)
        log = errors.read().decode(errors="replace")
    found = list(_delays(chunks))
    if code or len(found) != job.count:
        msg = (
            f"{command} ended with exit code {code} and {len(found)} of {job.count} "
            f"records:\n{log[-2000:]}"
        )
        raise FailedError(msg)
    return found


def _delays(chunks: list[tuple[int, bytes]]) -> list[int]:
    """Return how old each message was when its line was there to its end."""
    found: list[int] = []
    rest = b""
    for at, chunk in chunks:
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        sent = filter(None, map(_SENT.search, lines))
        found += [at - int(match[1]) for match in sent]
    return found


def summary(delays_ns: list[int]) -> Latency:
    """Sum up the delays of a run; the first fifth, its warm-up, does not count."""
    counted = sorted(delays_ns[int(len(delays_ns) * _WARM_UP) :])
    return Latency(
        p50=statistics.median(counted) / 1e6,
        p99=counted[int(len(counted) * 0.99)] / 1e6,
        most=counted[-1] / 1e6,
    )
