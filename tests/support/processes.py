"""Processes that tests start, and waits for what they do."""

from __future__ import annotations

import contextlib
import fcntl
import struct
import subprocess
import termios
import time
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

__all__ = ["is_full", "read_past", "start", "wait_until"]

_POLL_SECONDS = 0.02
_PIPE_BYTES = 64 * 1024
"""What Linux keeps of a pipe that nobody reads, in pages that may be filled in part."""
_PAGE_BYTES = 4096


@contextlib.contextmanager
def start(
    command: Sequence[str | Path], **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that is over when the block is left, also by a failure.

    A process that is left running is found by the garbage collector, whose warning
    fails another test.
    """
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            # Does nothing to one that has ended.
            process.kill()


def wait_until(condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait until something is so; fail before the time of the test is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(_POLL_SECONDS)


def read_past(process: subprocess.Popen[bytes], output: IO[bytes], mark: bytes) -> None:
    """Read what a process writes, up to the line that a text is in."""
    while mark not in output.readline():
        assert process.poll() is None


def is_full(pipe: IO[bytes]) -> bool:
    """Return whether whoever writes to a pipe has to wait until it is read."""
    data = fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4)
    (waiting,) = struct.unpack("i", data)
    return bool(waiting > _PIPE_BYTES - 2 * _PAGE_BYTES)
