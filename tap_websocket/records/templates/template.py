"""What a template writes: texts, with parts of a message in them."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["HEAD", "Format", "Groups", "Head", "Piece", "Span", "Template", "format_of"]

Groups = tuple[bytes, ...]
"""What the groups of a template's pattern have captured; the first one is empty where
the message is of another shape."""


class Span(msgspec.Struct, frozen=True, gc=False):
    """Values of a message, and what stands between them.

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
        """Return the text for each message.

        Args:
            found: Its groups.
            head: The added columns, with a comma behind them.
        """
        write = head.replace(b"%", b"%%").join(self._parts).__mod__
        if self._pick is None:
            return list(map(write, found))
        return list(map(write, map(self._pick, found)))


class Template(msgspec.Struct, frozen=True, eq=False):
    """What becomes of messages of one shape.

    Attributes:
        find: Takes messages, each behind a line break, and returns the groups of each.
        missed: The groups of one that is of another shape.
        lines: Makes the records, each on a line.
        keys: Makes what each record is known again by (`deduplicate.by`), if anything.
        replies: Makes what each message is replied to, if anything.
        values: How many values a message has.
        rescues: Whether each of the records has a field in `_rescued_data`.
    """

    find: Callable[[bytes], list[Groups]]
    missed: Groups
    lines: Format
    keys: Format | None
    replies: Format | None
    values: int
    rescues: tuple[bool, ...]


def format_of(pieces: Sequence[Piece], groups: Sequence[Span]) -> Format:
    """Return what writes pieces; the first and the last group are the pattern's own."""
    numbers = {span: number for number, span in enumerate(groups, 1)}
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
        parts[-1] += b"%.0b" * (len(groups) + 2 - at)
    return Format(list(map(bytes, parts)), None if in_order else order)
