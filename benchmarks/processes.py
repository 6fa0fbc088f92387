"""Processes: servers that are started and stopped, clients that are measured."""

from __future__ import annotations

import compileall
import contextlib
import dataclasses
import os
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "FailedError",
    "Growth",
    "Measured",
    "Server",
    "compile_all",
    "environment",
    "measure",
    "serving",
]

ROOT = Path(__file__).resolve().parent.parent
_OWN = ("tap_websocket", "benchmarks")
_LOOK_SECONDS = 0.005
_BEGUN_BYTES = 10_000
_TIMEOUT_SECONDS = 900


class FailedError(Exception):
    """A run ended in another way than it had to, or its output is not complete."""


@dataclasses.dataclass(frozen=True)
class Growth:
    """The size of a file at some time.

    Attributes:
        at: Seconds of `time.perf_counter`.
        size: Bytes.
    """

    at: float
    size: int


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a process cost.

    Attributes:
        seconds: From before its start until after its end.
        cpu: Seconds of CPU, user and system.
        peak: Resident memory at its highest, in bytes.
        begun: The output when it had some ten thousand bytes, or None.
        ended: The output when it grew for the last time, or None.
        log: What it wrote to stderr.
    """

    seconds: float
    cpu: float
    peak: int
    begun: Growth | None
    ended: Growth | None
    log: str


@dataclasses.dataclass(frozen=True)
class Server:
    """A server on loopback that says things on its stdout."""

    url: str
    stdout: IO[str]


@contextlib.contextmanager
def serving(module: str, *arguments: float | str) -> Iterator[Server]:
    """Run one of the servers of this package until the block is left."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    stdout = process.stdout
    if stdout is None:  # pragma: no cover - it was asked for
        raise FailedError
    try:
        yield Server(f"ws://127.0.0.1:{int(stdout.readline())}/", stdout)
    finally:
        process.kill()
        process.wait()
        stdout.close()


def compile_all() -> None:
    """Compile what Python will run, as an installer does, so that no start pays."""
    for folder in (sysconfig.get_path("purelib"), *map(str, map(ROOT.joinpath, _OWN))):
        compileall.compile_dir(folder, quiet=2)


def environment() -> dict[str, str]:
    """Return the environment without proxies, settings and log levels.

    Without `PYTHONDONTWRITEBYTECODE` and `PYTHONUNBUFFERED`, too: Python is slower
    with them.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy")
        and not name.startswith("TAP_WEBSOCKET_")
        and not name.startswith("PYTHON")
        and name != "LOGLEVEL"
    } | {"PYTHONPATH": str(ROOT)}


class _Watch(threading.Thread):
    """Looks at a process and its output every few milliseconds."""

    def __init__(self, pid: int, output: Path) -> None:
        super().__init__(daemon=True)
        self._status = Path(f"/proc/{pid}/status")
        self._output = output
        self._over = threading.Event()
        self.peak = 0
        self.begun: Growth | None = None
        self.ended: Growth | None = None

    def run(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self._look()

    def stop(self) -> None:
        self._over.set()
        self.join()
        self._look_at_output()

    def _look(self) -> None:
        with contextlib.suppress(OSError):
            self.peak = max(self.peak, _peak(self._status.read_text()))
        self._look_at_output()

    def _look_at_output(self) -> None:
        try:
            size = self._output.stat().st_size
        except OSError:
            return
        now = time.perf_counter()
        if self.begun is None and size >= _BEGUN_BYTES:
            self.begun = Growth(now, size)
        if size != (self.ended.size if self.ended else 0):
            self.ended = Growth(now, size)


def _peak(status: str) -> int:
    """Return the peak of resident memory of a process, in bytes.

    Not `ru_maxrss`: a process inherits that one from its parent.
    """
    line = next((line for line in status.splitlines() if line[:6] == "VmHWM:"), None)
    return int(line.split()[1]) * 1024 if line else 0


def measure(
    command: Sequence[str | Path],
    directory: Path,
    *,
    output: Path,
    stdout: Path,
) -> Measured:
    """Run a command to its end.

    Args:
        command: The command.
        directory: Where it runs, and where its stderr goes.
        output: The file that the records go to, by whatever way.
        stdout: The file that is its stdout.

    Raises:
        FailedError: When its exit code is not 0.
    """
    log = directory / "stderr.txt"
    with stdout.open("wb") as out, log.open("wb") as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=errors,
            cwd=directory,
            env=environment(),
        )
        watch = _Watch(process.pid, output)
        watch.start()
        deadline = threading.Timer(_TIMEOUT_SECONDS, process.kill)
        deadline.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if process.returncode is None:
                process.kill()
            deadline.cancel()
            watch.stop()
    text = log.read_text(errors="replace")
    if process.returncode:
        msg = f"{command} ended with exit code {process.returncode}:\n{text[-2000:]}"
        raise FailedError(msg)
    return Measured(
        seconds,
        usage.ru_utime + usage.ru_stime,
        watch.peak,
        watch.begun,
        watch.ended,
        text,
    )
