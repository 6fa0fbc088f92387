"""What a batch of messages becomes: records in pages, or something else.

Runs in the loop's thread. The common case, a JSON object that fits the columns,
passes as the bytes that the server sent; everything else goes the slow way.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tap_websocket.errors import TapError
from tap_websocket.records.batch import Batch
from tap_websocket.records.document_reader import DocumentReader
from tap_websocket.records.extractor import Extractor
from tap_websocket.records.formats import codec_of
from tap_websocket.records.gap_watch import GapWatch
from tap_websocket.records.paths import Paths
from tap_websocket.records.payloads import PayloadReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_websocket.counts import Counts
    from tap_websocket.feed.inbound import BatchResult, Origin
    from tap_websocket.records.deduplicate import Deduplicator
    from tap_websocket.records.emitter import RecordEmitter
    from tap_websocket.records.plan import RecordPlan
    from tap_websocket.records.router import MessageRouter
    from tap_websocket.records.sequence import SequenceTracker
    from tap_websocket.settings import Settings
    from tap_websocket.timers import StoppableClock

    Documents = Callable[[bytes], Sequence[bytes]]
    """Takes a message apart into documents."""

__all__ = ["MessageHandler"]

_LOGGER = logging.getLogger("tap-websocket")


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
            structured=decoding.is_structured,
        )
        reader = DocumentReader(decoding, self._extractor, documents)
        self._deduplicator = deduplicator
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
        self._reader = PayloadReader(
            decoding, codec_of(decoding), unreadable=self._paths.slow.take_unreadable
        )

    def dialing(self, origin: Origin) -> None:
        """Add a connection that may bring messages (see `ConnectionObserver`)."""
        if self._deduplicator is not None:
            self._deduplicator.dialing(origin)
        self._gaps.dialing(origin)

    def dropped(self, origin: Origin) -> None:
        """Remove a connection (see `ConnectionObserver`)."""
        if self._deduplicator is not None:
            self._deduplicator.dropped(origin)
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
        try:
            try:
                self._take_batch(batch, payloads)
            finally:
                # What came before a fatal message was received, and is written.
                self._emitter.put(batch.arrival)
            # Last, since it may end the run: a batch that ends it anyway has gaps, too.
            self._gaps.act(batch)
        except TapError as error:
            batch.result.error = error
        self._gaps.taken(batch)
        self._counts.missing = self._gaps.missing
        return batch.result

    def _take_batch(self, batch: Batch, payloads: list[bytes]) -> None:
        """Take messages until the run or the feed is over.

        Raises:
            TapError: When one of them is fatal.
        """
        if self._router.asks_frames:
            payloads = self._without_taken(batch, payloads)
        for messages in self._reader.messages(batch, payloads):
            for part in self._gaps.noted(batch, messages):
                self._paths.take(batch, part)
                if batch.is_over:
                    return

    def _without_taken(self, batch: Batch, payloads: list[bytes]) -> list[bytes]:
        """Return the messages that are data, as far as their frames tell.

        Raises:
            FeedError: With `then: fail`.
        """
        origin, result = batch.arrival.origin, batch.result
        left: list[bytes] = []
        for payload in payloads:
            if batch.is_over:
                break
            taken, batch.acted = self._router.take_frame(
                origin, result, payload, binary=batch.binary
            )
            if taken:
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
