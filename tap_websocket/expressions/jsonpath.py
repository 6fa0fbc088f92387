"""JSONPath: jsonpath-ng with its extensions, compiled once.

What is no plain path (see `plain_paths`) is followed by the library.
"""

from __future__ import annotations

import re
import warnings
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from jsonpath_ng import jsonpath as ast
from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.ext.filter import Filter
from jsonpath_ng.ext.parser import parse

from tap_websocket.expressions.arithmetic import bound_arithmetic
from tap_websocket.expressions.path import MISSING
from tap_websocket.expressions.path_searches import bound_searches
from tap_websocket.expressions.plain_paths import plain_path
from tap_websocket.largejson.values import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_websocket.expressions.path import Path, Step
    from tap_websocket.expressions.path_searches import Searches
    from tap_websocket.jsontext import JsonValue

__all__ = ["compile_path"]


def compile_path(text: str) -> Path:
    """Compile a JSONPath.

    Raises:
        ValueError: When it is none; the message says where, and how to write one.
    """
    parts = _alternatives(text)
    if len(parts) > 1:
        return _Union([compile_path(part) for part in parts])
    expression, searches = _parse(text)
    plain = plain_path(expression)
    return plain or _LibraryPath(expression, text, searches)


def _alternatives(text: str) -> list[str]:
    """Return the paths that a text joins with `|`.

    The library's own `|` binds closer than a dot, so that `$.a | $.b` finds nothing
    of what it says; and it warns that it will be removed (jsonpath-ng 1.16).

    Raises:
        ValueError: When one of several paths does not begin with `$`.
    """
    parts = [""]
    depth = 0
    for piece in _TOKEN.findall(text):
        depth += (piece in "[(") - (piece in "])")
        if piece == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += piece
    parts = [part.strip() for part in parts]
    if len(parts) > 1 and not all(part.startswith("$") for part in parts):
        msg = (
            f"{text!r} is not a JSONPath: | joins whole paths, each of which begins "
            "with $, like $.price | $.last.price"
        )
        raise ValueError(msg)
    return parts


_TOKEN = re.compile(
    r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|.""",
    re.DOTALL,
)
"""A string, or one character."""


_STUMBLES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What the library's extensions raise at values that they were not made for."""


def _parse(text: str) -> tuple[ast.JSONPath, Searches]:
    """Return a path as the library parses it, bounded, and what searches in it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            expression = parse(text)
            bound_arithmetic(expression)
            return expression, bound_searches(expression)
    except (JSONPathError, DeprecationWarning, re.error, *_STUMBLES) as error:
        msg = (
            f"{text!r} is not a JSONPath ({error}); write it like $.data[*].price, "
            "and a name with other characters like $['a b']"
        )
        raise ValueError(msg) from error


class _Union:
    """Several paths, whose matches follow each other."""

    names: tuple[str, ...] = ()
    steps: tuple[Step, ...] | None = None
    each: tuple[Step, ...] | None = None

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        steps = [path.steps for path in paths]
        known = tuple(way for way in steps if way is not None)
        self.ways = known if len(known) == len(steps) else None
        self.at_once = min(path.at_once for path in paths)

    def find(self, document: JsonValue) -> list[Any]:
        """Return the values of all matches, path by path."""
        return [value for path in self._paths for value in path.find(document)]

    def first(self, document: JsonValue) -> JsonValue:
        """Return the value of the first match of the first path that has one."""
        for path in self._paths:
            value = path.first(document)
            if value is not MISSING:
                return value
        return MISSING

    def update(self, document: JsonValue, new: Callable[[Any], Any]) -> JsonValue:
        """Replace the value of each match in place."""
        for path in self._paths:
            document = path.update(document, new)
        return document


class _LibraryPath:
    """A path that needs the library: slices, filters, descendants, operators."""

    names: tuple[str, ...] = ()
    steps: tuple[Step, ...] | None = None
    ways: tuple[tuple[Step, ...], ...] | None = None

    def __init__(self, expression: ast.JSONPath, text: str, searches: Searches) -> None:
        self.at_once, self._budget = searches
        self._expression = expression
        self._filters = "?" in text
        # A filter may look at the whole document.
        self.each = None if "$" in text[1:] else _way_to_each(expression)

    def find(self, document: JsonValue) -> list[Any]:
        """Return the values of all matches, in order."""
        document = plain(document)
        self._budget.seconds = 0.0
        try:
            if self._filters:
                matches = self._expression.find(_floats(document))
                return [_exact(match.value) for match in matches]
            return [match.value for match in self._expression.find(document)]
        except _STUMBLES:
            return []

    def first(self, document: JsonValue) -> JsonValue:
        """Return the value of the first match, or `MISSING`."""
        return next(iter(self.find(document)), MISSING)

    def update(self, document: JsonValue, new: Callable[[Any], Any]) -> JsonValue:
        """Replace the value of each match in place; computed values have no place."""
        document = plain(document)
        self._budget.seconds = 0.0
        try:
            matches = list(self._expression.find(document))
        except _STUMBLES:
            return document
        for match in matches:
            if match.context is None:
                if isinstance(match.path, ast.Root):
                    return new(document)
            elif isinstance(match.path, ast.Fields):
                match.context.value[match.path.fields[0]] = new(match.value)
            elif isinstance(match.path, ast.Index):
                match.context.value[match.path.indices[0]] = new(match.value)
        return document


def _way_to_each(expression: ast.JSONPath) -> tuple[Step, ...] | None:
    """Return the way to the array whose items are each followed alone (`Path.each`)."""
    parts: list[ast.JSONPath] = []
    while isinstance(expression, ast.Child):
        parts.append(expression.right)
        expression = expression.left
    if not isinstance(expression, ast.Root):
        return None
    steps: list[Step] = []
    while parts:
        match parts.pop():
            case ast.Fields(fields=(str(name),)) if name != "*":
                steps.append(name)
            case ast.Index(indices=(int(index),)):
                steps.append(index)
            case ast.Wildcard() | Filter():
                return tuple(steps) if all(map(_is_local, parts)) else None
            case _:
                return None
    return None


def _is_local(part: ast.JSONPath) -> bool:
    """Return whether a step looks at the value in front of it alone."""
    return isinstance(part, ast.Fields | ast.Index | ast.Slice | ast.Wildcard | Filter)


class _Float(float):
    """A number that the library's filters can compare, beside its every digit."""

    exact: Decimal


def _floats(value: JsonValue) -> JsonValue:
    """Return a copy without `Decimal`, which the library does not hold for numbers."""
    if isinstance(value, dict):
        return {name: _floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_floats(item) for item in value]
    if isinstance(value, Decimal):
        number = _Float(value)
        number.exact = value
        return number
    return value


def _exact(value: JsonValue) -> JsonValue:
    """Return a copy with every digit again."""
    if isinstance(value, dict):
        return {name: _exact(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    return value.exact if isinstance(value, _Float) else value
