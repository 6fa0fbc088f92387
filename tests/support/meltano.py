"""Meltano as an operator starts it, in a project of `scripts.project`."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

from scripts.project import environment
from scripts.tools import tool
from tests.support.processes import start

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = ["start_meltano"]


def start_meltano(
    project: Path,
    *arguments: str,
    variables: dict[str, str] | None = None,
    **given: Any,
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Start a command of Meltano, which is over when the block is left.

    Args:
        project: Its folder.
        arguments: The command.
        variables: More for its environment.
        given: Other options of a process.
    """
    return start(
        [tool("meltano"), *arguments],
        cwd=project,
        env={**environment(), **(variables or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        **given,
    )
