"""What a batch of messages becomes: records in pages, or something else.

Runs in the loop's thread. The common case, a JSON object that fits the columns,
passes as the bytes that the server sent; everything else goes the slow way.
"""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING

from tap_websocket.columns.payload_check import any_may_need_slow_path
from tap_websocket.errors import ParseError, TapError
from tap_websocket.expressions.documents import Document
from tap_websocket.feed.inbound import CloseAction
from tap_websocket.logs import LogThrottle
from tap_websocket.records.batch import AdaptiveBatchSize, Batch, take_fast
from tap_websocket.records.decompression import PayloadTooBig, StreamBroken
from tap_websocket.records.document_reader import DocumentReader
from tap_websocket.records.extractor import Extractor, unread
from tap_websocket.records.formats import codec_of, is_utf8
from tap_websocket.records.gap_watch import GapWatch
from tap_websocket.records.payloads import PayloadReader
from tap_websocket.records.slicer import make_slicer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_websocket.counts import Counts
    from tap_websocket.feed.inbound import BatchResult, Origin
    from tap_websocket.records.deduplicate import Deduplicator
    from tap_websocket.records.emitter import RecordEmitter
    from tap_websocket.records.extractor import Extracted
    from tap_websocket.records.plan import RecordPlan
    from tap_websocket.records.router import MessageRouter, Route
    from tap_websocket.records.sequence import SequenceTracker
    from tap_websocket.records.slicer import SlicedDocument
    from tap_websocket.settings import Settings
    from tap_websocket.timers import StoppableClock

    Documents = Callable[[bytes], Sequence[bytes]]
    """Takes a message apart into documents."""

__all__ = ["MessageHandler"]

_LOGGER = logging.getLogger("tap-websocket")

_MAX_SHOWN = 200
_MAX_LOOKED_AT = 16 * 1024
"""Characters of a message that are logged at debug level, and bytes that they may be
made of: a secret that begins among them is found as a whole."""

_INFLATED_BYTES = 1024 * 1024
"""Messages that take more are not inflated before those in front of them are taken."""


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
        self._reader = PayloadReader(decoding, codec_of(decoding))
        self._single_column = plan.single_column
        # Whether a message is one record, or an array of them, as it stands.
        self._passes_messages = self._documents.is_own and decoding.takes_payloads_whole
        self._batch_size = AdaptiveBatchSize()
        self._slicer = (
            make_slicer(
                decoding,
                self._extractor,
                single_column=plan.single_column,
                looked_at=router.looked_at,
            )
            if self._documents.is_own
            else None
        )
        self._skip_log = LogThrottle(10.0)
        self._deduplicator = deduplicator
        self._clock = clock
        self._gaps = GapWatch(
            settings, tracker=tracker, emitter=emitter, documents=self._documents
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
        for messages in self._messages(batch, payloads):
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

    def _messages(
        self,
        batch: Batch,
        payloads: list[bytes],
    ) -> Iterator[list[bytes]]:
        """Yield the messages without the feed's own compression, and as JSON.

        Raises:
            ParseError: When one is not what `payload_compression` and `message_format`
                say; those before it were yielded.
        """
        if not batch.binary or not self._reader.changes:
            yield payloads
            return
        ready: list[bytes] = []
        size = 0
        for payload in payloads:
            if size >= _INFLATED_BYTES:
                yield ready
                ready, size = [], 0
            try:
                ready.append(self._reader.read(batch.arrival.origin, payload))
            except PayloadTooBig:
                yield ready
                batch.result.directive = CloseAction.TOO_BIG
                return
            except ParseError as error:
                yield ready
                ready, size = [], 0
                if batch.is_over:
                    return
                self._take_unreadable(batch, payload, error)
                if isinstance(error, StreamBroken):
                    # What follows on this connection cannot be read, either.
                    directive = batch.result.directive or CloseAction.BROKEN_STREAM
                    batch.result.directive = directive
                    return
            else:
                size += len(ready[-1])
        yield ready

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
            self._take(batch, run[start], plain=plain)
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
        settled = self._emitter.is_settled
        # Where the feed's numbers stand in its records, each of these is looked at.
        slices = (
            settled and not self._gaps.asks_records and self._can_slice(plain=plain)
        )
        edits = edits and slices and not self._single_column
        checked = edits and not any_may_need_slow_path(b"".join(part))
        for index, payload in enumerate(part):
            if batch.is_over:
                return False
            version = self._emitter.version
            if not (
                slices
                and (payload.isascii() or is_utf8(payload))
                and (
                    self._edit(batch, payload, checked=checked)
                    if edits and payload[:1] == b"{"
                    else self._take_sliced(batch, payload, plain=plain)
                )
            ):
                self._take(batch, payload, plain=plain)
            if edits and self._emitter.version != version:
                self._emitter.prepare(part[index + 1 :])
        return True

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

    def _can_slice(self, *, plain: bool) -> bool:
        """Return whether messages can be cut up; if not plain, as rules let."""
        slicer = self._slicer
        return slicer is not None and (plain or slicer.seen is not None)

    def _take_sliced(self, batch: Batch, payload: bytes, *, plain: bool) -> bool:
        """Take one message by its bytes, in the order of `_records`.

        Nothing is done before all of it was cut up: what cannot be is left as it was.

        Returns:
            Whether it was taken; else it has to be read whole.

        Raises:
            FeedError: When a rule says that it is fatal.
        """
        slicer, documents = self._slicer, self._documents
        if slicer is None:
            return False
        origin, result = batch.arrival.origin, batch.result
        cut: list[tuple[bytes, list[SlicedDocument]]] = []
        for document in documents.split(payload) if documents.splits else (payload,):
            sliced = slicer.slice(document, seen=not plain)
            if sliced is None:
                return False
            cut.append((document, sliced))
        result.taken += len(payload)
        before = result.records
        try:
            for document, sliced in cut:
                route = (
                    None
                    if plain
                    else self._router.route(origin, result, acted=batch.acted)
                )
                found = self._emit_sliced(batch, document, sliced, route)
                self._counts.ignored += not found
        finally:
            result.messages += result.records > before
        return True

    def _emit_sliced(
        self,
        batch: Batch,
        document: bytes,
        sliced: list[SlicedDocument],
        route: Route | None,
    ) -> bool:
        """Hand the records of a document on, past the rules; return whether it has any.

        Raises:
            FeedError: When a rule says that it is fatal.
        """
        if route is not None and route.asks_texts and self._takes_text(route, document):
            return False
        result, found = batch.result, False
        for part in sliced:
            if route is not None and self._is_taken(route, part, document):
                continue
            for record in part.records:
                found = True
                if self._emitter.take_text(batch.arrival, record):
                    result.records += 1
                else:
                    result.deduplicated += 1
        return found

    def _takes_text(self, route: Route, document: bytes) -> bool:
        text = document.decode()
        return route.takes_text(text, lambda: self._documents.look(text))

    def _is_taken(self, route: Route, part: SlicedDocument, document: bytes) -> bool:
        """Apply what looks at parsed documents to one that was cut up."""
        if not route.has_acted and route.passes(part.seen):
            return False
        has_groups = self._decoding.message_pattern is not None
        groups = (self._documents.groups(document.decode()) or {}) if has_groups else {}

        def look() -> Document:
            return Document(self._documents.value(part.document), groups)

        whole = document if part.is_whole else None
        return route.takes(Document(part.seen, groups), whole, look)

    def _take(self, batch: Batch, payload: bytes, *, plain: bool) -> None:
        """Take one message, parsed.

        Raises:
            TapError: When it is fatal.
        """
        origin, result = batch.arrival.origin, batch.result
        result.taken += len(payload)
        before = result.records
        try:
            for document in self._split(batch, payload):
                route = (
                    None
                    if plain
                    else self._router.route(origin, result, acted=batch.acted)
                )
                found = False
                try:
                    for record in self._documents.records(document, route):
                        found = True
                        self._emit(batch, payload, record)
                except ParseError as error:
                    self._give_up(batch, document, error)
                else:
                    self._counts.ignored += not found
        finally:
            result.messages += result.records > before
        if result.records > before:
            self._emitter.sampled(len(payload))

    def _emit(self, batch: Batch, payload: bytes, record: Extracted) -> None:
        """Hand a record of a message on, and count it."""
        watched = self._gaps.before(batch.arrival.origin, payload, record)
        if self._emitter.take(batch.arrival, record):
            batch.result.records += 1
        else:
            batch.result.deduplicated += 1
        self._gaps.after(watched)

    def _split(self, batch: Batch, payload: bytes) -> Sequence[bytes]:
        """Split a message into documents.

        Raises:
            ParseError: When that is not possible, with `on_parse_error: fail`.
        """
        try:
            return self._documents.split(payload)
        except ParseError as error:
            self._give_up(batch, payload, error)
            return ()

    def _take_unreadable(self, batch: Batch, payload: bytes, error: ParseError) -> None:
        """Take a message of which nothing can be read.

        Raises:
            ParseError: With `on_parse_error: fail`.
        """
        result = batch.result
        result.taken += len(payload)
        before = result.records
        self._give_up(batch, payload, error)
        if result.records > before:
            result.messages += 1
            self._emitter.sampled(len(payload))

    def _give_up(self, batch: Batch, document: bytes, error: ParseError) -> None:
        """Do with a document that cannot be read as `on_parse_error` says.

        Raises:
            ParseError: With `fail`.
        """
        error.kind = "binary message" if batch.binary else "text message"
        self._show(document)
        match self._decoding.on_parse_error:
            case "fail":
                raise error
            case "skip":
                self._counts.skipped += 1
                what = "was skipped"
            case "rescue":
                self._emit(batch, document, unread(document))
                what = "went to _rescued_data"
        self._skip_log(
            _LOGGER,
            "A %s of %d bytes could not be read and %s: %s",
            error.kind,
            len(document),
            what,
            error.reason,
        )

    def _show(self, document: bytes) -> None:
        """Log the beginning of a document, for who looks for the reason."""
        if _LOGGER.isEnabledFor(logging.DEBUG):
            text = document[:_MAX_LOOKED_AT].decode(errors="backslashreplace")
            _LOGGER.debug("It begins with %s", self._router.excerpt(text, _MAX_SHOWN))

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
