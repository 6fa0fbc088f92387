"""Regular expressions as trees, as Python's `re` parses them."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["REPEATS", "Node", "is_anchored", "parse"]

Node = tuple[Any, Any]
"""A part of an expression: what it is (its `name`), and of what."""

REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})

# The tree that `re` itself compiles; it has had this form since Python 2.
_parse: Any = importlib.import_module("re._parser").parse


def parse(pattern: str) -> tuple[list[Node], int]:
    """Return the parts of an expression behind each other, and the flags of all.

    Args:
        pattern: A regular expression that `re` compiles.
    """
    tree = _parse(pattern)
    return list(tree), tree.state.flags


def is_anchored(nodes: Sequence[Node], flags: int) -> bool:
    """Return whether a search can only begin at the beginning of the text."""
    if not nodes:
        return False
    op, value = nodes[0]
    if op.name == "SUBPATTERN":
        return is_anchored(list(value[3]), (flags | value[1]) & ~value[2])
    return op.name == "AT" and (
        value.name == "AT_BEGINNING_STRING"
        or (value.name == "AT_BEGINNING" and not flags & re.MULTILINE)
    )
