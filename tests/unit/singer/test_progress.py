"""The live line of a terminal."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from tap_websocket.counts import Counts
from tap_websocket.singer.progress import Progress

if TYPE_CHECKING:
    import pytest


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_records_reconnects_and_the_idle_clock() -> None:
    terminal = Terminal()
    counts = Counts(reconnects=2)
    with Progress(counts, file=terminal, idle_seconds=lambda: 7.4) as progress:
        progress.update(1500)
        progress.update()
        shown = terminal.getvalue().rpartition("\r")[2]
    assert shown.startswith("1.50k records, ")
    assert shown.endswith(", 2 reconnects, idle 7 s")


def test_nothing_is_left_of_the_line() -> None:
    terminal = Terminal()
    with Progress(Counts(), idle_seconds=float, file=terminal) as progress:
        progress.update(1)
    *_, last, after = terminal.getvalue().split("\r")
    assert last.strip() == ""
    assert after == ""


def test_a_file_shows_nothing() -> None:
    file = io.StringIO()
    with Progress(Counts(), idle_seconds=float, file=file) as progress:
        progress.update(1)
        progress.update()
    assert file.getvalue() == ""


def test_a_process_without_stderr_shows_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    with Progress(Counts(), idle_seconds=float) as progress:
        progress.update(1)
