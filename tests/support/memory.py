"""Memory of the tap's process, measured from outside."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.tap import start_tap

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

__all__ = ["MIB", "SLACK", "peak_memory", "run_for_peak"]

MIB = 1024 * 1024
SLACK = 100 * MIB
"""What the tap takes beside what it holds of a feed."""


def peak_memory(process: subprocess.Popen[bytes]) -> int:
    """Return the peak resident memory of a process so far, in bytes.

    Raises:
        ProcessLookupError: It has ended, so that nothing is known of its memory.
    """
    status = Path(f"/proc/{process.pid}/status").read_text()
    for line in status.splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError


def run_for_peak(directory: Path, config: Mapping[str, Any]) -> int:
    """Run the tap to its end; return its peak memory while it wrote, in bytes.

    It has to write more than two pipes hold, so that it waits to be measured.
    """
    measured = 0
    with start_tap(directory, config) as tap:
        assert isinstance(tap.stdout, io.BufferedReader)
        assert tap.stderr is not None
        # One read takes what the pipe has, and not more.
        while tap.stdout.read1(MIB):
            # It may have ended since.
            with contextlib.suppress(ProcessLookupError):
                measured = peak_memory(tap)
        assert tap.wait(60) == 0, tap.stderr.read().decode()
    assert measured
    return measured
