"""The parts that jsonpath-ng makes a JSONPath of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jsonpath_ng import jsonpath as ast

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["parts_of"]


def parts_of(expression: object) -> Iterator[ast.JSONPath]:
    """Yield a path and all that is in it: of filters, sort keys and operations, too."""
    if isinstance(expression, ast.JSONPath):
        yield expression
        for part in vars(expression).values():
            yield from parts_of(part)
    elif isinstance(expression, list | tuple):
        for part in expression:
            yield from parts_of(part)
