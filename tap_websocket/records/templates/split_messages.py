"""The documents of messages: templates take them one by one, whatever comes with them.

What a server sends together differs from message to message, in number and in order;
what it says in each document hardly does.
"""

from __future__ import annotations

import bisect
import itertools
import operator
from typing import TYPE_CHECKING

import msgspec

from tap_websocket.records.payloads import split

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Items = Callable[[bytes], list[bytes]]
    """Returns the documents of an array, or itself."""

__all__ = ["MessageSplitter", "SplitMessages"]

_first = operator.itemgetter(slice(1))

_EMPTY = [b""]

_BORDERS = (b"},{", b"}, {")
"""What stands between objects in nearly all arrays of such."""


class SplitMessages(msgspec.Struct, frozen=True, gc=False):
    """Messages and their documents.

    Attributes:
        messages: The messages.
        documents: The documents of all of them, in order.
        ends: How many documents there are up to the end of each message; None where
            each message is one document.
    """

    messages: list[bytes]
    documents: list[bytes]
    ends: Sequence[int] | None = None

    def message_of(self, document: int) -> int:
        """Return the index of the message that a document stands in."""
        return document if self.ends is None else bisect.bisect(self.ends, document)

    def first_of(self, document: int) -> int:
        """Return the index of the first document of the message that one stands in."""
        if self.ends is None:
            return document
        message = self.message_of(document)
        return self.ends[message - 1] if message else 0

    def part(self, start: int, end: int) -> SplitMessages:
        """Return the messages of some documents, which are all that these have."""
        first, last = self.message_of(start), self.message_of(end)
        messages, documents = self.messages[first:last], self.documents[start:end]
        if self.ends is None:
            return SplitMessages(messages, documents)
        ends = [at - start for at in self.ends[first:last]]
        return SplitMessages(messages, documents, ends)

    def apart(self, parts: Sequence[Sequence[bytes]]) -> SplitMessages:
        """Return the messages with one document or more in the place of each."""
        ends = list(itertools.accumulate(map(len, parts)))
        documents = list(itertools.chain.from_iterable(parts))
        if self.ends is not None:
            ends = [ends[end - 1] for end in self.ends]
        return SplitMessages(self.messages, documents, ends)


class MessageSplitter:
    """Splits messages into documents.

    Args:
        separator: The setting `record_separator`.
        items: Returns the documents of an array; None where it is one as it is.
    """

    def __init__(self, separator: str | None, items: Items | None) -> None:
        self._separator = separator
        mark = b"" if separator is None else separator.encode()
        # No two of it overlap: one can be taken off the end, and none else is lost.
        self._is_plain = bool(mark) and not any(
            mark.startswith(mark[at:]) for at in range(1, len(mark))
        )
        self._items = items

    def split(self, messages: list[bytes]) -> SplitMessages:
        """Return messages with their documents; an empty one has an empty document."""
        found = SplitMessages(messages, messages)
        if self._separator is not None:
            found = self._separated(found, self._separator)
        if self._items is None or b"[" not in set(map(_first, found.documents)):
            return found
        text = b"\n".join(found.documents)
        if not any(border in text for border in _BORDERS):
            # The shape of an array with one item is as good, or with other borders.
            return found
        items = self._items
        return found.apart(
            [
                items(document) if document[:1] == b"[" else (document,)
                for document in found.documents
            ]
        )

    def _separated(self, found: SplitMessages, separator: str) -> SplitMessages:
        messages = found.messages
        if self._is_plain:
            mark = separator.encode()
            documents = [message.removesuffix(mark) for message in messages]
            if mark not in b"".join(documents):
                # Two looks at all of them are faster than to split each.
                return SplitMessages(messages, documents)
            apart = found.apart([document.split(mark) for document in documents])
            if all(apart.documents):
                return apart
        return found.apart(
            [split(message, separator) or _EMPTY for message in messages]
        )
