"""A template on its way: where the values of a message go, and what they may be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from tap_websocket import jsontext
from tap_websocket.columns.names import RESCUED
from tap_websocket.records.templates.assembly import Assembler, NoTemplateError
from tap_websocket.records.templates.leaf_patterns import SCALARS, LeafPattern
from tap_websocket.records.templates.shape import shape_of
from tap_websocket.records.templates.template import HEAD, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_websocket.columns.columns import Columns
    from tap_websocket.expressions.path import Path, Step
    from tap_websocket.records.templates.assembly import Repeat
    from tap_websocket.records.templates.shape import Kind, Shape, Value
    from tap_websocket.records.templates.template import Piece, Template

__all__ = ["Draft", "is_markable", "marked"]

_STEM = b"@value"
_MARK = re.compile(rb'"@value([0-9]{4})@"')
_BARE_MARK = re.compile(rb"@value([0-9]{4})@")
_ESCAPED_MARK = re.compile(rb'\\"@value([0-9]{4})@\\"')

_TOKENS: Mapping[Kind, bytes] = {
    "string": b'"a"',
    "integer": b"1",
    "decimal": b"1.5",
    "boolean": b"true",
    "null": b"null",
}
_JSON_LIKE = b'"1"'

_encode = msgspec.json.Encoder().encode


def is_markable(message: bytes) -> bool:
    """Return whether no value of a message could be taken for a mark."""
    return _STEM not in message


def marked(shape: Shape) -> bytes:
    """Return the text of a shape with marks for its values."""
    return shape.written(
        [b'"%b%04d@"' % (_STEM, index) for index in range(len(shape.leaves))]
    )


class Draft:
    """A template that is being made.

    Args:
        shape: The shape of its documents.
        columns: What becomes of their records' fields.
        repeat: The item that is repeated, each time a record, if one is.
    """

    def __init__(
        self, shape: Shape, columns: Columns, repeat: Repeat | None = None
    ) -> None:
        self._shape = shape
        self._columns = columns
        self._repeat = repeat
        self._tokens = [shape.token(index) for index in range(len(shape.leaves))]
        has_escapes = any(b"\\" in token for token in self._tokens)
        self._patterns = [
            LeafPattern(
                # Quotes are written otherwise inside of a string.
                _own_kinds(leaf.kind) if leaf.is_inside else SCALARS,
                is_text=leaf.may_open,
                has_escapes=has_escapes,
                is_inside=leaf.is_inside,
            )
            for leaf in shape.leaves
        ]
        self._pinned: set[int] = set()
        # Whether each of the records has a field in `_rescued_data`.
        self._rescues: list[bool] = []

    def pin(self, compared: Iterable[tuple[Step, ...]], inside: int) -> None:
        """Make values that decide something part of the shape.

        Args:
            compared: The ways to them in a document.
            inside: Steps that lead from the message to a document.
        """
        ways = set(compared)
        for index, leaf in enumerate(self._shape.leaves):
            # What is compared is no object or array: these match nothing.
            if leaf.path[inside:] in ways:
                self._pinned.add(index)

    def pin_beside(self) -> None:
        """Make what stands behind the document strings, or part of the shape."""
        for index, leaf in enumerate(self._shape.leaves):
            if leaf.path[0] != 0:
                self._hold_leaf(index)
                if leaf.kind != "string":
                    self._pinned.add(index)

    def line(self, record: bytes) -> list[Piece]:
        """Return the pieces of a record's line.

        Args:
            record: The record, with marks for its values.

        Raises:
            NoTemplateError: When a field of it has no fate that is always the same.
        """
        shape = shape_of(record)
        if shape is None:
            raise NoTemplateError
        text = bytearray()
        aside: dict[str, Any] = {}
        end = -1
        for name, value in shape.members():
            raw = record[value.start : value.end]
            column = self._columns.kept_as(name, self._filled(raw))
            if column is not None:
                self._keep(name, raw)
                if column != name:
                    text += b",%b:%b" % (_encode(column), raw)
                    end = -1
                    continue
                # As it was sent, with the comma and the space in front of it.
                text += b"," if end < 0 else record[end : value.key_at]
                text += record[value.key_at : value.end]
                end = value.end
                continue
            end = -1
            match self._columns.fate_of(name, self._filled(raw)):
                case "rescue":
                    aside[name] = jsontext.parse(raw)
                    self._hold(raw)
                case "quote":
                    (index,) = self._hold(raw)
                    self._patterns[index].is_long = True
                    column = self._columns.column_of(name)
                    text += b',%b:"%b"' % (_encode(column), raw)
                case None:
                    raise NoTemplateError
        pieces = list(self._pieces(bytes(text), _MARK))
        self._rescues.append(bool(aside))
        if aside:
            rescued = _encode({RESCUED: jsontext.dumps(aside).decode()})[1:-1]
            pieces += self._pieces(b"," + rescued, _ESCAPED_MARK)
        if not pieces or not isinstance(pieces[0], bytes):
            raise NoTemplateError
        # The comma in front of the first member.
        return [b"{", HEAD, pieces[0][1:], *pieces[1:], b"}"]

    def key(self, record: bytes, by: Iterable[Path]) -> list[Piece]:
        """Return the pieces of what a record is known again by.

        Raises:
            NoTemplateError: When that is not its values at these paths.
        """
        value = jsontext.parse(record)
        named = []
        for path in by:
            found = path.first(value) if path.steps is not None else None
            mark = _MARK.fullmatch(_encode(found)) if isinstance(found, str) else None
            if mark is None or self._leaf(int(mark[1])).kind == "null":
                raise NoTemplateError
            named.append(found)
        text = jsontext.canonical(named)
        self._hold(text)
        return list(self._pieces(text, _MARK))

    def reply(self, text: bytes) -> list[Piece]:
        """Return the pieces of the reply to a message.

        Args:
            text: The reply, with marks for the message's values.

        Raises:
            NoTemplateError: When one of them is not a string.
        """
        pieces: list[Piece] = []
        for number, part in enumerate(_BARE_MARK.split(text)):
            if number % 2 == 0:
                pieces.append(part)
                continue
            index = int(part)
            if self._leaf(index).kind != "string":
                raise NoTemplateError
            self._hold_leaf(index)
            pieces.append(Span(index, index, inner=True))
        return pieces

    def template(
        self,
        lines: list[Piece],
        keys: list[Piece] | None,
        reply: list[Piece] | None,
    ) -> Template:
        """Return the template of what was drafted.

        Raises:
            NoTemplateError: When there is none.
        """
        assembler = Assembler(self._shape, self._expression, self._repeat)
        return assembler.template(lines, keys, reply, tuple(self._rescues))

    def _filled(self, raw: bytes) -> bytes:
        """Return a text with its values in the place of the marks."""
        return _MARK.sub(lambda mark: self._tokens[int(mark[1])], raw)

    def _pieces(self, text: bytes, mark: re.Pattern[bytes]) -> Iterable[Piece]:
        """Yield a text and the values in it, in turn."""
        for number, part in enumerate(mark.split(text)):
            if number % 2 == 0:
                if part:
                    yield part
                continue
            index = int(part)
            leaf = self._leaf(index)
            if leaf.kind == "string" and (mark is _ESCAPED_MARK or leaf.is_inside):
                quote = b'"' if mark is _MARK else b'\\"'
                yield quote
                yield Span(index, index, inner=True)
                yield quote
            else:
                yield Span(index, index)

    def _leaf(self, index: int) -> Value:
        return self._shape.leaves[index]

    def _keep(self, name: str, raw: bytes) -> None:
        """Let the values of a field be those that stay as they are in its column."""
        for mark in _MARK.finditer(raw):
            index = int(mark[1])
            pattern = self._patterns[index]
            pattern.kinds = frozenset(
                kind
                for kind in pattern.kinds
                if self._stays(name, raw, index, _TOKENS[kind])
            )
            if "string" in pattern.kinds:
                pattern.is_text |= not self._stays(name, raw, index, _JSON_LIKE)

    def _stays(self, name: str, raw: bytes, index: int, token: bytes) -> bool:
        """Return whether a field stays as it is with another value inside of it."""
        tokens = [*self._tokens[:index], token, *self._tokens[index + 1 :]]
        text = _MARK.sub(lambda mark: tokens[int(mark[1])], raw)
        return self._columns.kept_as(name, text) is not None

    def _hold(self, text: bytes) -> list[int]:
        """Let values be of their kind alone, which are written again; return them."""
        marks = [int(mark[1]) for mark in _MARK.finditer(text)]
        for index in marks:
            self._hold_leaf(index)
        return marks

    def _hold_leaf(self, index: int) -> None:
        pattern = self._patterns[index]
        pattern.kinds &= {self._leaf(index).kind}
        pattern.is_exact = True

    def _expression(self, index: int, *, group: bool) -> bytes:
        """Return what may stand in the place of a leaf (see `Assembler`)."""
        if index not in self._pinned:
            pattern = self._patterns[index]
            if not pattern.kinds:
                raise NoTemplateError
            return pattern.written(group=group)
        sent = self._shape.sent(index)
        if not group:
            return re.escape(sent)
        quote = re.escape(sent[: sent.index(b'"') + 1])
        return b"%b(%b)%b" % (quote, re.escape(self._tokens[index][1:-1]), quote)


def _own_kinds(kind: Kind) -> frozenset[Kind]:
    """Return the kinds that are written as this one."""
    strings: frozenset[Kind] = frozenset({"string"})
    return strings if kind == "string" else SCALARS - strings
