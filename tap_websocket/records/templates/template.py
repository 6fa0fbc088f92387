"""What a template writes: texts, with parts of a document in them."""

from __future__ import annotations

import itertools
import operator
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Find = Callable[[bytes], list["Groups"]]
    """Finds what the groups of a pattern capture, at each of its matches."""

__all__ = [
    "HEAD",
    "Find",
    "Format",
    "Groups",
    "Head",
    "Items",
    "Piece",
    "Span",
    "Template",
    "format_of",
]

Groups = tuple[bytes, ...]
"""What the groups of a template's pattern have captured; the first one is empty where
the document is of another shape."""


class Span(msgspec.Struct, frozen=True, gc=False):
    """Values of a document, and what stands between them.

    Attributes:
        first: The first value.
        last: The last one.
        inner: Without the quotes of the one string that it is.
    """

    first: int
    last: int
    inner: bool = False


class Head:
    """The place where the columns go that the tap adds."""


HEAD = Head()

Piece = bytes | Span | Head
"""A part of what is written."""


class Format:
    """Writes texts out of what the groups of a pattern have captured.

    Args:
        parts: What `%` takes, taken apart where the added columns go.
        order: The groups that it wants; None: as they are.
    """

    def __init__(self, parts: Sequence[bytes], order: Sequence[int] | None) -> None:
        self._parts = parts
        self._pick = None if order is None else operator.itemgetter(*order)

    def texts(self, found: Iterable[Groups], head: bytes) -> list[bytes]:
        """Return the text for each document.

        Args:
            found: Its groups.
            head: The added columns, with a comma behind them.
        """
        write = head.replace(b"%", b"%%").join(self._parts).__mod__
        if self._pick is None:
            return list(map(write, found))
        return list(map(write, map(self._pick, found)))


class Items(msgspec.Struct, frozen=True, eq=False):
    """The items of an array, each of which is a record.

    Attributes:
        find: Finds the items in the array.
        group: The group of the document's pattern that has captured it.
    """

    find: Find
    group: int

    def rows(self, found: Sequence[Groups]) -> tuple[list[Groups], list[int]]:
        """Return the groups of each item, its document's behind, and their numbers.

        Args:
            found: The groups of each document.
        """
        items = [self.find(groups[self.group]) for groups in found]
        rows = [
            item + groups
            for those, groups in zip(items, found, strict=True)
            for item in those
        ]
        return rows, list(map(len, items))


class Template(msgspec.Struct, frozen=True, eq=False):
    """What becomes of documents of one shape.

    Attributes:
        find: Takes documents, each behind a line break, and returns the groups of each.
        missed: The groups of one that is of another shape.
        items: Finds the records, where an item is repeated.
        lines: Makes the records, each on a line; where items are repeated one of them.
        keys: The same of what they are known again by (`deduplicate.by`), if anything.
        replies: Makes what each document is replied to, if anything.
        values: How many values a document has, those of a repeated item once.
        rescues: Whether each of the records has a field in `_rescued_data`; one stands
            for any number where an item is repeated.
    """

    find: Find
    missed: Groups
    items: Items | None
    lines: Format
    keys: Format | None
    replies: Format | None
    values: int
    rescues: tuple[bool, ...]

    @property
    def is_single(self) -> bool:
        """Whether each document has one record."""
        return self.items is None and len(self.rescues) == 1

    def write(
        self, found: Sequence[Groups], head: bytes
    ) -> tuple[list[bytes], list[bytes]]:
        """Return the records of each document, and what they are known again by.

        Args:
            found: The groups of each.
            head: The added columns, with a comma behind them.
        """
        rows, counts = (found, None) if self.items is None else self.items.rows(found)
        lines = self.lines.texts(rows, head)
        keys = [] if self.keys is None else self.keys.texts(rows, b"")
        if counts is None:
            return lines, keys
        return _joined(lines, counts), keys and _joined(keys, counts)


def _joined(lines: Iterable[bytes], counts: Iterable[int]) -> list[bytes]:
    """Return texts of this many lines each."""
    left = iter(lines)
    return [b"\n".join(itertools.islice(left, count)) for count in counts]


def format_of(
    pieces: Sequence[Piece], numbers: Mapping[Span, int], count: int
) -> Format:
    """Return what writes pieces.

    Args:
        pieces: What is written.
        numbers: Which group captures which values.
        count: How many groups there are.
    """
    order = [numbers[piece] for piece in pieces if isinstance(piece, Span)]
    # No look-up for each message where several groups are wanted in their order.
    in_order = len(order) != 1 and order == sorted(set(order))
    parts = [bytearray()]
    at = 0
    for piece in pieces:
        if isinstance(piece, bytes):
            parts[-1] += piece.replace(b"%", b"%%")
        elif isinstance(piece, Head):
            parts.append(bytearray())
        else:
            if in_order:
                parts[-1] += b"%.0b" * (numbers[piece] - at)
                at = numbers[piece] + 1
            parts[-1] += b"%b"
    if in_order:
        parts[-1] += b"%.0b" * (count - at)
    return Format(list(map(bytes, parts)), None if in_order else order)
