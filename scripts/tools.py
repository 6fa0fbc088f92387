"""Make virtual environments for the real tools that the tests and the demo run.

Meltano and the targets need other versions of the tap's own dependencies, so each
lives in `.tools/NAME`. `python scripts/tools.py NAME…` makes what is missing.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TOOLS", "provide", "tool"]

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".tools"

TOOLS: dict[str, tuple[str, ...]] = {
    "meltano": ("meltano~=4.4",),
    "target-jsonl": ("target-jsonl~=0.1.4", "setuptools<81"),
    "target-postgres": ("meltanolabs-target-postgres~=0.8.1",),
    # Newer DuckDBs take the first row of this target's files for a header.
    "target-duckdb": ("target-duckdb~=0.8.0", "duckdb~=1.0.0"),
    "airflow": ("apache-airflow~=3.3",),
    "kubernetes-validate": ("kubernetes-validate~=1.37",),
    "target-csv": ("meltanolabs-target-csv~=0.5.0",),
    "pipelinewise-target-postgres": ("pipelinewise-target-postgres~=2.1",),
    # Draws the benchmark's chart; the tap would start slower beside its numpy.
    "matplotlib": ("matplotlib~=3.11",),
}
"""Name of the tool to what has to be installed for it."""

_COMMANDS = {"pipelinewise-target-postgres": "target-postgres"}
"""Name of the tool to that of its command, where it is another one."""


def tool(name: str) -> Path:
    """Return the path of a tool's command, installed first where it is missing.

    Args:
        name: One of `TOOLS`.

    Raises:
        subprocess.CalledProcessError: When it cannot be installed.
    """
    environment = provide(
        name,
        "\n".join(TOOLS[name]),
        lambda folder: _install(folder, TOOLS[name]),
    )
    return environment / "bin" / _COMMANDS.get(name, name)


def provide(name: str, wanted: str, install: Callable[[Path], None]) -> Path:
    """Return a folder of `.tools`, made first where it is missing or has other things.

    Args:
        name: Of the folder.
        wanted: Names what is in it.
        install: Puts it there.
    """
    folder = HOME / name
    stamp = folder / "installed"
    HOME.mkdir(exist_ok=True)
    with (HOME / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            install(folder)
            stamp.write_text(wanted)
    return folder


def _install(environment: Path, packages: tuple[str, ...]) -> None:
    uv = Path(sys.executable).parent / "uv"
    settings = {
        **os.environ,
        "UV_COMPILE_BYTECODE": "1",
        "UV_NO_PROGRESS": "1",
        "UV_NATIVE_TLS": "1",
    }
    commands: list[list[str | Path]] = [
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, environment],
        [uv, "pip", "install", "--quiet", "--python", environment, *packages],
    ]
    for command in commands:
        subprocess.run(command, check=True, env=settings)


if __name__ == "__main__":
    for wanted_name in sys.argv[1:]:
        tool(wanted_name)
