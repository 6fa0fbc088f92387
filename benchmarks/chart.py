"""A chart of the throughput, for the README.

`python chart.py OUT` draws what it reads as JSON into a PNG. An interpreter of its own
runs it, so it imports nothing of this project.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

__all__: list[str] = []

_OURS, _OTHERS, _INK, _FAINT = "#1f6feb", "#b6bec9", "#1f2328", "#59636e"
_INCHES_A_BAR = 0.36
_ROOM = 1.12
_FONT = 10.0


def draw(data: dict[str, Any], path: str) -> None:
    """Draw a bar for each contestant, the first on top.

    Args:
        data: `title`, `note`, and `rates`: name to messages a second.
        path: The PNG to write.
    """
    names = list(reversed(data["rates"]))
    rates = [data["rates"][name] for name in names]
    colors = [_OURS if name.startswith("tap") else _OTHERS for name in names]
    with mpl.rc_context({"font.size": _FONT, "text.color": _INK}):
        figure = Figure((8, 1.1 + _INCHES_A_BAR * len(names)), layout="constrained")
        axes = figure.subplots()
        bars = axes.barh(names, rates, color=colors, height=0.68)
        labels = [f"{rate / 1000:,.0f} k" for rate in rates]
        axes.bar_label(bars, labels=labels, padding=4, color=_INK)
        axes.set_xlim(0, max(rates) * _ROOM)
        axes.set_title(f"{data['title']}\n", loc="left", fontweight="bold")
        axes.text(
            0,
            1.015,
            data["note"],
            transform=axes.transAxes,
            color=_FAINT,
            fontsize=_FONT - 1,
        )
        axes.xaxis.set_visible(False)
        axes.tick_params(axis="y", length=0, labelcolor=_INK)
        axes.spines[:].set_visible(False)
        figure.savefig(path, dpi=160, facecolor="white")


if __name__ == "__main__":
    draw(json.load(sys.stdin), sys.argv[1])
