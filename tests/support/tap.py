"""The tap as a user runs it: a process of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.support.processes import start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = ["COMMAND", "Run", "parse", "run_tap", "start_tap", "write_config"]

COMMAND = (sys.executable, "-m", "tap_websocket")


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run of the tap left behind."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [parse(line) for line in self.stdout.splitlines()]

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    @property
    def schemas(self) -> list[dict[str, Any]]:
        return [message["schema"] for message in self.of_type("SCHEMA")]

    @property
    def records(self) -> list[dict[str, Any]]:
        return [message["record"] for message in self.of_type("RECORD")]

    @property
    def errors(self) -> list[str]:
        return [line for line in self.stderr.splitlines() if "| ERROR" in line]

    @property
    def warnings(self) -> list[str]:
        return [line for line in self.stderr.splitlines() if "| WARNING" in line]

    @property
    def ending(self) -> str:
        """The line that says why the run ended."""
        (line,) = (text for text in self.stderr.splitlines() if "The run ended" in text)
        return line


def parse(line: bytes | str) -> Any:
    """Parse JSON with every digit."""
    return json.loads(line, parse_float=Decimal)


def write_config(directory: Path, config: Mapping[str, Any]) -> Path:
    path = directory / f"config-{len(list(directory.iterdir()))}.json"
    path.write_text(json.dumps(config))
    return path


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without settings, proxies and log levels of this machine.

    Nor is stderr unbuffered, as users' is not.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("TAP_WEBSOCKET_")
        and not name.lower().endswith("_proxy")
        and name not in {"LOGLEVEL", "PYTHONUNBUFFERED"}
    }
    return kept | dict(extra or {})


def run_tap(
    directory: Path,
    config: Mapping[str, Any] | None,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> Run:
    """Run the tap to its end."""
    options = (
        [] if config is None else ["--config", str(write_config(directory, config))]
    )
    done = subprocess.run(
        [*COMMAND, *options, *arguments],
        capture_output=True,
        env=clean_environment(env),
        cwd=directory,
        timeout=timeout,
        check=False,
    )
    return Run(done.returncode, done.stdout, done.stderr.decode())


def lose_target(tap: subprocess.Popen[bytes], within: float) -> str:
    """Let the target of a tap go away; return its log once it has ended with 1."""
    assert tap.stdout is not None
    assert tap.stderr is not None
    tap.stdout.close()
    assert tap.wait(within) == 1
    with tap.stderr:
        return tap.stderr.read().decode()


def start_tap(
    directory: Path,
    config: Mapping[str, Any],
    *arguments: str,
    env: Mapping[str, str] | None = None,
    stdout: int = subprocess.PIPE,
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Start the tap, for tests that send signals or stall its output.

    It is over when the block is left.
    """
    return start(
        [*COMMAND, "--config", str(write_config(directory, config)), *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=clean_environment(env),
        cwd=directory,
    )


def pipe(
    directory: Path,
    config: Mapping[str, Any],
    target: Sequence[str | Path],
    target_config: Mapping[str, Any],
    timeout: float = 120,
) -> tuple[Run, int, str]:
    """Run `tap | target`; return the tap's run and the target's code and stderr."""
    options = ["--config", str(write_config(directory, target_config))]
    with (
        start_tap(directory, config) as tap,
        start(
            [*target, *options],
            stdin=tap.stdout,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=directory,
        ) as consumer,
    ):
        assert tap.stdout is not None
        assert tap.stderr is not None
        tap.stdout.close()
        _, target_errors = consumer.communicate(timeout=timeout)
        errors = tap.stderr.read().decode()
        code = tap.wait(timeout=timeout)
    return Run(code, b"", errors), consumer.returncode, target_errors.decode()
