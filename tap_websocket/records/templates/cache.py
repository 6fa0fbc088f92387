"""The templates of a feed, and how documents of known shapes are taken, many at once.

A feed has few shapes of documents. One pass of a regular expression over a batch finds
those of a shape and cuts out what their records are made of; what is left takes the
other ways, and shows which shapes are worth a template.
"""

from __future__ import annotations

import collections
import itertools
import operator
import sys
from typing import TYPE_CHECKING, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tap_websocket.records.templates.template import Groups, Template

    Make = Callable[[], Template | None]
    """Derives a template from a document."""

__all__ = ["Taken", "TemplateCache"]

_MAX_TEMPLATES = 16
_WINDOW = 256
"""Documents after which it is asked whether templates are worth their tries."""

_MIN_SHARE = 16
"""A template is kept that takes one document in so many that it is tried on: a try
costs a fraction of a microsecond, and the other ways ten."""

_MIN_TAKEN = 8
"""The cache is asked on while it takes one document in so many; else it rests."""

_MAX_REST = 1 << 16
_FIRST, _PRICE = 8, 32
"""Documents that take another way, at least, between the first templates."""

_VALUE_PRICE, _MAX_PRICE = 256, 1 << 14
"""The same between others, for each value in a template: to compile a pattern takes as
long as sixty documents for each."""

_MIN_RUN = 4
"""Documents of known shapes that a stretch of others has to go with, on average, for
the change from one way to the other to be worth it."""

_first = operator.itemgetter(0)
"""Of a document's groups; it is empty where that is of another shape."""

T = TypeVar("T")


class Taken(msgspec.Struct, gc=False):
    """What templates make of documents.

    Attributes:
        texts: The records of each document, a line each; empty where it is of no known
            shape.
        keys: What these are known again by, a line each; empty where that is not asked
            for.
        replies: What each is replied to, or None; empty where none is.
        by: The template that takes each document; None where none does.
        misses: How many none does.
        is_worth_it: These are few, or stand together.
        is_single: Each document has one record.
        rescues: A record may have a field in `_rescued_data`.
    """

    texts: list[bytes]
    keys: list[bytes]
    replies: list[bytes | None]
    by: list[Template | None]
    misses: int
    is_worth_it: bool = True
    is_single: bool = True
    rescues: bool = False

    @classmethod
    def nothing(cls, count: int) -> Taken:
        """Return what is made of this many documents of no known shape."""
        return cls([b""] * count, [], [], [None] * count, count)

    def keep_whole(self, ends: Sequence[int]) -> None:
        """Take no document of a message of which not all are taken.

        Args:
            ends: How many documents there are up to the end of each message.
        """
        for start, end in itertools.pairwise((0, *ends)):
            taken = self.by[start:end]
            if None in taken:
                self.misses += len(taken) - taken.count(None)
                self.by[start:end] = [None] * len(taken)

    def judge(self) -> None:
        """Find out whether to take these and the others in turn is worth it."""
        if self.misses:
            is_known = [template is not None for template in self.by]
            changes = sum(map(operator.ne, is_known, is_known[1:]))
            known = len(self.by) - self.misses
            self.is_worth_it = known >= _MIN_RUN * changes / 2

    def stretches(self) -> Iterator[tuple[bool, int, int]]:
        """Yield whether documents that follow each other are taken, and their place."""
        start = 0
        for is_taken, stretch in itertools.groupby(one is not None for one in self.by):
            end = start + sum(1 for _ in stretch)
            yield is_taken, start, end
            start = end

    def part(self, start: int, end: int) -> Taken:
        """Return what is made of some of the documents, all of which are taken."""
        return Taken(
            self.texts[start:end],
            self.keys[start:end],
            self.replies[start:end],
            self.by[start:end],
            0,
            is_single=self.is_single,
            rescues=self.rescues,
        )

    def put(
        self,
        template: Template,
        which: Sequence[int],
        found: list[Groups],
        head: bytes,
    ) -> None:
        """Put in what a template makes of documents, given by their index."""
        texts, keys = template.write(found, head)
        replies: list[bytes | None] | None = None
        if template.replies is not None:
            replies = [*template.replies.texts(found, b"")]
        self.misses -= len(which)
        self.is_single = self.is_single and template.is_single
        self.rescues = self.rescues or any(template.rescues)
        if len(which) == len(self.by):
            self.texts = texts
            self.by = [template] * len(texts)
            self.keys = keys
            self.replies = replies or []
            return
        _put(self.texts, which, texts)
        _put(self.by, which, itertools.repeat(template))
        if keys:
            self.keys = self.keys or [b""] * len(self.by)
            _put(self.keys, which, keys)
        if replies is not None:
            self.replies = self.replies or [None] * len(self.by)
            _put(self.replies, which, replies)


class _Tried:
    """A template, and what it was good for since the last window."""

    __slots__ = ("taken", "template", "tried")

    def __init__(self, template: Template) -> None:
        self.template = template
        self.taken = 0
        self.tried = 0


class TemplateCache:
    """Takes documents by templates, as far as that is worth it."""

    def __init__(self) -> None:
        self._known: list[_Tried] = []
        # Documents that are still to go past the cache, and how many went last.
        self._rest = 0
        self._rested = 0
        # Documents that took another way since one was made to a template, and how many
        # have to before the next one is.
        self._missed = _PRICE
        self._price = _PRICE
        # Templates that there ever were.
        self._learnt = 0
        # Documents of this window, and those of them that a template took.
        self._seen = 0
        self._taken = 0

    def forget(self) -> None:
        """Forget the templates: what they were made for has changed."""
        self._known.clear()
        self._seen = self._taken = 0
        self._rest = 0

    @property
    def misses_left(self) -> int:
        """How many documents have to take another way before one is to be learnt."""
        return sys.maxsize if self._rest else max(0, self._price - self._missed)

    def missed(self, count: int) -> None:
        """Count documents of no known shape, once they have taken another way.

        What is tried on a new template, too, would count again with each.
        """
        self._missed += count

    def postpone(self) -> None:
        """Learn from one of the next documents: this one shows no shape of records."""
        self._missed = max(0, self._price - _PRICE)

    def learn(self, make: Make) -> bool:
        """Take the template of a document that took another way, if it has one."""
        self._missed = 0
        template = make()
        if template is None:
            self._price = min(4 * self._price, _MAX_PRICE)
            return False
        self._learnt += 1
        if self._learnt >= _FIRST:
            self._price = min(_VALUE_PRICE * template.values, _MAX_PRICE)
        self._known.append(_Tried(template))
        if len(self._known) > _MAX_TEMPLATES:
            self._known.remove(min(self._known[:-1], key=lambda known: known.taken))
        return True

    def rests(self, count: int) -> bool:
        """Return whether this many documents are to go past the cache."""
        if not self._rest:
            return False
        self._rest = max(0, self._rest - count)
        return True

    def take(
        self,
        documents: list[bytes],
        text: bytes,
        head: bytes,
        ends: Sequence[int] | None,
    ) -> Taken:
        """Return what templates make of documents.

        Args:
            documents: What is looked at of them, in UTF-8.
            text: The same, each behind a line break.
            head: The columns that the tap adds, with a comma behind them.
            ends: How many documents there are up to the end of each message; None
                where each message is one.
        """
        count = len(documents)
        taken = Taken.nothing(count)
        if self._known:
            self._try(taken, documents, text, head)
        if ends is not None and taken.misses:
            taken.keep_whole(ends)
        taken.judge()
        self._seen += count
        if taken.is_worth_it:
            self._taken += count - taken.misses
        if self._seen >= _WINDOW:
            self._judge(taken.misses)
        return taken

    def _try(
        self, taken: Taken, documents: list[bytes], text: bytes, head: bytes
    ) -> None:
        """Put in what templates make of documents; those that take most come first."""
        left = list(range(len(documents)))
        for known in self._known:
            template = known.template
            found = template.find(text)
            if len(found) > len(left):
                # A line break between tokens; inside of a string it would be an error.
                left = [at for at in left if b"\n" not in documents[at]]
                text = _joined(documents, left)
                found = template.find(text)
            missed = found.count(template.missed)
            known.tried += len(found)
            known.taken += len(found) - missed
            if missed == 0:
                taken.put(template, left, found, head)
                left = []
                break
            if missed < len(found):
                hits = list(map(_first, found))
                taken.put(
                    template,
                    list(itertools.compress(left, hits)),
                    list(itertools.compress(found, hits)),
                    head,
                )
                left = list(itertools.compress(left, map(operator.not_, hits)))
                text = _joined(documents, left)

    def _judge(self, misses: int) -> None:
        """Drop templates that are not worth their tries; rest where none is.

        Args:
            misses: Documents of no known shape that are about to take another way.
        """
        for known in self._known[:]:
            if known.taken * _MIN_SHARE < known.tried >= _WINDOW // 4:
                self._known.remove(known)
        self._known.sort(key=lambda known: known.taken, reverse=True)
        for known in self._known:
            known.taken //= 2
            known.tried //= 2
        # What is learnt next may be what is missing; of the first templates it is.
        soon = misses if self._learnt < _FIRST else 0
        if self._missed + soon < self._price:
            if self._taken * _MIN_TAKEN < self._seen:
                self._rested = min(max(2 * self._rested, _WINDOW), _MAX_REST)
                self._rest = self._rested
                self._price = min(2 * self._price, _MAX_PRICE)
            else:
                self._rested = 0
        self._seen = self._taken = 0


def _put(items: list[T], which: Sequence[int], new: Iterable[T]) -> None:
    """Replace items, given by their index; each takes half as long as in a loop."""
    collections.deque(map(items.__setitem__, which, new), maxlen=0)


def _joined(documents: list[bytes], which: list[int]) -> bytes:
    """Return documents, given by their index, each behind a line break."""
    if not which:
        return b""
    return b"\n" + b"\n".join(map(documents.__getitem__, which))
