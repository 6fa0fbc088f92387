"""The way of messages of known shapes: from their bytes to lines, many at once."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import msgspec

from tap_websocket.columns.names import SEQUENCE
from tap_websocket.expressions.documents import Document
from tap_websocket.records.added_values import head_of
from tap_websocket.records.batch import MAX_BATCH
from tap_websocket.records.payloads import is_utf8
from tap_websocket.records.slicer import Slicer
from tap_websocket.records.templates.cache import TemplateCache
from tap_websocket.records.templates.layout import layout_of
from tap_websocket.records.templates.maker import TemplateMaker
from tap_websocket.records.templates.pattern_texts import PatternTexts
from tap_websocket.records.templates.split_messages import MessageSplitter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_websocket.expressions.path import Path
    from tap_websocket.records.batch import Arrival, Batch
    from tap_websocket.records.deduplicate import Deduplicator
    from tap_websocket.records.document_reader import DocumentReader
    from tap_websocket.records.emitter import RecordEmitter
    from tap_websocket.records.extractor import Extractor
    from tap_websocket.records.gap_watch import GapWatch
    from tap_websocket.records.router import MessageRouter
    from tap_websocket.records.templates.cache import Taken
    from tap_websocket.records.templates.split_messages import SplitMessages
    from tap_websocket.records.templates.template import Template
    from tap_websocket.settings import DecodingSettings

    Others = Callable[[list[bytes]], None]
    """Takes messages in all the other ways."""

__all__ = ["TemplatePath"]

_NUMBER = b"\x00"
"""Stands for the number of a record (`_sequence`) in a line: no line has one."""


class _Part(msgspec.Struct, frozen=True, gc=False):
    """Messages of a batch that templates are tried on.

    Attributes:
        batch: What they belong to.
        split: The messages, and their documents.
        seen: What templates look at of each document.
        others: Takes those that no template does.
        plain: No rule or reply can match them, and who asks captures from them.
    """

    batch: Batch
    split: SplitMessages
    seen: list[bytes]
    others: Others
    plain: bool


class TemplatePath:
    """Takes messages by templates, and leaves the rest to the other ways.

    Args:
        settings: What a message looks like.
        extractor: Is told which paths matched.
        documents: Reads messages.
        router: Decides what is no data.
        emitter: Takes the records.
        gaps: Watches the feed's own numbers.
        deduplicator: Decides which records were emitted before, if any may be.
        by: The paths of `deduplicate.by`.

    Raises:
        Unviewable: When the settings are none that templates can follow.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        settings: DecodingSettings,
        extractor: Extractor,
        *,
        documents: DocumentReader,
        router: MessageRouter,
        emitter: RecordEmitter,
        gaps: GapWatch,
        deduplicator: Deduplicator | None,
        by: Sequence[Path],
    ) -> None:
        pattern = settings.message_pattern
        self._texts = (
            None
            if pattern is None
            else PatternTexts(pattern, router.rules, router.text_replies)
        )
        self._layout = layout_of(settings, self._texts, router)
        self._slicer = Slicer(
            dataclasses.replace(settings, json_fields=(), message_pattern=None),
            extractor,
            single_column=False,
            looked_at=(),
        )
        is_plain = pattern is None and not settings.json_fields
        self._splitter = MessageSplitter(
            settings.record_separator,
            # Else what is looked at stands in the array, or beside it.
            self._items if is_plain and extractor.opens_arrays else None,
        )
        self._documents = documents
        self._router = router
        self._emitter = emitter
        self._gaps = gaps
        self._deduplicator = deduplicator
        self._by = by
        self._cache = TemplateCache()
        # Makes templates for the columns of this version, and lines of this group.
        self._maker: TemplateMaker | None = None
        self._version = -1

    def take(
        self, batch: Batch, messages: list[bytes], others: Others, *, plain: bool
    ) -> None:
        """Take messages in order.

        Args:
            batch: What they belong to.
            messages: The messages.
            others: Takes those that no template does.
            plain: No rule or reply can match them, and who asks captures from them.

        Raises:
            TapError: When one of them is fatal.
        """
        start = 0
        while start < len(messages) and not batch.is_over:
            if not self._emitter.is_settled:
                # The sample ends within a batch.
                others(messages[start : start + 1])
                start += 1
                continue
            end = start + min(MAX_BATCH, batch.left or MAX_BATCH)
            start += self._take_part(batch, messages[start:end], others, plain=plain)

    def _take_part(
        self, batch: Batch, messages: list[bytes], others: Others, *, plain: bool
    ) -> int:
        """Take messages up to one that brings a template, and return how many."""
        if self._is_for(batch, plain=plain) and not self._cache.rests(len(messages)):
            split = self._splitter.split(messages)
            texts, documents = self._texts, split.documents
            seen = documents if texts is None else texts.of(documents)
            text = b"\n" + b"\n".join(seen)
            if is_utf8(text):
                return self._take(_Part(batch, split, seen, others, plain), text)
        others(messages)
        return len(messages)

    def _is_for(self, batch: Batch, *, plain: bool) -> bool:
        """Return whether templates say all that there is to do for a message now."""
        emitter, origin = self._emitter, batch.arrival.origin
        deduplicator = self._deduplicator
        return (
            # What was missing is said by one record alone.
            not emitter.added.notes
            # Where the feed's numbers stand in its records, each of these is looked at.
            and not self._gaps.asks_records
            and not batch.acted
            and (plain or self._texts is not None or not self._router.asks_json_texts)
            and (deduplicator is None or bool(self._by) or deduplicator.is_idle(origin))
        )

    def _take(self, part: _Part, text: bytes) -> int:
        """Take messages up to one that brings a template, and return how many.

        Args:
            part: The messages.
            text: What is seen of them, each behind a line break.
        """
        batch, split = part.batch, part.split
        emitter, cache = self._emitter, self._cache
        if emitter.version != self._version:
            self._version = emitter.version
            self._maker = None
            cache.forget()
        taken = cache.take(part.seen, text, self._head(batch.arrival), split.ends)
        if taken.misses == 0:
            self._emit(part, split, taken)
            return len(split.messages)
        if not taken.is_worth_it:
            return self._take_otherwise(part, taken)
        for is_taken, start, end in taken.stretches():
            if batch.is_over:
                break
            stretch = split.part(start, end)
            if not is_taken:
                count = self._take_unknown(part, taken, start, end)
                if count is not None:
                    return count
            elif emitter.version == self._version:
                self._emit(part, stretch, taken.part(start, end))
            else:
                # The columns have grown meanwhile.
                part.others(stretch.messages)
        return len(split.messages)

    def _take_unknown(
        self, part: _Part, taken: Taken, start: int, end: int
    ) -> int | None:
        """Take messages of no known shape (their documents from `start` on), learn one.

        Returns:
            How many messages of the part are taken, where one brought a template.
        """
        cache, split = self._cache, part.split
        if start + cache.misses_left >= end:
            part.others(split.part(start, end).messages)
            cache.missed(end - start)
            return None
        at = split.first_of(start + cache.misses_left)
        if at > start:
            part.others(split.part(start, at).messages)
            cache.missed(at - start)
        if part.batch.is_over:
            return None
        behind = split.message_of(at) + 1
        if self._teach(part, taken, at):
            return behind
        part.others(split.messages[behind : split.message_of(end)])
        cache.missed(end - at - 1)
        return None

    def _take_otherwise(self, part: _Part, taken: Taken) -> int:
        """Take messages in the other ways, and perhaps learn from one; as `_take`."""
        cache, split = self._cache, part.split
        left = cache.misses_left
        if left >= taken.misses:
            part.others(split.messages)
            cache.missed(taken.misses)
            return len(split.messages)
        unknown = (at for at, template in enumerate(taken.by) if template is None)
        at = split.first_of(next(itertools.islice(unknown, left, None)))
        message = split.message_of(at)
        part.others(split.messages[:message])
        cache.missed(left)
        if not part.batch.is_over:
            self._teach(part, taken, at)
        return message + 1

    def _head(self, arrival: Arrival) -> bytes:
        """Return the columns that the tap adds, with a comma behind them."""
        added = self._emitter.added.of(arrival)
        if SEQUENCE not in added:
            return head_of(added)
        others = {name: added[name] for name in added if name != SEQUENCE}
        return b'%b"%b":%b,' % (head_of(others), SEQUENCE.encode(), _NUMBER)

    def _emit(self, part: _Part, split: SplitMessages, taken: Taken) -> None:
        """Hand the records of messages on, all of which templates have taken."""
        batch = part.batch
        emitter, origin, result = self._emitter, batch.arrival.origin, batch.result
        emitter.put(batch.arrival)
        lines = taken.texts
        is_numbered = _NUMBER in lines[0]
        if is_numbered or not taken.is_single:
            text = b"\n".join(lines)
            lines = (
                _numbered(text, origin.sequence + 1)
                if is_numbered
                else text.split(b"\n")
            )
        count = len(lines)
        origin.sequence += count
        new_messages = len(split.messages)
        new: list[bool] | None = None
        deduplicator = self._deduplicator
        if deduplicator is not None and taken.keys:
            keys = taken.keys
            if not taken.is_single:
                keys = b"\n".join(keys).split(b"\n")
            new = deduplicator.are_new(origin, keys)
            if all(new):
                new = None
            else:
                lines = list(itertools.compress(lines, new))
                new_messages = _messages_of(taken, split.ends, new)
        for reply in taken.replies:
            if reply is not None:
                origin.send(reply.decode())
        rescued = _rescued(taken, new) if taken.rescues else 0
        emitter.put_lines(lines, rescued=rescued)
        # To join them is the fastest way to add their lengths up.
        result.taken += len(b"".join(split.messages))
        result.messages += new_messages
        result.records += len(lines)
        result.deduplicated += count - len(lines)
        if not part.plain and self._router.captures_from_data:
            newest_first = reversed(split.messages)
            self._router.capture(origin, newest_first, self._documents.parsed)

    def _items(self, array: bytes) -> list[bytes]:
        """Return the documents of an array; itself where none can be read."""
        try:
            return self._slicer.documents(array) or [array]
        except (msgspec.MsgspecError, RecursionError):
            return [array]

    def _teach(self, part: _Part, taken: Taken, at: int) -> bool:
        """Take a message another way, and return whether that brought a template.

        Args:
            part: The messages.
            taken: What templates have made of them.
            at: The message's first document.
        """
        batch, split = part.batch, part.split
        # Others of its documents may have a template.
        unknown = taken.texts.index(b"", at)
        document, seen = split.documents[unknown], part.seen[unknown]
        result = batch.result
        before = result.records + result.deduplicated
        part.others([split.messages[split.message_of(at)]])
        self._emitter.put(batch.arrival)
        if (
            batch.is_over
            or result.records + result.deduplicated == before
            or self._emitter.version != self._version
        ):
            self._cache.postpone()
            return False
        return self._cache.learn(lambda: self._made(batch.arrival, document, seen))

    def _made(self, arrival: Arrival, document: bytes, seen: bytes) -> Template | None:
        """Return the template of a document that was taken another way."""
        columns = self._emitter.columns
        if columns is None or not seen:
            return None
        found = [
            self._router.data(Document(value))
            for value in self._documents.values(document)
        ]
        data = [match for match in found if match is not None]
        if len(data) < len(found):
            return None
        if self._maker is None:
            self._maker = TemplateMaker(
                self._slicer,
                columns,
                router=self._router,
                by=self._by,
                layout=self._layout,
            )
        replies = [
            None if match.reply is None else match.reply.template for match in data
        ]
        return self._maker.make(seen, replies, self._emitter.added.of(arrival))


def _numbered(text: bytes, first: int) -> list[bytes]:
    """Return lines with their numbers in them."""
    pieces = text.split(_NUMBER)
    parts = [b""] * (2 * len(pieces) - 1)
    parts[::2] = pieces
    parts[1::2] = map(b"%d".__mod__, range(first, first + len(pieces) - 1))
    return b"".join(parts).split(b"\n")


def _messages_of(taken: Taken, ends: Sequence[int] | None, new: Sequence[bool]) -> int:
    """Return how many messages have a record that is new.

    Args:
        taken: What templates have made of their documents.
        ends: See `SplitMessages`.
        new: Whether each of their records is.
    """
    flags = iter(new)
    have_new = [
        any(list(itertools.islice(flags, text.count(b"\n") + 1)))
        for text in taken.texts
    ]
    if ends is None:
        return sum(have_new)
    return sum(any(have_new[at:end]) for at, end in itertools.pairwise((0, *ends)))


def _rescued(taken: Taken, new: Sequence[bool] | None) -> int:
    """Return how many records have a field in `_rescued_data`, new ones if not all."""
    by = [template for template in taken.by if template is not None]
    if new is None and taken.is_single:
        return sum(sum(one.rescues) * by.count(one) for one in set(by))
    each = itertools.chain.from_iterable(
        template.rescues * ((text.count(b"\n") + 1) // len(template.rescues))
        for template, text in zip(by, taken.texts, strict=True)
    )
    return sum(each if new is None else itertools.compress(each, new))
