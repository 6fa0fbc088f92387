"""Regular expressions inside of JSONPaths, extensions of jsonpath-ng, within bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from jsonpath_ng import jsonpath as ast
from jsonpath_ng.ext.filter import Expression
from jsonpath_ng.ext.string import Sub

from tap_websocket.expressions.path_parts import parts_of
from tap_websocket.expressions.search import ANY_LENGTH, Budget, Search

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Searches", "bound_searches"]


class Searches(NamedTuple):
    """The regular expressions inside of a path.

    Attributes:
        at_once: Characters of a text that they search within milliseconds.
        budget: What they may take in one document.
    """

    at_once: int
    budget: Budget


def bound_searches(expression: ast.JSONPath) -> Searches:
    """Bound the time of every regular expression inside of a path.

    Raises:
        ValueError: When one of them is none; the message says where.
    """
    budget = Budget()
    searches = _bounded(expression, budget)
    at_once = min((search.at_once for search in searches), default=ANY_LENGTH)
    return Searches(at_once, budget)


def _bounded(expression: ast.JSONPath, budget: Budget) -> Iterator[Search]:
    for part in list(parts_of(expression)):
        if isinstance(part, Expression) and part.op == "=~":
            # Behind any other value than a text nothing is found.
            if isinstance(part.value, str):
                search = Search(part.value, "=~", budget)
                part.target = ast.Child(part.target, _Found(search))
                part.op = part.value = None
                yield search
        elif isinstance(part, Sub):
            search = Search(part.expr, "sub", budget)
            search.check_replacement(part.repl)
            # The library calls nothing of it but `sub` (jsonpath-ng 1.16).
            part.regex = cast("Any", search)
            yield search


class _Found(ast.This):
    """The step from a text to itself, where a regular expression finds a match."""

    def __init__(self, search: Search) -> None:
        self._search = search

    def find(self, datum: Any) -> list[Any]:  # noqa: ANN401 - the library's `DatumInContext`
        """Return the text, if there is a match.

        Raises:
            ParseError: When the search takes too long.
        """
        value = datum.value
        return [datum] if isinstance(value, str) and self._search.finds(value) else []
