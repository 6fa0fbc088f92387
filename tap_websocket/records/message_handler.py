"""What a batch of messages becomes: records in pages, or something else.

Runs in the loop's thread, but for large messages. The common case, a JSON object that
fits the columns, passes as the bytes that the server sent; everything else goes the
slow path.
"""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING

from tap_websocket.errors import TapError
from tap_websocket.expressions.search import ANY_LENGTH
from tap_websocket.records.batch import Batch, StoppedError
from tap_websocket.records.common_check import CommonRecordsCheck
from tap_websocket.records.document_reader import DocumentReader
from tap_websocket.records.extractor import Extractor
from tap_websocket.records.formats import codec_of
from tap_websocket.records.gap_watch import GapWatch
from tap_websocket.records.large_path import LargePath
from tap_websocket.records.parts import is_large
from tap_websocket.records.paths import Paths
from tap_websocket.records.payloads import PayloadReader
from tap_websocket.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_websocket.counts import Counts
    from tap_websocket.expressions.path import Path
    from tap_websocket.feed.inbound import BatchResult, Origin
    from tap_websocket.records.deduplicate import Deduplicator
    from tap_websocket.records.document_reader import Documents
    from tap_websocket.records.emitter import RecordEmitter
    from tap_websocket.records.plan import RecordPlan
    from tap_websocket.records.router import MessageRouter
    from tap_websocket.records.sequence import SequenceTracker
    from tap_websocket.settings import Settings
    from tap_websocket.timers import StoppableClock

__all__ = ["MessageHandler"]

_LOGGER = logging.getLogger("tap-websocket")

_LOOP_BYTES = 1024 * 1024
"""What the loop waits for at once: it takes some milliseconds."""


class MessageHandler:
    """Takes messages and puts their records into pages.

    Args:
        settings: All settings.
        plan: What records are to become.
        router: Decides what is no data.
        emitter: Takes the records.
        counts: Counts that the handler keeps.
        now_ns: The wall clock, in nanoseconds since the epoch.
        deduplicator: Decides which records were emitted before, if any may be.
        tracker: Watches the feed's own numbers, if it has any.
        clock: The time of both, which stands still while reading is paused.
        documents: Takes a message apart, instead of `record_separator`. Its
            documents need not look like the message.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        settings: Settings,
        *,
        plan: RecordPlan,
        router: MessageRouter,
        emitter: RecordEmitter,
        counts: Counts,
        now_ns: Callable[[], int],
        deduplicator: Deduplicator | None = None,
        tracker: SequenceTracker | None = None,
        clock: StoppableClock,
        documents: Documents | None = None,
    ) -> None:
        decoding = settings.decoding
        self._router = router
        self._emitter = emitter
        self._counts = counts
        self._now_ns = now_ns
        self._extractor = Extractor(
            decoding,
            single_column=plan.single_column,
            opens_arrays=plan.opens_arrays,
        )
        reader = DocumentReader(decoding, self._extractor, documents)
        self._deduplicator = deduplicator
        self._common = None if deduplicator is None else CommonRecordsCheck(clock)
        self._clock = clock
        self._gaps = GapWatch(
            settings, tracker=tracker, emitter=emitter, documents=reader
        )
        self._paths = Paths(
            settings,
            single_column=plan.single_column,
            documents=reader,
            extractor=self._extractor,
            router=router,
            emitter=emitter,
            gaps=self._gaps,
            counts=counts,
            deduplicator=deduplicator,
        )
        self._large = LargePath(
            decoding,
            opens_arrays=plan.opens_arrays,
            is_own=reader.is_own,
            take=self._paths.take,
            router=router,
            gaps=self._gaps,
            counts=counts,
        )
        pattern = decoding.message_pattern
        # Texts of this many characters are searched within milliseconds.
        self._at_once = min(
            router.at_once, *(path.at_once for path in _paths(settings)), ANY_LENGTH
        )
        if pattern is not None:
            self._at_once = min(self._at_once, pattern.at_once)
        self._reader = PayloadReader(
            decoding, codec_of(decoding), unreadable=self._paths.slow.take_unreadable
        )

    def dialing(self, origin: Origin) -> None:
        """Add a connection that may bring messages (see `ConnectionObserver`)."""
        if self._deduplicator is not None:
            self._deduplicator.dialing(origin)
        if self._common is not None:
            self._common.dialing(origin)
        self._gaps.dialing(origin)

    def dropped(self, origin: Origin) -> None:
        """Remove a connection (see `ConnectionObserver`)."""
        if self._deduplicator is not None:
            self._deduplicator.dropped(origin)
        if self._common is not None:
            self._common.dropped(origin)
        self._gaps.dropped(origin)

    def outage_ended(self, group: int, seconds: float) -> None:
        """Keep an outage for the next record (see `ConnectionObserver`)."""
        self._gaps.outage_ended(group, seconds)

    def first_ignored(self) -> str:
        """Return the first document that was ignored (see `ConnectionObserver`)."""
        return self._router.first_ignored()

    def paused(self) -> None:
        """Stop the clock (see `ConnectionObserver`)."""
        self._clock.pause()

    def resumed(self) -> None:
        """Go on with the clock (see `ConnectionObserver`)."""
        self._clock.resume()

    def consume(
        self,
        origin: Origin,
        payloads: list[bytes],
        binary: bool,  # noqa: FBT001 - the `BatchHandler` protocol
        room: int | None,
    ) -> BatchResult:
        """Take a batch of messages (see `BatchHandler`)."""
        batch = Batch(origin, self._now_ns(), room, binary=binary)
        self._take_groups(batch, self._groups(batch, payloads), beside=False)
        return batch.result

    def _take_groups(
        self, batch: Batch, groups: Iterator[list[bytes]], *, beside: bool
    ) -> None:
        """Take messages until the run or the feed is over.

        Args:
            batch: What they belong to.
            groups: The messages, without the feed's own compression.
            beside: The loop goes on meanwhile; else a rest may be left (`BatchResult`).
        """
        try:
            try:
                for group in groups:
                    if beside or not self._takes_long(batch, group):
                        self._take_group(batch, group, beside=beside)
                    elif not self._passes(batch, group):
                        self._leave(batch, itertools.chain((group,), groups))
                        return
                    if batch.is_over:
                        break
            finally:
                # What came before a fatal message was received, and is written.
                self._emitter.put(batch.arrival)
            # Last, since it may end the run: a batch that ends it anyway has gaps, too.
            self._gaps.act(batch)
        except TapError as error:
            batch.result.error = error
        except StoppedError:
            _LOGGER.warning(
                "The run ended within a message; %s taken",
                counted(
                    batch.result.records,
                    "of its records was",
                    "of its records were",
                ),
            )
        if self._common is not None:
            self._common.took(batch.arrival.origin, batch.result)
        self._gaps.taken(batch)
        self._counts.missing = self._gaps.missing

    def _groups(self, batch: Batch, payloads: list[bytes]) -> Iterator[list[bytes]]:
        """Yield messages without the feed's own compression, some at once.

        Raises:
            TapError: When one of them is fatal.
        """
        if self._router.looks_at_frames(batch):
            payloads = self._without_taken(batch, payloads)
        if batch.binary and self._reader.inflates:
            yield from self._reader.inflated(batch, payloads)
        elif payloads:
            yield payloads

    def _takes_long(self, batch: Batch, group: list[bytes]) -> bool:
        """Return whether the loop is not to wait until messages are taken."""
        if self._reader.inflates:
            # Many small ones may have come as next to nothing.
            size = batch.result.taken + sum(map(len, group))
            return size > _LOOP_BYTES or any(map(self._is_long, group))
        if self._at_once < ANY_LENGTH:
            return any(map(self._is_long, group))
        # A transport hands a large message on alone.
        return is_large(group[0])

    def _is_long(self, message: bytes) -> bool:
        return is_large(message) or len(message) > self._at_once

    def _passes(self, batch: Batch, group: list[bytes]) -> bool:
        """Take a large message at once, if it is a record as it stands.

        To hand it to another thread and back takes as long as to take it.

        Returns:
            Whether it was taken.
        """
        return (
            not batch.binary
            and len(group) == 1
            and len(group[0]) <= _LOOP_BYTES
            and self._gaps.is_idle
            and self._paths.passes(batch, group[0])
        )

    def _leave(self, batch: Batch, groups: Iterator[list[bytes]]) -> None:
        """Leave the rest of a batch to another thread.

        Pages have no timers there: what there is goes before it, and its own at once.
        """
        self._emitter.put(batch.arrival)
        self._emitter.flush()

        def rest() -> None:
            self._take_groups(batch, groups, beside=True)
            self._emitter.flush()

        batch.result.rest = rest

    def _take_group(self, batch: Batch, group: list[bytes], *, beside: bool) -> None:
        """Take messages as far as the run and the feed go.

        Raises:
            TapError: When one of them is fatal.
        """
        take = self._large.take if beside else self._paths.take
        decoded = self._reader.decoded(batch, group) if batch.binary else (group,)
        for messages in decoded:
            for part in self._gaps.noted(batch, messages):
                take(batch, part)
                if batch.is_over:
                    return

    def _without_taken(self, batch: Batch, payloads: list[bytes]) -> list[bytes]:
        """Return the messages that are data, as far as their frames tell.

        Raises:
            FeedError: With `then: fail`.
        """
        result = batch.result
        left: list[bytes] = []
        for payload in payloads:
            if batch.is_over:
                break
            if self._router.take_frame(batch, payload):
                result.taken += len(payload)
                self._counts.ignored += 1
            else:
                left.append(payload)
        return left

    def count_missing(self) -> None:
        """Count the numbers that are still missing at the end of a run."""
        self._gaps.settle()
        self._counts.missing = self._gaps.missing

    def warn_of_paths(self) -> None:
        """Warn of paths that matched in no document of the run."""
        for where in self._extractor.unmatched:
            _LOGGER.warning(
                "%s: the path matched in no document of the run; check it, and that "
                "message_rules leave only data",
                where,
            )
        for where in self._gaps.unmatched:
            _LOGGER.warning(
                "%s: the path found nothing beside any record of the run, so it is not "
                "known which numbers are missing; check it",
                where,
            )


def _paths(settings: Settings) -> Iterator[Path]:
    """Yield the JSONPaths that documents and records are searched by."""
    decoding, continuity = settings.decoding, settings.continuity
    yield from decoding.json_fields
    yield from (path for _, path in decoding.message_fields)
    if decoding.records_path is not None:
        yield decoding.records_path
    if continuity.deduplicate is not None:
        yield from continuity.deduplicate.by
    sequence = continuity.sequence
    if sequence is not None:
        paths = (sequence.path, sequence.first, sequence.previous, *sequence.by)
        yield from (path for path in paths if path is not None)
