"""A chart of the throughput, for the README."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.throughput import Results

__all__ = ["draw"]

_OURS, _OTHERS, _INK, _FAINT = "#1f6feb", "#b6bec9", "#1f2328", "#59636e"
_LEFT_OUT = ("/dev/null", "raw")
"""Not into a file, or with no look at what is copied."""
_INCHES_A_BAR = 0.36
_ROOM = 1.12
_FONT = 10.0


def draw(results: Results, *, count: int, size: int, path: Path) -> None:
    """Draw a bar for each contestant, the fastest on top.

    Args:
        results: What was measured.
        count: Number of messages.
        size: Bytes of a message.
        path: The PNG to write.
    """
    names = [
        name
        for name in reversed(results.names)
        if not any(part in name for part in _LEFT_OUT)
    ]
    rates = [results.median(name, lambda sample: sample.rate) or 0 for name in names]
    colors = [_OURS if name.startswith("tap") else _OTHERS for name in names]
    with mpl.rc_context({"font.size": _FONT, "text.color": _INK}):
        figure = Figure((8, 1.1 + _INCHES_A_BAR * len(names)), layout="constrained")
        axes = figure.subplots()
        bars = axes.barh(names, rates, color=colors, height=0.68)
        labels = [f"{rate / 1000:,.0f} k" for rate in rates]
        axes.bar_label(bars, labels=labels, padding=4, color=_INK)
        axes.set_xlim(0, max(rates) * _ROOM)
        axes.set_title(
            "Messages a second, from one WebSocket into a file\n",
            loc="left",
            fontweight="bold",
        )
        axes.text(
            0,
            1.015,
            f"{count:,} JSON messages of {size} bytes; the process's start is included",
            transform=axes.transAxes,
            color=_FAINT,
            fontsize=_FONT - 1,
        )
        axes.xaxis.set_visible(False)
        axes.tick_params(axis="y", length=0, labelcolor=_INK)
        axes.spines[:].set_visible(False)
        figure.savefig(path, dpi=160, facecolor="white")
