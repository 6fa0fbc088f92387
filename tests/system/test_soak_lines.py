"""Minutes of `python -m tests.soak.lines`: lines that die or are replaced."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.soak.lines import MODES, soak

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("transport", ["websockets", "picows"])
@pytest.mark.parametrize("name", MODES)
def test_nothing_is_lost_or_doubled(name: str, transport: str, tmp_path: Path) -> None:
    mode = MODES[name]
    # Long enough for the target to stall, and for each of three ways to refuse.
    seconds = max(15 if mode.pads else 6, 4.5 * (mode.shuts_until or 0))
    report = asyncio.run(soak(mode, transport, f"{name}/1", seconds, tmp_path))
    assert not report.problems
    assert report.connections >= 3
