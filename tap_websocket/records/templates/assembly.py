"""How what a template writes becomes the template: its groups, and their pattern."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

import msgspec

from tap_websocket.records.templates.template import (
    Items,
    Span,
    Template,
    format_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tap_websocket.records.templates.shape import Shape, Value
    from tap_websocket.records.templates.template import Find, Piece

__all__ = ["Assembler", "NoTemplateError", "Repeat"]


class NoTemplateError(Exception):
    """The documents of a shape cannot be taken by a template."""


class Repeat(msgspec.Struct, frozen=True, gc=False):
    """An item of an array that stands for any number of such items, but for none.

    Attributes:
        item: The item, the only one of its array.
        between: What stands between two.
    """

    item: Value
    between: bytes


class Expression(Protocol):
    """Returns the regular expression of a leaf of a shape.

    Args:
        index: Which leaf.
        group: Capture what stands between the quotes; it is a string alone then.
    """

    def __call__(self, index: int, *, group: bool) -> bytes:
        """See above."""


class Assembler:
    """Makes templates of what they write.

    Args:
        shape: The shape of the template's documents.
        expression: Says what may stand in the place of each leaf.
        repeat: The item that is repeated, each time a record, if one is.
    """

    def __init__(
        self, shape: Shape, expression: Expression, repeat: Repeat | None
    ) -> None:
        self._shape = shape
        self._expression = expression
        self._repeat = repeat
        # The leaves of that item.
        self._items = set() if repeat is None else {_leaves(shape, repeat.item)}

    def template(
        self,
        lines: list[Piece],
        keys: list[Piece] | None,
        reply: list[Piece] | None,
        rescues: tuple[bool, ...],
    ) -> Template:
        """Return the template that writes these pieces.

        Args:
            lines: Those of the records, of a repeated item one.
            keys: Those of what each record is known again by, if anything.
            reply: Those of the reply to a document, if there is one.
            rescues: See `Template`.

        Raises:
            NoTemplateError: When there is none.
        """
        formats = [lines, keys or [], reply or []]
        merged = list(map(self._merged, formats))
        spans = _spans(merged)
        if not _are_nested(spans):
            merged, spans = formats, _spans(formats)
        inside = _ordered(filter(self._is_inside, spans))
        groups = _ordered(spans.difference(inside) | self._items)
        numbers = {span: number for number, span in enumerate(groups, 1)}
        # The first and the last group are the pattern's own.
        count = len(groups) + 2
        find = re.compile(self._pattern(groups)).findall
        pieces, named, answer = merged
        reply_format = format_of(answer, numbers, count)
        items = None
        if self._repeat is not None:
            (array,) = (numbers[item] for item in self._items)
            items = Items(self._find_items(self._repeat, inside), array)
            # The groups of an item stand in front of its document's.
            own = len(inside) + 2
            numbers = {span: own + number for span, number in numbers.items()}
            numbers |= {span: number for number, span in enumerate(inside, 1)}
            count += own
        return Template(
            find,
            (b"",) * (len(groups) + 2),
            items,
            format_of(pieces, numbers, count),
            format_of(named, numbers, count) if keys else None,
            reply_format if reply else None,
            len(self._shape.leaves),
            rescues,
        )

    def _find_items(self, repeat: Repeat, inside: Sequence[Span]) -> Find:
        """Return what finds the items of an array, with the groups inside of each."""
        pattern = b"()%b()(?:%b|$)" % (
            self._part(repeat.item.start, repeat.item.end, inside),
            re.escape(repeat.between),
        )
        return re.compile(pattern).findall

    def _is_inside(self, span: Span) -> bool:
        """Return whether values are those of the repeated item."""
        return any(item.first <= span.first <= item.last for item in self._items)

    def _merged(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Return pieces with values in one that stand together in the document, too."""
        merged: list[Piece] = []
        for piece in pieces:
            if (
                isinstance(piece, Span)
                and not piece.inner
                and len(merged) > 1
                and isinstance(before := merged[-2], Span)
                and not before.inner
                and before.last + 1 == piece.first
                and merged[-1] == self._shape.before(piece.first)
                and self._is_inside(before) == self._is_inside(piece)
            ):
                merged[-2:] = [Span(before.first, piece.last)]
            else:
                merged.append(piece)
        return merged

    def _pattern(self, groups: Sequence[Span]) -> bytes:
        r"""Return the regular expression of the shape.

        It matches each document of a text in which one stands behind each line break,
        be it of the shape or not: so the matches are as many as the documents.
        """
        text, repeat = self._shape.text, self._repeat
        parts = [rb"\n(?:(%b)" % re.escape(text[:1])]
        if repeat is None:
            parts.append(self._part(1, len(text), groups))
        else:
            item = repeat.item
            one = self._part(item.start, item.end, ())
            parts += (
                self._part(1, item.start, groups),
                b"(%b(?:%b%b)*+)" % (one, re.escape(repeat.between), one),
                self._part(item.end, len(text), groups),
            )
        # Of two groups at least `findall` makes a tuple.
        parts.append(rb"()(?![^\n])|[^\n]*+)")
        return b"".join(parts)

    def _part(self, begin: int, end: int, groups: Sequence[Span]) -> bytes:
        """Return the regular expression of a part of the text, with these groups."""
        text = self._shape.text
        inner = {span.first for span in groups if span.inner}
        parts: list[bytes] = []
        at = begin
        for index, leaf in enumerate(self._shape.leaves):
            if not begin <= leaf.start < end:
                continue
            opened = [s for s in groups if s.first == index and not s.inner]
            closed = [s for s in groups if s.last == index and not s.inner]
            parts.append(re.escape(text[at : leaf.start]))
            value = self._expression(index, group=index in inner)
            parts += b"(" * len(opened), value, b")" * len(closed)
            at = leaf.end
        parts.append(re.escape(text[at:end]))
        return b"".join(parts)


def _leaves(shape: Shape, item: Value) -> Span:
    """Return the leaves of a value.

    Raises:
        NoTemplateError: When it has none.
    """
    leaves = [
        index
        for index, leaf in enumerate(shape.leaves)
        if item.start <= leaf.start < item.end
    ]
    if not leaves:
        raise NoTemplateError
    return Span(leaves[0], leaves[-1])


def _ordered(spans: Iterable[Span]) -> list[Span]:
    return sorted(spans, key=lambda span: (span.first, -span.last, span.inner))


def _spans(formats: Iterable[Iterable[Piece]]) -> set[Span]:
    return {p for pieces in formats for p in pieces if isinstance(p, Span)}


def _are_nested(spans: Iterable[Span]) -> bool:
    """Return whether of two spans with a common value one is part of the other."""
    ends: list[int] = []
    for span in _ordered(spans):
        while ends and ends[-1] < span.first:
            ends.pop()
        if ends and ends[-1] < span.last:
            return False
        ends.append(span.last)
    return True
