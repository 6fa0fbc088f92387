"""What a batch of messages becomes: records in pages, or something else.

Runs in the loop's thread. The common case, a JSON object that fits the columns,
passes as the bytes that the server sent; everything else goes the slow way.
"""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING

from tap_websocket.columns.payload_check import any_may_need_slow_path
from tap_websocket.errors import TapError
from tap_websocket.records.batch import AdaptiveBatchSize, Batch, take_fast
from tap_websocket.records.document_reader import DocumentReader
from tap_websocket.records.extractor import Extractor
from tap_websocket.records.formats import codec_of, is_utf8
from tap_websocket.records.gap_watch import GapWatch
from tap_websocket.records.payloads import PayloadReader
from tap_websocket.records.sliced_path import SlicedPath
from tap_websocket.records.slicer import make_slicer
from tap_websocket.records.slow_path import SlowPath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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
        self._decoding = decoding
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
        self._documents = DocumentReader(decoding, self._extractor, documents)
        self._single_column = plan.single_column
        # Whether a message is one record, or an array of them, as it stands.
        self._passes_messages = self._documents.is_own and decoding.takes_payloads_whole
        self._batch_size = AdaptiveBatchSize()
        self._deduplicator = deduplicator
        self._clock = clock
        self._gaps = GapWatch(
            settings, tracker=tracker, emitter=emitter, documents=self._documents
        )
        self._slow = SlowPath(
            decoding,
            documents=self._documents,
            router=router,
            emitter=emitter,
            gaps=self._gaps,
            counts=counts,
        )
        self._sliced = self._make_sliced_path()
        self._reader = PayloadReader(
            decoding, codec_of(decoding), unreadable=self._slow.take_unreadable
        )

    def _make_sliced_path(self) -> SlicedPath | None:
        if not self._documents.is_own:
            return None
        slicer = make_slicer(
            self._decoding,
            self._extractor,
            single_column=self._single_column,
            looked_at=self._router.looked_at,
        )
        if slicer is None:
            return None
        return SlicedPath(
            self._decoding,
            slicer,
            documents=self._documents,
            router=self._router,
            emitter=self._emitter,
            counts=self._counts,
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
                for plain, run in self._runs(part):
                    self._take_run(batch, run, plain=plain)
                    if plain and self._router.captures_from_data:
                        origin = batch.arrival.origin
                        self._router.capture(
                            origin, reversed(run), self._documents.parsed
                        )
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

    def _runs(self, messages: list[bytes]) -> Iterator[tuple[bool, list[bytes]]]:
        """Yield messages in order: runs that are plain data, and others."""
        may_match = self._router.prefilter
        if self._router.idle:
            yield True, messages
        elif may_match is None or not self._documents.is_own:
            yield False, messages
        else:
            for found, run in itertools.groupby(messages, may_match):
                yield not found, list(run)

    def _take_run(self, batch: Batch, run: list[bytes], *, plain: bool) -> None:
        """Take messages: as they are while they can be, else one by one.

        Raises:
            TapError: When one of them is fatal.
        """
        start = 0
        while not self._emitter.is_settled and start < len(run) and not batch.is_over:
            # The sample ends within a batch: what follows may pass at once.
            self._slow.take(batch, run[start], plain=plain)
            start += 1
        run = run[start:] if start else run
        if plain and self._passes_messages:

            def fast(part: list[bytes]) -> int:
                return self._pass(batch, part)

            def slow(part: list[bytes], _: int) -> bool:
                return self._take_each(batch, part, plain=True, edits=True)

            take_fast(run, self._batch_size, fast, slow)
        else:
            self._take_each(batch, run, plain=plain)

    def _take_each(
        self, batch: Batch, part: list[bytes], *, plain: bool, edits: bool = False
    ) -> bool:
        """Take messages one by one: by their bytes if it can be, else read whole.

        Args:
            batch: What they belong to.
            part: The messages.
            plain: No rule or reply can match them.
            edits: A message that is an object is a record as it stands.

        Returns:
            Whether more may be taken.

        Raises:
            TapError: When one of them is fatal.
        """
        sliced = self._sliced_path(plain=plain)
        edits = edits and sliced is not None and not self._single_column
        checked = edits and not any_may_need_slow_path(b"".join(part))
        for index, payload in enumerate(part):
            if batch.is_over:
                return False
            version = self._emitter.version
            if not (
                sliced is not None
                and (payload.isascii() or is_utf8(payload))
                and (
                    self._edit(batch, payload, checked=checked)
                    if edits and payload[:1] == b"{"
                    else sliced.take(batch, payload, plain=plain)
                )
            ):
                self._slow.take(batch, payload, plain=plain)
            if edits and self._emitter.version != version:
                self._emitter.prepare(part[index + 1 :])
        return True

    def _sliced_path(self, *, plain: bool) -> SlicedPath | None:
        """Return what cuts messages up, where that is right for these now."""
        sliced = self._sliced
        if sliced is None or not (plain or sliced.takes_rules):
            return None
        # Where the feed's numbers stand in its records, each of these is looked at.
        if self._gaps.asks_records or not self._emitter.is_settled:
            return None
        return sliced

    def _edit(self, batch: Batch, payload: bytes, *, checked: bool) -> bool:
        """Take a message that is one record, and change only what does not fit.

        Returns:
            Whether it was taken; else it has to be read whole.
        """
        new = self._emitter.edit(batch.arrival, payload, checked=checked)
        if new is None:
            return False
        result = batch.result
        result.taken += len(payload)
        if new:
            result.messages += 1
            result.records += 1
        else:
            result.deduplicated += 1
        return True

    def _pass(self, batch: Batch, part: list[bytes]) -> int:
        """Take messages whose bytes are records as they stand.

        Returns:
            How many of them, from the first on, are.
        """
        self._emitter.put(batch.arrival)
        passed, new = self._emitter.pass_on(
            batch.arrival,
            part[: batch.left],
            # Unchecked text is as uncertain as what came in binary frames.
            binary=batch.binary or self._decoding.takes_any_text,
        )
        if passed:
            taken = part if passed == len(part) else part[:passed]
            # To join them is the fastest way to add their lengths up.
            batch.result.taken += len(b"".join(taken))
            batch.result.messages += new
            batch.result.records += new
            batch.result.deduplicated += passed - new
        return passed

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
