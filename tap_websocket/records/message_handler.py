"""What a batch of messages becomes: records in pages, or something else.

Runs in the loop's thread. The common case, a JSON object that fits the columns,
passes as the bytes that the server sent; everything else goes the slow way.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from tap_websocket.columns.payload_check import any_may_need_slow_path
from tap_websocket.errors import FeedError, ParseError, TapError
from tap_websocket.expressions.documents import Document
from tap_websocket.expressions.pattern import JSON_GROUP
from tap_websocket.feed.inbound import CloseAction
from tap_websocket.logs import LogThrottle
from tap_websocket.records.batch import AdaptiveBatchSize, Batch, take_fast
from tap_websocket.records.decompression import PayloadTooBig, StreamBroken
from tap_websocket.records.extractor import Extractor, parsed_or_missing, unread
from tap_websocket.records.formats import codec_of, format_of, is_utf8
from tap_websocket.records.payloads import PayloadReader, split
from tap_websocket.records.slicer import make_slicer
from tap_websocket.records.views import partial_view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tap_websocket.counts import Counts
    from tap_websocket.feed.inbound import BatchResult, Origin
    from tap_websocket.records.deduplicate import Deduplicator
    from tap_websocket.records.emitter import RecordEmitter
    from tap_websocket.records.extractor import Extracted
    from tap_websocket.records.plan import RecordPlan
    from tap_websocket.records.router import MessageRouter, Route
    from tap_websocket.records.sequence import SequenceTracker, Watched
    from tap_websocket.records.slicer import SlicedDocument
    from tap_websocket.records.views import PartialView
    from tap_websocket.settings import Settings

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
        documents: Takes a message apart, in the place of `record_separator`. Its
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
        documents: Documents | None = None,
    ) -> None:
        decoding = settings.decoding
        separator = decoding.record_separator
        self._decoding = decoding
        self._router = router
        self._emitter = emitter
        self._counts = counts
        self._now_ns = now_ns
        self._format = format_of(decoding.message_format)
        self._extractor = Extractor(
            decoding,
            single_column=plan.single_column,
            opens_arrays=plan.opens_arrays,
            structured=self._format.structured,
        )
        self._reader = PayloadReader(decoding, codec_of(decoding))
        self._split = documents or (lambda payload: split(payload, separator))
        self._splits = documents is not None or separator is not None
        self._single_column = plan.single_column
        # Whether the bytes of a message tell what its documents are.
        self._reads_messages = documents is None
        self._passes_messages = self._reads_messages and decoding.takes_payloads_whole
        self._batch_size = AdaptiveBatchSize()
        self._slicer = (
            make_slicer(
                decoding,
                self._extractor,
                single_column=plan.single_column,
                looked_at=router.looked_at,
            )
            if self._reads_messages
            else None
        )
        self._skip_log = LogThrottle(10.0)
        self._deduplicator = deduplicator
        self._tracker = tracker
        self._continuity = settings.continuity
        self._has_metadata = decoding.record_metadata
        # Seconds of the outage of each group whose first record after it is to come.
        self._outages: dict[int, float] = {}
        self._numbers = self._number_view()
        # Identities of the messages at hand in whose documents no number was found: it
        # may be in their records.
        self._unnumbered: set[int] = set()
        self._numbers_in_records = False
        # Records of the run when numbers were last found missing (`on_gap`).
        self._records_at_gap = -1
        self._emitted = 0

    def _number_view(self) -> PartialView | None:
        """Return the view of the feed's numbers, where a message is one document."""
        decoding, sequence = self._decoding, self._continuity.sequence
        if (
            sequence is None
            or not (self._format.structured and self._reads_messages)
            or decoding.record_separator is not None
            or decoding.message_pattern is not None
            or decoding.json_fields
        ):
            return None
        paths = (sequence.path, sequence.first, sequence.previous, *sequence.by)
        return partial_view(path for path in paths if path is not None)

    def dialing(self, origin: Origin) -> None:
        """Add a connection that may bring messages (see `ConnectionObserver`)."""
        if self._deduplicator is not None:
            self._deduplicator.dialing(origin)
        if self._tracker is not None:
            self._tracker.dialing(origin)

    def dropped(self, origin: Origin) -> None:
        """Remove a connection (see `ConnectionObserver`)."""
        if self._deduplicator is not None:
            self._deduplicator.dropped(origin)
        if self._tracker is not None:
            self._tracker.dropped(origin)

    def outage_ended(self, group: int, seconds: float) -> None:
        """Keep an outage for the next record (see `ConnectionObserver`)."""
        if self._has_metadata:
            self._outages[group] = self._outages.get(group, 0.0) + seconds

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
        self._emitted += batch.result.records
        if self._tracker is not None:
            self._counts.missing = self._tracker.missing
        return batch.result

    def _take_batch(self, batch: Batch, payloads: list[bytes]) -> None:
        """Take messages until the run or the feed is over.

        Raises:
            TapError: When one of them is fatal.
        """
        if self._router.asks_frames:
            payloads = self._without_taken(batch, payloads)
        for messages in self._messages(batch, payloads):
            for part in self._noted(batch, messages):
                for plain, run in self._runs(part):
                    self._take_run(batch, run, plain=plain)
                    if plain and self._router.captures_from_data:
                        origin = batch.arrival.origin
                        self._router.capture(origin, reversed(run), self.parsed)
                    if batch.is_over:
                        return

    def _noted(self, batch: Batch, messages: list[bytes]) -> Iterator[list[bytes]]:
        """Yield messages in order: those alone whose record says what was missing.

        Raises:
            FeedError: When numbers are missing, with `on_gap: fail`.
        """
        group = batch.arrival.origin.group
        if self._outages and group in self._outages:
            self._emitter.put(batch.arrival)
            self._emitter.outage = self._outages.pop(group)
        tracker = self._tracker
        if tracker is None and self._emitter.outage is None:
            yield messages
            return
        ready: list[bytes] = []
        for message in messages:
            watched = None if tracker is None else self._watch(batch, message)
            missing = 0 if watched is None else watched.missing
            if not self._has_metadata or (
                missing == 0 and self._emitter.outage is None
            ):
                ready.append(message)
                continue
            if ready:
                yield ready
                ready = []
            self._emitter.put(batch.arrival)
            self._emitter.missing = missing
            yield [message]
            if watched is not None:
                # It is still to be said where the message has left no record.
                watched.missing = self._emitter.missing
            self._emitter.missing = 0
        if ready:
            yield ready
        if self._emitter.outage is not None:
            self._outages[group], self._emitter.outage = self._emitter.outage, None
        self._unnumbered.clear()
        if tracker is not None and tracker.broken:
            tracker.broken = False
            self._act_on_gap(batch)

    def _watch(self, batch: Batch, message: bytes) -> Watched | None:
        """Look at the numbers of a message; return those of its last key."""
        tracker = self._tracker
        assert tracker is not None  # noqa: S101 - the caller has looked
        origin, watched = batch.arrival.origin, None
        found = self._numbers_of(message)
        for document in self._values(message) if found is None else (found,):
            watched = tracker.observe(origin, document) or watched
        if watched is None:
            self._unnumbered.add(id(message))
        return watched

    def _values(self, message: bytes) -> Iterable[Any]:
        """Return the documents of a message as JSON values; none that is unreadable."""
        if self._passes_messages:
            # The message is one document, or an array of them.
            value = parsed_or_missing(message)
            return value if isinstance(value, list) else (value,)
        return [found.document for found in self.parsed(message)][::-1]

    def _numbers_of(self, message: bytes) -> Any:  # noqa: ANN401 - any JSON
        """Return what the tracker looks at of a message, without parsing it whole.

        Returns:
            None where it has to be parsed.
        """
        if self._numbers is None or message[:1] != b"{" or not is_utf8(message):
            return None
        try:
            return self._numbers.of(message)
        except (msgspec.MsgspecError, RecursionError):
            return None

    def _act_on_gap(self, batch: Batch) -> None:
        """Do what `on_gap` says about numbers that were found missing.

        Raises:
            FeedError: With `fail`.
        """
        sequence = self._continuity.sequence
        if sequence is None or sequence.on_gap == "log":
            return
        if sequence.on_gap == "fail":
            msg = (
                "sequence: numbers of the feed are missing (on_gap: fail); the log "
                "says which"
            )
            raise FeedError(msg)
        records = self._emitted + batch.result.records
        if records > self._records_at_gap:
            # Not twice without a record between: subscribing anew does not help then.
            self._records_at_gap = records
            if batch.result.directive in {None, CloseAction.REPLACE}:
                batch.result.directive = CloseAction.RECONNECT

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
        elif may_match is None or not self._reads_messages:
            yield False, messages
        else:
            for found, run in itertools.groupby(messages, may_match):
                yield not found, list(run)

    def _take_run(self, batch: Batch, run: list[bytes], *, plain: bool) -> None:
        """Take messages: as they are while they can be, else one by one.

        Raises:
            TapError: When one of them is fatal.
        """
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
        slices = settled and not self._unnumbered and self._can_slice(plain=plain)
        edits = edits and slices and not self._single_column
        checked = edits and not any_may_need_slow_path(b"".join(part))
        for payload in part:
            if batch.is_over:
                return False
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
        slicer = self._slicer
        if slicer is None:
            return False
        origin, result = batch.arrival.origin, batch.result
        cut: list[tuple[bytes, list[SlicedDocument]]] = []
        for document in self._split(payload) if self._splits else (payload,):
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
        return route.takes_text(text, lambda: self._look(text))

    def _is_taken(self, route: Route, part: SlicedDocument, document: bytes) -> bool:
        """Apply what looks at parsed documents to one that was cut up."""
        if not route.has_acted and route.passes(part.seen):
            return False
        has_groups = self._decoding.message_pattern is not None
        groups = (self._groups(document.decode()) or {}) if has_groups else {}

        def look() -> Document:
            value = self._format.value(part.document, None, {})
            return Document(self._extractor.documents(value)[0], groups)

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
        self._numbers_in_records = id(payload) in self._unnumbered
        try:
            for document in self._documents(batch, payload):
                route = (
                    None
                    if plain
                    else self._router.route(origin, result, acted=batch.acted)
                )
                found = False
                try:
                    for record in self._records(document, route):
                        found = True
                        self._emit(batch, record)
                except ParseError as error:
                    self._give_up(batch, document, error)
                else:
                    self._counts.ignored += not found
        finally:
            result.messages += result.records > before
        if result.records > before:
            self._emitter.sampled(len(payload))

    def _emit(self, batch: Batch, record: Extracted) -> None:
        """Hand a record on, and count it."""
        watched = None
        if self._numbers_in_records and self._tracker is not None:
            watched = self._tracker.observe(batch.arrival.origin, record.record)
            if watched is not None and self._has_metadata:
                self._emitter.missing = watched.missing
        if self._emitter.take(batch.arrival, record):
            batch.result.records += 1
        else:
            batch.result.deduplicated += 1
        if watched is not None and self._has_metadata:
            watched.missing = self._emitter.missing
            self._emitter.missing = 0

    def _documents(self, batch: Batch, payload: bytes) -> Sequence[bytes]:
        """Split a message into documents.

        Raises:
            ParseError: When that is not possible, with `on_parse_error: fail`.
        """
        try:
            return self._split(payload)
        except ParseError as error:
            self._give_up(batch, payload, error)
            return ()

    def _records(self, document: bytes, route: Route | None) -> Iterator[Extracted]:
        """Yield the records of a document; none where it is something else.

        This is the order of all steps (docs/feeds.md).

        Args:
            document: What was sent, split and decompressed.
            route: Takes what is no data; None where everything is data.

        Raises:
            ParseError: When the document is not what `message_format` says.
            FeedError: When a rule says that it is fatal.
        """
        text = self._format.text(document)
        if (
            route is not None
            and text is not None
            and route.takes_text(text, lambda: self._look(text))
        ):
            return
        groups = self._groups(text)
        if groups is None:
            return
        value = self._format.value(document, text, groups)
        documents = self._extractor.documents(value)
        # An item of an array has no text of its own.
        whole = None if documents is value else text or ""
        for found in documents:
            if route is not None and route.asks_documents:
                seen = self._seen(found, text, groups)
                if route.takes(seen, whole):
                    continue
            yield from self._extractor.records(found, groups)

    def _groups(self, text: str | None) -> Mapping[str, str | None] | None:
        """Return what `message_pattern` finds; None where the document is ignored."""
        pattern = self._decoding.message_pattern
        if pattern is None or text is None:
            return {}
        return pattern.groups(text)

    def _seen(
        self,
        value: Any,  # noqa: ANN401 - any JSON
        text: str | None,
        groups: Mapping[str, str | None],
    ) -> Document:
        """Return a document as rules look at it: as JSON, whatever the format."""
        if self._format.structured:
            return Document(value, groups)
        return Document() if text is None else self._look(text)

    def _look(self, text: str) -> Document:
        """Parse and search a text; what is not JSON is `MISSING`."""
        groups = self._groups(text) or {}
        return Document(parsed_or_missing(groups.get(JSON_GROUP) or text), groups)

    def parsed(self, payload: bytes) -> Iterator[Document]:
        """Yield the documents of a message as rules look at them, the last one first.

        What cannot be read is nothing here: it is reported where it is taken.
        """
        for document in reversed(self._split(payload)):
            with contextlib.suppress(ParseError):
                text = self._format.text(document)
                groups = self._groups(text)
                if groups is not None:
                    value = self._format.value(document, text, groups)
                    for found in reversed(self._extractor.documents(value)):
                        yield self._seen(found, text, groups)

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
                self._emit(batch, unread(document))
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
        if self._tracker is not None:
            self._tracker.settle()
            self._counts.missing = self._tracker.missing

    def warn_of_paths(self) -> None:
        """Warn of paths that matched in no document of the run."""
        for where in self._extractor.unmatched:
            _LOGGER.warning(
                "%s: the path matched in no document of the run; check it, and that "
                "message_rules leave only data",
                where,
            )
