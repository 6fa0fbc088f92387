"""What one process takes: connections, messages a second, CPU and memory.

`python -m benchmarks.capacity` prints a table for docs/scale.md. It takes five minutes.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.cases import allow_files
from benchmarks.contestants import Job, tap_command
from benchmarks.processes import Measured, measure, serving

__all__: list[str] = []

_SECONDS = 15
_ROWS = (
    (1, 1_000),
    (1, 10_000),
    (100, 1_000),
    (100, 10_000),
    (1_000, 100),
    (1_000, 1_000),
    (1_000, 10_000),
)
"""Connections, and messages a second over all of them."""


def _run(connections: int, rate: float) -> tuple[Measured, int]:
    """Return what a run cost, and how many messages it received."""
    with (
        serving("steady", rate) as server,
        tempfile.TemporaryDirectory() as name,
    ):
        job = Job(server.url, 1, Path(name))
        command = tap_command(
            job,
            url=f"{server.url}{{topic}}",
            topics=[f"t{number}" for number in range(connections)],
            topics_per_connection=1,
            max_duration=_SECONDS,
        )
        measured = measure(command, job.directory, output=job.output, stdout=job.output)
        return measured, job.output.read_bytes().count(b'{"type":"RECORD"')


def main() -> None:
    """Print the table."""
    allow_files()
    start, _ = _run(1, 0.1)
    print("| connections | msg/s | CPU of one core | peak MiB |")
    print("| ---: | ---: | ---: | ---: |")
    for connections, rate in _ROWS:
        cost, received = _run(connections, rate)
        busy = (cost.cpu - start.cpu) / _SECONDS
        print(
            f"| {connections:,} | {received / _SECONDS:,.0f} | {busy:.0%} | "
            f"{cost.peak / 2**20:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
