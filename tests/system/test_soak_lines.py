"""A minute of `python -m tests.soak.lines`: lines that die while others live."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.soak.lines import MODES, soak

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("transport", ["websockets", "picows"])
@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_lost_or_doubled(mode: str, transport: str, tmp_path: Path) -> None:
    report = asyncio.run(soak(mode, transport, f"{mode}/1", 6, tmp_path))
    assert not report.problems
    assert report.connections >= 3
