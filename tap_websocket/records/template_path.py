"""The way of messages of known shapes: from their bytes to lines, many at once."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

from tap_websocket import jsontext
from tap_websocket.columns.names import SEQUENCE
from tap_websocket.expressions.documents import Document
from tap_websocket.records.batch import MAX_BATCH
from tap_websocket.records.formats import is_utf8
from tap_websocket.records.pattern_texts import PatternTexts
from tap_websocket.records.slicer import Slicer
from tap_websocket.records.template_gear import TemplateGear
from tap_websocket.records.template_layout import layout_of
from tap_websocket.records.templates import TemplateMaker

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
    from tap_websocket.records.template_format import Template
    from tap_websocket.records.template_gear import Taken
    from tap_websocket.settings import DecodingSettings

    Others = Callable[[list[bytes]], None]
    """Takes messages in all the other ways."""

__all__ = ["TemplatePath"]

_NUMBER = b"\x00"
"""Stands for the number of a record (`_sequence`) in a line: no line has one."""


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
            None if pattern is None else PatternTexts(pattern, settings, router.rules)
        )
        self._layout = layout_of(settings, self._texts)
        self._slicer = Slicer(
            dataclasses.replace(settings, json_fields=(), message_pattern=None),
            extractor,
            single_column=False,
            looked_at=(),
        )
        self._documents = documents
        self._router = router
        self._emitter = emitter
        self._gaps = gaps
        self._deduplicator = deduplicator
        self._by = by
        self._gear = TemplateGear()
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
            part = messages[start:end]
            if not self._is_for(batch, plain=plain) or self._gear.rests(len(part)):
                others(part)
                start += len(part)
                continue
            seen = self._seen(batch, part)
            text = b"\n" + b"\n".join(seen)
            if is_utf8(text):
                start += self._take(batch, part, seen, text, others, plain=plain)
            else:
                others(part)
                start += len(part)

    def _seen(self, batch: Batch, messages: list[bytes]) -> list[bytes]:
        """Return what templates look at of messages."""
        if self._texts is None:
            return messages
        return self._texts.of(batch.arrival.origin, messages)

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

    def _take(  # noqa: PLR0913 - a batch and what is seen of it
        self,
        batch: Batch,
        messages: list[bytes],
        seen: list[bytes],
        text: bytes,
        others: Others,
        *,
        plain: bool,
    ) -> int:
        """Take messages up to one that brings a template, and return how many."""
        emitter, gear = self._emitter, self._gear
        if emitter.version != self._version:
            self._version = emitter.version
            self._maker = None
            gear.forget()
        taken = gear.take(seen, text, self._head(batch.arrival))
        if taken is not None and taken.misses == 0:
            self._emit(batch, messages, taken, plain=plain)
            return len(messages)
        if taken is not None and not taken.is_worth_it:
            return self._take_otherwise(batch, messages, seen, taken, others)
        at, count = 0, len(messages)
        while at < count and not batch.is_over:
            is_known = taken is not None and taken.by[at] is not None
            end = at + 1
            while end < count and (
                (taken is not None and taken.by[end] is not None) == is_known
            ):
                end += 1
            if is_known and emitter.version == self._version and taken is not None:
                self._emit(batch, messages[at:end], taken.part(at, end), plain=plain)
            elif is_known:
                # The columns have grown meanwhile.
                others(messages[at:end])
            else:
                if gear.wants:
                    if self._teach(batch, messages[at], seen[at], others):
                        return at + 1
                    at += 1
                others(messages[at:end])
            at = end
        return count

    def _take_otherwise(
        self,
        batch: Batch,
        messages: list[bytes],
        seen: list[bytes],
        taken: Taken,
        others: Others,
    ) -> int:
        """Take messages in the other ways, and perhaps learn from one; as `_take`."""
        if not self._gear.wants:
            others(messages)
            return len(messages)
        at = taken.by.index(None)
        others(messages[:at])
        if not batch.is_over:
            self._teach(batch, messages[at], seen[at], others)
        return at + 1

    def _head(self, arrival: Arrival) -> bytes:
        """Return the columns that the tap adds, with a comma behind them."""
        added = self._emitter.added.of(arrival)
        if not added:
            return b""
        if SEQUENCE not in added:
            return jsontext.dumps(added)[1:-1] + b","
        others = {name: added[name] for name in added if name != SEQUENCE}
        head = jsontext.dumps(others)[1:-1]
        return b'%b"%b":%b,' % (head and head + b",", SEQUENCE.encode(), _NUMBER)

    def _emit(
        self, batch: Batch, messages: list[bytes], taken: Taken, *, plain: bool
    ) -> None:
        """Hand the records of messages on, all of which templates have taken."""
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
        new_messages = len(messages)
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
                new_messages = _messages_of(taken.by, new)
        for reply in taken.replies:
            if reply is not None:
                origin.send(reply.decode())
        rescued = _rescued(taken.by, new) if taken.rescues else 0
        emitter.put_lines(lines, rescued=rescued)
        # To join them is the fastest way to add their lengths up.
        result.taken += len(b"".join(messages))
        result.messages += new_messages
        result.records += len(lines)
        result.deduplicated += count - len(lines)
        if not plain and self._router.captures_from_data:
            self._router.capture(origin, reversed(messages), self._documents.parsed)

    def _teach(self, batch: Batch, message: bytes, seen: bytes, others: Others) -> bool:
        """Take a message another way, and return whether that brought a template."""
        result = batch.result
        before = result.records + result.deduplicated
        others([message])
        self._emitter.put(batch.arrival)
        return (
            not batch.is_over
            and result.records + result.deduplicated > before
            and self._emitter.version == self._version
            and self._gear.learn(lambda: self._made(batch.arrival, message, seen))
        )

    def _made(self, arrival: Arrival, message: bytes, seen: bytes) -> Template | None:
        """Return the template of a message that was taken another way."""
        columns = self._emitter.columns
        if columns is None or not seen:
            return None
        found = [
            self._router.data(Document(value))
            for value in self._documents.values(message)
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


def _messages_of(templates: Sequence[Template | None], new: Sequence[bool]) -> int:
    """Return how many messages have a record that is new."""
    flags = iter(new)
    return sum(
        any(list(itertools.islice(flags, len(template.rescues))))
        for template in templates
        if template is not None
    )


def _rescued(templates: Sequence[Template | None], new: Sequence[bool] | None) -> int:
    """Return how many records have a field in `_rescued_data`, new ones if not all."""
    if new is None:
        used = [template for template in set(templates) if template is not None]
        return sum(sum(one.rescues) * templates.count(one) for one in used)
    each = (template.rescues for template in templates if template is not None)
    return sum(itertools.compress(itertools.chain.from_iterable(each), new))
