"""The shape of a message: where its values stand, for others that are built alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_websocket.expressions.path import Step

__all__ = ["Kind", "Shape", "Value", "shape_of"]

Kind = Literal["string", "integer", "decimal", "boolean", "null", "object", "array"]
"""What a value is; numbers are told apart by how they are written."""

_MAX_BYTES = 16 * 1024
_MAX_VALUES = 256
"""Each takes part of a millisecond where a shape is compiled."""

_MAX_LEVELS = 16

_TOKEN = re.compile(
    rb'[ \t]*+(?:("[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+")'
    rb"|(-?[0-9]++)(\.[0-9]++)?+([eE][-+]?[0-9]++)?+"
    rb"|(true|false)|(null)|([{}\[\],:]))",
)
_SPACE = re.compile(rb"[ \t]*+")


class Value(msgspec.Struct, frozen=True, gc=False):
    """A value in a text.

    Attributes:
        path: Names and indices that lead to it.
        kind: What it is.
        key_at: Where its name begins, or itself where it has none.
        start: Where it begins.
        end: Where it ends.
    """

    path: tuple[Step, ...]
    kind: Kind
    key_at: int
    start: int
    end: int


class Shape:
    """A text and the values in it.

    Args:
        text: JSON values on one line.
        values: All of its values; those inside of another stand in front of it.

    Attributes:
        text: As above.
        values: As above.
        leaves: The values that have none inside of them, in the order of the text;
            empty objects and arrays are none.
    """

    def __init__(self, text: bytes, values: Sequence[Value]) -> None:
        self.text = text
        self.values = values
        self.leaves = [v for v in values if v.kind not in {"object", "array"}]

    def token(self, index: int) -> bytes:
        """Return the text of a leaf."""
        leaf = self.leaves[index]
        return self.text[leaf.start : leaf.end]

    def before(self, index: int) -> bytes:
        """Return the text between a leaf and the one before it, or the text's end."""
        start = self.leaves[index - 1].end if index else 0
        end = self.leaves[index].start if index < len(self.leaves) else len(self.text)
        return self.text[start:end]

    def written(self, tokens: Sequence[bytes]) -> bytes:
        """Return the text with other leaves."""
        parts = [self.before(0)]
        for index, token in enumerate(tokens):
            parts += token, self.before(index + 1)
        return b"".join(parts)

    def members(self) -> list[tuple[str, Value]]:
        """Return the members of the text, where it is an object, by their names."""
        return [
            (value.path[0], value)
            for value in self.values
            if len(value.path) == 1 and isinstance(value.path[0], str)
        ]


def shape_of(text: bytes, separator: bytes | None = None) -> Shape | None:
    """Return the shape of a text; None where it is no case for one.

    That is a text of many values or levels, with names that are written with escapes
    or stand twice, with line breaks, or one that is not JSON.

    Args:
        text: One JSON value.
        separator: The text is several of them, with this in between, and perhaps at the
            end; paths begin with their index then.
    """
    if len(text) > _MAX_BYTES:
        return None
    scanner = _Scanner(text)
    try:
        if separator is None:
            scanner.value((), scanner.at)
        else:
            scanner.separated(separator)
    except _NoShapeError:
        return None
    return Shape(text, scanner.values) if scanner.is_at_end else None


class _NoShapeError(Exception):
    """A text has no shape."""


class _Scanner:
    """Finds the values in a text."""

    def __init__(self, text: bytes) -> None:
        self.values: list[Value] = []
        self.at = 0
        self._text = text

    @property
    def is_at_end(self) -> bool:
        return _SPACE.fullmatch(self._text, self.at) is not None

    def _next(self) -> re.Match[bytes]:
        found = _TOKEN.match(self._text, self.at)
        if found is None or len(self.values) > _MAX_VALUES:
            raise _NoShapeError
        self.at = found.end()
        return found

    def _mark(self, *wanted: bytes) -> bytes:
        """Return the next token, which is one of some marks."""
        mark = self._next()[7]
        if mark not in wanted:
            raise _NoShapeError
        return mark

    def _sees(self, mark: bytes) -> bool:
        """Take a mark if it is the next token, and return whether it was."""
        found = _TOKEN.match(self._text, self.at)
        if found is None or found[7] != mark:
            return False
        self.at = found.end()
        return True

    def separated(self, separator: bytes) -> None:
        """Take values that are separated by more than white space."""
        index, more = 0, True
        while more:
            self.value((index,), self.at)
            index += 1
            more = self._text.startswith(separator, self.at)
            if more:
                self.at += len(separator)
                more = not self.is_at_end

    def value(self, path: tuple[Step, ...], key_at: int) -> None:
        """Take the next value with all that is inside of it."""
        if len(path) > _MAX_LEVELS:
            raise _NoShapeError
        found = self._next()
        start = found.start(found.lastindex or 0)
        if found[2] is not None:
            start = found.start(2)
        kind: Kind
        if found[7] == b"{":
            kind = "object"
            self._object(path)
        elif found[7] == b"[":
            kind = "array"
            self._array(path)
        elif found[1] is not None:
            kind = "string"
        elif found[2] is not None:
            kind = "integer" if found[3] is None and found[4] is None else "decimal"
        elif found[5] is not None:
            kind = "boolean"
        elif found[6] is not None:
            kind = "null"
        else:
            raise _NoShapeError
        begin = start if key_at < 0 else key_at
        self.values.append(Value(path, kind, begin, start, self.at))

    def _object(self, path: tuple[Step, ...]) -> None:
        names: set[str] = set()
        more = not self._sees(b"}")
        while more:
            found = self._next()
            key = found[1]
            if key is None or b"\\" in key:
                raise _NoShapeError
            try:
                name = key[1:-1].decode()
            except UnicodeDecodeError as error:
                raise _NoShapeError from error
            if name in names:
                raise _NoShapeError
            names.add(name)
            self._mark(b":")
            self.value((*path, name), found.start(1))
            more = self._mark(b",", b"}") == b","

    def _array(self, path: tuple[Step, ...]) -> None:
        index, more = 0, not self._sees(b"]")
        while more:
            self.value((*path, index), -1)
            index += 1
            more = self._mark(b",", b"]") == b","
