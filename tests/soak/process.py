"""The tap and its target as processes, watched while they run."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.tap import COMMAND, clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Pair", "Usage"]

_SAMPLE_SECONDS = 0.2
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Usage:
    """What the tap's process used.

    Attributes:
        resident: Its memory over time, in bytes.
        peak: The most of it, in bytes.
        cpu: Seconds of CPU.
    """

    resident: list[int] = dataclasses.field(default_factory=list)
    peak: int = 0
    cpu: float = 0.0

    def sample(self, pid: int) -> None:
        """Look at the process; one that is gone is left alone."""
        with contextlib.suppress(OSError, KeyError, IndexError):
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            values = dict(line.split(":", 1) for line in lines)
            self.resident.append(int(values["VmRSS"].split()[0]) * 1024)
            self.peak = max(self.peak, int(values["VmHWM"].split()[0]) * 1024)
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            self.cpu = (int(fields[11]) + int(fields[12])) / _TICKS


@dataclasses.dataclass
class Pair:
    """A tap, and the target that reads its output."""

    tap: asyncio.subprocess.Process
    target: asyncio.subprocess.Process
    output: Path
    usage: Usage = dataclasses.field(default_factory=Usage)

    @classmethod
    async def start(
        cls,
        directory: Path,
        config: Mapping[str, Any],
        seed: str,
    ) -> Pair:
        """Start both, with a pipe between them."""
        output, settings = directory / "arrived.jsonl", directory / "config.json"
        settings.write_text(json.dumps(config))
        reading, writing = os.pipe()
        target = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.soak.target",
            output,
            seed,
            stdin=reading,
        )
        tap = await asyncio.create_subprocess_exec(
            *COMMAND,
            "--config",
            settings,
            stdout=writing,
            stderr=asyncio.subprocess.PIPE,
            env=clean_environment(),
        )
        os.close(reading)
        os.close(writing)
        return cls(tap, target, output)

    async def watch(self) -> str:
        """Sample the tap's memory until it ends; return its stderr."""
        assert self.tap.stderr is not None
        reading = asyncio.ensure_future(self.tap.stderr.read())
        while not reading.done():
            self.usage.sample(self.tap.pid)
            await asyncio.wait([reading], timeout=_SAMPLE_SECONDS)
        await self.tap.wait()
        return reading.result().decode()

    def signal(self, number: int) -> None:
        """Send the tap a signal, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            self.tap.send_signal(number)

    async def close(self) -> None:
        """End the tap, whatever it does, and wait for the target to take it all."""
        with contextlib.suppress(ProcessLookupError):
            self.tap.kill()
        with contextlib.suppress(ProcessLookupError):
            self.target.send_signal(signal.SIGCONT)
        await self.target.wait()
