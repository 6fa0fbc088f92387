"""JSONPath: jsonpath-ng with its extensions, compiled once.

Paths of names, indices and `*` become plain look-ups, which find what the library
finds in a tenth of its time; every other path is the library's.
"""

from __future__ import annotations

import re
import warnings
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Protocol

from jsonpath_ng import jsonpath as ast
from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.ext.parser import parse

from tap_websocket.expressions.arithmetic import bound_arithmetic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["EACH", "MISSING", "Path", "Step", "compile_path"]


class _Missing:
    """The type of `MISSING`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""What `Path.first` returns where nothing matches; JSON's null is a match."""


class _Each:
    """The type of `EACH`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "EACH"


EACH: Final = _Each()
"""The step to every item of an array, in `Path.steps`."""

Step = str | int | _Each
"""A step of a plain path: a name, an index, or to every item."""


class Path(Protocol):
    """A JSONPath."""

    @property
    def steps(self) -> tuple[Step, ...] | None:
        """Return the names, indices and `EACH` that it is made of.

        None where it is made of anything else.
        """

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names that a document needs for a match, as far as is known."""

    def find(self, document: Any) -> list[Any]:  # noqa: ANN401 - any JSON
        """Return the values of all matches, in order."""

    def first(self, document: Any) -> Any:  # noqa: ANN401 - any JSON
        """Return the value of the first match, or `MISSING`."""

    def update(self, document: Any, new: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - any JSON
        """Replace the value of each match in place.

        Args:
            document: A parsed document; it is changed.
            new: Returns the new value for an old one.

        Returns:
            The document, or what replaces it where the path is `$`.
        """


def compile_path(text: str) -> Path:
    """Compile a JSONPath.

    Raises:
        ValueError: When it is none; the message says where, and how to write one.
    """
    parts = _alternatives(text)
    if len(parts) > 1:
        return _Union([compile_path(part) for part in parts])
    expression = _parse(text)
    steps = _plain_steps(expression)
    if steps is None:
        return _LibraryPath(expression, filters="?" in text)
    if all(isinstance(step, _Keys) and len(step.keys) == 1 for step in steps):
        return _Lookup(steps)
    return _PlainPath(steps)


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


def _parse(text: str) -> ast.JSONPath:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)
            expression = parse(text)
            bound_arithmetic(expression)
            return expression
    except (JSONPathError, DeprecationWarning, re.error, *_STUMBLES) as error:
        msg = (
            f"{text!r} is not a JSONPath ({error}); write it like $.data[*].price, "
            "and a name with other characters like $['a b']"
        )
        raise ValueError(msg) from error


class _Keys:
    """The step to one or more names of an object, or indices of an array."""

    __slots__ = ("keys", "kind")

    def __init__(
        self,
        kind: type[dict[str, Any] | list[Any]],
        keys: tuple[str | int, ...],
    ) -> None:
        self.kind = kind
        self.keys = keys

    def of(self, value: Any) -> Iterable[Any]:  # noqa: ANN401 - any JSON
        """Return the keys of a value to step to."""
        if not isinstance(value, self.kind):
            return ()
        there = value if isinstance(value, dict) else range(-len(value), len(value))
        return [key for key in self.keys if key in there]

    def descend(self, values: list[Any]) -> list[Any]:
        """Return the values that the step leads to."""
        if self.kind is dict and len(self.keys) == 1:
            key = self.keys[0]
            return [v[key] for v in values if isinstance(v, dict) and key in v]
        return [value[key] for value in values for key in self.of(value)]


class _Wildcard:
    """The step to every value of an object or array."""

    __slots__ = ()

    def of(self, value: Any) -> Iterable[Any]:  # noqa: ANN401 - any JSON
        """Return the keys of a value to step to."""
        if isinstance(value, dict):
            return list(value)
        return range(len(value)) if isinstance(value, list) else ()

    def descend(self, values: list[Any]) -> list[Any]:
        """Return the values that the step leads to."""
        found: list[Any] = []
        for value in values:
            if isinstance(value, list):
                found += value
            elif isinstance(value, dict):
                found += value.values()
        return found


_Step = _Keys | _Wildcard


def _plain_steps(expression: ast.JSONPath) -> tuple[_Step, ...] | None:
    """Return the steps of a path that needs no library, else None."""
    match expression:
        case ast.Root():
            return ()
        case ast.Child(left=left, right=right) if not isinstance(right, ast.Root):
            before, after = _plain_steps(left), _plain_steps(right)
            return None if before is None or after is None else before + after
        case ast.Fields(fields=names):
            return (_Keys(dict, tuple(names)),)
        case ast.Index(indices=indices):
            return (_Keys(list, tuple(indices)),)
        case ast.Wildcard():
            return (_Wildcard(),)
    return None


class _PlainPath:
    """A path of names, indices and `*`."""

    def __init__(self, steps: tuple[_Step, ...]) -> None:
        self._steps = steps
        self.steps = _simple(steps)
        self.names = tuple(
            step.keys[0]
            for step in steps
            if isinstance(step, _Keys) and len(step.keys) == 1
            if isinstance(step.keys[0], str)
        )

    def find(self, document: Any) -> list[Any]:  # noqa: ANN401 - any JSON
        """Return the values of all matches, in order."""
        return _descend([document], self._steps)

    def first(self, document: Any) -> Any:  # noqa: ANN401 - any JSON
        """Return the value of the first match, or `MISSING`."""
        return next(iter(self.find(document)), MISSING)

    def update(self, document: Any, new: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - any JSON
        """Replace the value of each match in place."""
        if not self._steps:
            return new(document)
        *before, last = self._steps
        for container in _descend([document], before):
            for key in last.of(container):
                container[key] = new(container[key])
        return document


def _simple(steps: Iterable[_Step]) -> tuple[Step, ...] | None:
    """Return single names and indices, and steps to all; None where others are."""
    found: list[Step] = []
    for step in steps:
        if isinstance(step, _Wildcard):
            found.append(EACH)
        elif len(step.keys) == 1:
            found.append(step.keys[0])
        else:
            return None
    return tuple(found)


def _descend(values: list[Any], steps: Iterable[_Step]) -> list[Any]:
    for step in steps:
        values = step.descend(values)
    return values


class _Lookup(_PlainPath):
    """A path of single names and indices, which matches once at most."""

    def __init__(self, steps: tuple[_Step, ...]) -> None:
        super().__init__(steps)
        self._chain: list[tuple[type[Any], Any]] = [
            (step.kind, step.keys[0]) for step in steps if isinstance(step, _Keys)
        ]

    def find(self, document: Any) -> list[Any]:  # noqa: ANN401 - any JSON
        """Return the value of the match, if there is one."""
        value = self.first(document)
        return [] if value is MISSING else [value]

    def first(self, document: Any) -> Any:  # noqa: ANN401 - any JSON
        """Return the value of the match, or `MISSING`."""
        value = document
        try:
            for kind, key in self._chain:
                if not isinstance(value, kind):
                    return MISSING
                value = value[key]
        except LookupError:
            return MISSING
        return value


class _Union:
    """Several paths, whose matches follow each other."""

    names: tuple[str, ...] = ()
    steps: tuple[Step, ...] | None = None

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def find(self, document: Any) -> list[Any]:  # noqa: ANN401 - any JSON
        """Return the values of all matches, path by path."""
        return [value for path in self._paths for value in path.find(document)]

    def first(self, document: Any) -> Any:  # noqa: ANN401 - any JSON
        """Return the value of the first match of the first path that has one."""
        for path in self._paths:
            value = path.first(document)
            if value is not MISSING:
                return value
        return MISSING

    def update(self, document: Any, new: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - any JSON
        """Replace the value of each match in place."""
        for path in self._paths:
            document = path.update(document, new)
        return document


class _LibraryPath:
    """A path that needs the library: slices, filters, descendants, operators."""

    names: tuple[str, ...] = ()
    steps: tuple[Step, ...] | None = None

    def __init__(self, expression: ast.JSONPath, *, filters: bool) -> None:
        self._expression = expression
        self._filters = filters

    def find(self, document: Any) -> list[Any]:  # noqa: ANN401 - any JSON
        """Return the values of all matches, in order."""
        try:
            if self._filters:
                matches = self._expression.find(_floats(document))
                return [_exact(match.value) for match in matches]
            return [match.value for match in self._expression.find(document)]
        except _STUMBLES:
            return []

    def first(self, document: Any) -> Any:  # noqa: ANN401 - any JSON
        """Return the value of the first match, or `MISSING`."""
        return next(iter(self.find(document)), MISSING)

    def update(self, document: Any, new: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - any JSON
        """Replace the value of each match in place; computed values have no place."""
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


class _Float(float):
    """A number that the library's filters can compare, beside its every digit."""

    exact: Decimal


def _floats(value: Any) -> Any:  # noqa: ANN401 - any JSON
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


def _exact(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a copy with every digit again."""
    if isinstance(value, dict):
        return {name: _exact(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_exact(item) for item in value]
    return value.exact if isinstance(value, _Float) else value
