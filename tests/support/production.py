"""What docs/production.md tells operators to do, for tests that do it."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.tools import ROOT, tool
from tests.support.tap import clean_environment

if TYPE_CHECKING:
    from tests.support.servers import Peer

__all__ = ["PAGE", "Numbers", "blocks", "commands"]

PAGE = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def commands(directory: Path, *names: str) -> dict[str, str]:
    """An environment in which the page's commands are found."""
    folder = directory / "bin"
    folder.mkdir()
    (folder / "tap-websocket").symlink_to(Path(sys.executable).parent / "tap-websocket")
    for name in names:
        (folder / name).symlink_to(tool(name))
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return clean_environment({"PATH": path})


class Numbers:
    """A feed of one number every 20 ms, the same to everybody who listens."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self.connections = 0
        self.second_began = 0

    def current(self) -> int:
        return int((time.monotonic() - self._start) * 50)

    async def __call__(self, peer: Peer) -> None:
        self.connections += 1
        if self.connections > 1:
            self.second_began = self.current()
        try:
            for number in itertools.count(self.current()):
                while self.current() < number:
                    await asyncio.sleep(0.005)
                await peer.send(json.dumps({"trade_id": number, "price": number / 8}))
        finally:
            self.connections -= 1
