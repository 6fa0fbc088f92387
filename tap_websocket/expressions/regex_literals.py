"""Texts that are in every match of a regular expression, as far as it shows them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from tap_websocket.expressions.regex_tree import REPEATS, is_anchored, parse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_websocket.expressions.regex_tree import Node

__all__ = ["Literals", "literals_of"]


class Literals(msgspec.Struct, frozen=True):
    """What every text has in which a regular expression finds a match.

    Attributes:
        beginning: The text begins with it; empty where nothing is known.
        longest: It is somewhere in the text; empty where nothing is known.
    """

    beginning: str = ""
    longest: str = ""


def literals_of(pattern: str) -> Literals:
    """Return the texts that are in every match of a regular expression.

    Only what stands outside of groups, sets and alternatives is looked at.

    Args:
        pattern: A regular expression that `re` compiles.
    """
    nodes, flags = parse(pattern)
    anchored = is_anchored(nodes[:1], flags)
    runs = _runs(nodes[anchored:], flags)
    return Literals(runs[0] if anchored else "", max(runs, key=len))


def _runs(nodes: Iterable[Node], flags: int) -> list[str]:
    """Return the runs of plain characters, of which the first may be empty."""
    runs = [""]
    for op, value in nodes:
        if op.name == "LITERAL" and _has_one_case(chr(value), flags):
            runs[-1] += chr(value)
            continue
        if op.name in REPEATS and value[0] > 0:
            # It is there once at least; what follows may be it again.
            first, *others = _runs(value[2], flags)
            runs[-1] += first
            runs += others
        runs.append("")
    return runs


def _has_one_case(char: str, flags: int) -> bool:
    return not flags & re.IGNORECASE or char.lower() == char.upper()
