"""The shape of a message: where its values stand, for others that are built alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_websocket.expressions.path import Step

    Opens = Callable[[Sequence[Step]], bool]
    """Returns whether a string at the end of a path is parsed in place."""

__all__ = ["MAX_BYTES", "Kind", "Opens", "Shape", "Value", "shape_of"]

Kind = Literal["string", "integer", "decimal", "boolean", "null", "object", "array"]
"""What a value is; numbers are told apart by how they are written."""

MAX_BYTES = 16 * 1024
"""A longer text has no shape."""

_MAX_VALUES = 256
"""Each takes part of a millisecond where a shape is compiled."""

_MAX_LEVELS = 16

_TOKEN = re.compile(
    rb'[ \t]*+(?:("[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+")'
    rb"|(-?[0-9]++)(\.[0-9]++)?+([eE][-+]?[0-9]++)?+"
    rb"|(true|false)|(null)|([{}\[\],:]))",
)
_TOKEN_INSIDE = re.compile(
    rb'(?: |\\[nrt])*+(?:(\\"[^"\\\x00-\x1f]*+\\")'
    rb"|(-?[0-9]++)(\.[0-9]++)?+([eE][-+]?[0-9]++)?+"
    rb"|(true|false)|(null)|([{}\[\],:]))",
)
"""The same of JSON inside of a string."""

_HOLDS_JSON = re.compile(rb'\\?"(?: |\\[nrt])*+[{\[]')
"""The beginning of a string that holds an object or array, if it holds JSON."""

_SPACE = re.compile(rb"[ \t]*+")
_SPACE_INSIDE = re.compile(rb"(?: |\\[nrt])*+")

_text = msgspec.json.Decoder(str).decode


class Value(msgspec.Struct, frozen=True, gc=False):
    """A value in a text.

    Attributes:
        path: Names and indices that lead to it.
        kind: What it is.
        key_at: Where its name begins, or itself where it has none.
        start: Where it begins.
        end: Where it ends.
        is_inside: It stands inside of a string that is parsed in place.
        may_open: It would be parsed in place if it were a string that holds JSON.
    """

    path: tuple[Step, ...]
    kind: Kind
    key_at: int
    start: int
    end: int
    is_inside: bool = False
    may_open: bool = False


class Shape:
    """A text and the values in it.

    Args:
        text: JSON values on one line.
        values: All of its values; those inside of another stand in front of it.
        packed: Where the strings begin and end that are parsed in place.

    Attributes:
        text: As above.
        leaves: The values that have none inside of them, in the order of the text;
            empty objects and arrays are none.
    """

    def __init__(
        self,
        text: bytes,
        values: Sequence[Value],
        packed: Sequence[tuple[int, int]] = (),
    ) -> None:
        self.text = text
        self._values = values
        self._packed = packed
        self.leaves = [v for v in values if v.kind not in {"object", "array"}]

    def sent(self, index: int) -> bytes:
        """Return a leaf as it stands in the text."""
        leaf = self.leaves[index]
        return self.text[leaf.start : leaf.end]

    def token(self, index: int) -> bytes:
        """Return the text of a leaf; that of one inside of a string is unescaped."""
        sent = self.sent(index)
        return sent.replace(b"\\", b"") if self.leaves[index].is_inside else sent

    def before(self, index: int) -> bytes:
        """Return the text between a leaf and the one before it, or the text's end."""
        start = self.leaves[index - 1].end if index else 0
        end = self.leaves[index].start if index < len(self.leaves) else len(self.text)
        return self.text[start:end]

    def written(self, tokens: Sequence[bytes]) -> bytes:
        """Return the text with other leaves, and with what is parsed in place.

        Args:
            tokens: The leaves. They have no escapes where they are inside of a string.
        """
        parts, at = [], 0
        for start, end in self._packed:
            parts.append(self._filled(at, start, tokens))
            parts.append(_text(self._filled(start, end, tokens)).encode())
            at = end
        parts.append(self._filled(at, len(self.text), tokens))
        return b"".join(parts)

    def _filled(self, begin: int, end: int, tokens: Sequence[bytes]) -> bytes:
        """Return a part of the text with other leaves."""
        parts, at = [], begin
        for leaf, token in zip(self.leaves, tokens, strict=True):
            if begin <= leaf.start < end:
                parts.append(self.text[at : leaf.start])
                parts.append(token.replace(b'"', b'\\"') if leaf.is_inside else token)
                at = leaf.end
        parts.append(self.text[at:end])
        return b"".join(parts)

    def items(self, path: tuple[Step, ...]) -> list[Value]:
        """Return the items of the array at a path, in order."""
        return [
            value
            for value in self._values
            if value.path[:-1] == path
            and len(value.path) > len(path)
            and isinstance(value.path[-1], int)
        ]

    def members(self) -> list[tuple[str, Value]]:
        """Return the members of the text, where it is an object, by their names."""
        return [
            (value.path[0], value)
            for value in self._values
            if len(value.path) == 1 and isinstance(value.path[0], str)
        ]


def shape_of(
    text: bytes, separator: bytes | None = None, opens: Opens | None = None
) -> Shape | None:
    """Return the shape of a text; None where it is no case for one.

    That is a text of many values or levels, with names that are written with escapes
    or stand twice, with line breaks, or one that is not JSON.

    Args:
        text: One JSON value.
        separator: The text is several of them, with this in between; paths begin with
            their index then.
        opens: Says which strings are parsed in place, by the paths in their value. They
            have no escapes but for quotes and white space.
    """
    if len(text) > MAX_BYTES:
        return None
    scanner = _Scanner(text, separator, opens)
    try:
        if separator is None:
            scanner.value((), scanner.at)
        else:
            scanner.separated(separator)
    except _NoShapeError:
        return None
    if not scanner.is_at_end:
        return None
    return Shape(text, scanner.values, scanner.packed)


class _NoShapeError(Exception):
    """A text has no shape."""


class _Scanner:
    """Finds the values in a text."""

    def __init__(
        self, text: bytes, separator: bytes | None, opens: Opens | None
    ) -> None:
        self.values: list[Value] = []
        self.packed: list[tuple[int, int]] = []
        self.at = 0
        self._text = text
        self._opens = opens
        # Steps that lead from the text to one of its values.
        self._outside = 0 if separator is None else 1
        # It is inside of a string that is parsed in place.
        self._is_inside = False
        self._token = _TOKEN

    @property
    def is_at_end(self) -> bool:
        return _SPACE.fullmatch(self._text, self.at) is not None

    def _next(self) -> re.Match[bytes]:
        found = self._token.match(self._text, self.at)
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
        found = self._token.match(self._text, self.at)
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
            self.at += more * len(separator)

    def value(self, path: tuple[Step, ...], key_at: int) -> None:
        """Take the next value with all that is inside of it."""
        if len(path) > _MAX_LEVELS:
            raise _NoShapeError
        found = self._next()
        start = found.start(found.lastindex or 0)
        if found[2] is not None:
            start = found.start(2)
        kind: Kind
        may_open = self._opens is not None and self._opens(path[self._outside :])
        if found[7] == b"{":
            kind = "object"
            self._object(path)
        elif found[7] == b"[":
            kind = "array"
            self._array(path)
        elif found[1] is not None:
            kind = "string"
            if may_open and _HOLDS_JSON.match(found[1]):
                self._open(start, path)
                return
        elif found[2] is not None:
            kind = "integer" if found[3] is None and found[4] is None else "decimal"
        elif found[5] is not None:
            kind = "boolean"
        elif found[6] is not None:
            kind = "null"
        else:
            raise _NoShapeError
        begin = start if key_at < 0 else key_at
        self.values.append(
            Value(path, kind, begin, start, self.at, self._is_inside, may_open)
        )

    def _open(self, start: int, path: tuple[Step, ...]) -> None:
        """Take the value that a string holds."""
        if self._is_inside:
            raise _NoShapeError
        self.at = start + 1
        self._is_inside, self._token = True, _TOKEN_INSIDE
        self.value(path, -1)
        self._is_inside, self._token = False, _TOKEN
        end = _SPACE_INSIDE.match(self._text, self.at)
        self.at = self.at if end is None else end.end()
        if not self._text.startswith(b'"', self.at):
            raise _NoShapeError
        self.at += 1
        self.packed.append((start, self.at))

    def _object(self, path: tuple[Step, ...]) -> None:
        names: set[str] = set()
        more = not self._sees(b"}")
        while more:
            found = self._next()
            if found[1] is None:
                raise _NoShapeError
            key = found[1][2:-2] if self._is_inside else found[1][1:-1]
            if b"\\" in key:
                raise _NoShapeError
            try:
                name = key.decode()
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
