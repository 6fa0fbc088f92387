"""What a batch of messages becomes: records in pages, or something else.

Runs in the loop's thread. The common case, a JSON object that fits the columns,
passes as the bytes that the server sent; everything else goes the slow way.
"""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING, Any

from tap_websocket.errors import ParseError, TapError
from tap_websocket.feed.inbound import BatchResult, CloseAction
from tap_websocket.logs import LogThrottle
from tap_websocket.records.decompression import PayloadTooBig, StreamBroken
from tap_websocket.records.emitter import AdaptiveBatchSize, Arrival
from tap_websocket.records.extractor import Decoder, unread
from tap_websocket.records.payloads import PayloadReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_websocket.counts import Counts
    from tap_websocket.expressions.documents import Document
    from tap_websocket.feed.inbound import Origin
    from tap_websocket.records.emitter import RecordEmitter
    from tap_websocket.records.extractor import Documents
    from tap_websocket.records.fast_path import FastPath
    from tap_websocket.records.plan import RecordPlan
    from tap_websocket.records.router import MessageRouter
    from tap_websocket.settings import Settings

__all__ = ["MessageHandler"]

_LOGGER = logging.getLogger("tap-websocket")
_WIDEST = 1024
_INFLATED_BYTES = 1024 * 1024
"""Messages that take more are not inflated before those in front of them are taken."""

Record = dict[str, Any]


class MessageHandler:
    """Takes messages and puts their records into pages."""

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        settings: Settings,
        *,
        plan: RecordPlan,
        judge: MessageRouter,
        recorder: RecordEmitter,
        counts: Counts,
        now_ns: Callable[[], int],
        documents: Documents | None = None,
    ) -> None:
        """Make an intake.

        Args:
            settings: All settings.
            plan: What records are to become.
            judge: Tells what is no data.
            recorder: Takes the records.
            counts: Counts that the intake keeps.
            now_ns: The wall clock, in nanoseconds since the epoch.
            documents: Takes a message apart, in the place of `record_separator`. Its
                documents need not look like the message.
        """
        self._settings = settings
        self._judge = judge
        self._counts = counts
        self._now_ns = now_ns
        self._decoder = Decoder(
            settings.decoding,
            whole=plan.whole,
            opens_arrays=plan.opens_arrays,
            documents=documents,
        )
        self._reader = PayloadReader(settings.decoding)
        self._reads_messages = documents is None
        self._recorder = recorder
        self._width = AdaptiveBatchSize()
        self._passes_messages = (
            self._reads_messages and settings.decoding.takes_payloads_whole
        )
        self._skip_log = LogThrottle(10.0)

    @property
    def passage(self) -> FastPath | None:
        """The way of messages that are records as they stand, while there is one."""
        return self._recorder.passage

    def consume(
        self,
        source: Origin,
        payloads: list[bytes],
        binary: bool,  # noqa: FBT001 - the `BatchHandler` protocol
        room: int | None,
    ) -> BatchResult:
        """Take a batch of messages (see `BatchHandler`)."""
        outcome = BatchResult()
        batch = _Batch(source, outcome, self._now_ns(), room, binary=binary)
        try:
            try:
                self._take_batch(batch, payloads)
            finally:
                self._recorder.put(batch.arrival)
        except TapError as error:
            outcome.error = error
        return outcome

    def _take_batch(self, batch: _Batch, payloads: list[bytes]) -> None:
        """Take messages until the run or the feed is over.

        Raises:
            TapError: When one of them is fatal.
        """
        for messages in self._messages(batch, payloads):
            for plain, run in self._runs(messages):
                self._take_run(batch, run, plain=plain)
                if plain and self._judge.takes_notes:
                    self._judge.note(batch.arrival.source, reversed(run), self._parsed)
                if batch.is_over:
                    return

    def _messages(
        self,
        batch: _Batch,
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
                ready.append(self._reader.read(batch.arrival.source, payload))
            except PayloadTooBig:
                yield ready
                batch.outcome.directive = CloseAction.TOO_BIG
                return
            except ParseError as error:
                yield ready
                ready, size = [], 0
                if batch.is_over:
                    return
                self._take_unreadable(batch, payload, error)
                if isinstance(error, StreamBroken):
                    # What follows on this connection cannot be read, either.
                    directive = batch.outcome.directive or CloseAction.BROKEN_STREAM
                    batch.outcome.directive = directive
                    return
            else:
                size += len(ready[-1])
        yield ready

    def _runs(self, messages: list[bytes]) -> Iterator[tuple[bool, list[bytes]]]:
        """Yield messages in order: runs that are plain data, and others."""
        may_match = self._judge.prefilter
        if self._judge.idle:
            yield True, messages
        elif may_match is None or not self._reads_messages:
            yield False, messages
        else:
            for told, run in itertools.groupby(messages, may_match):
                yield not told, list(run)

    def _parsed(self, payload: bytes) -> Iterator[Document]:
        """Yield the documents of a message, the last one first."""
        for document in reversed(self._decoder.documents(payload)):
            yield from reversed(self._decoder.parsed(document))

    def _take_run(self, batch: _Batch, run: list[bytes], *, plain: bool) -> None:
        """Take messages: as they are while they can be, else one by one.

        Raises:
            TapError: When one of them is fatal.
        """
        start = 0
        passes = plain and self._passes_messages
        while start < len(run) and not batch.is_over:
            if passes and self.passage is not None:
                width = min(self._width.now, batch.left or _WIDEST)
                part = run[start : start + width]
                passed = self._pass(batch, part)
                start += passed
                if self._width.learn(passed, len(part)):
                    continue
            self._take(batch, run[start], plain=plain)
            start += 1

    def _pass(self, batch: _Batch, part: list[bytes]) -> int:
        """Take messages whose bytes are records as they stand.

        Returns:
            How many of them, from the first on, are.
        """
        self._recorder.put(batch.arrival)
        passed = self._recorder.pass_on(batch.arrival, part, binary=batch.binary)
        if passed:
            taken = part if passed == len(part) else part[:passed]
            # To join them is the fastest way to add their lengths up.
            batch.outcome.taken += len(b"".join(taken))
            batch.outcome.messages += passed
            batch.outcome.records += passed
        return passed

    def _take(self, batch: _Batch, payload: bytes, *, plain: bool) -> None:
        """Take one message.

        Raises:
            TapError: When it is fatal.
        """
        source, outcome = batch.arrival.source, batch.outcome
        outcome.taken += len(payload)
        before = outcome.records
        try:
            for document in self._documents(batch, payload):
                hearing = None if plain else self._judge.hearing(source, outcome)
                found = outcome.records
                try:
                    for row in self._decoder.rows(document, hearing):
                        self._recorder.take(batch.arrival, row)
                        outcome.records += 1
                except ParseError as error:
                    self._give_up(batch, document, error)
                else:
                    self._counts.ignored += outcome.records == found
        finally:
            outcome.messages += outcome.records > before
        if outcome.records > before:
            self._recorder.sampled(len(payload))

    def _documents(self, batch: _Batch, payload: bytes) -> Sequence[bytes]:
        """Take a message apart.

        Raises:
            ParseError: When that is not possible, with `on_parse_error: fail`.
        """
        try:
            return self._decoder.documents(payload)
        except ParseError as error:
            self._give_up(batch, payload, error)
            return ()

    def _take_unreadable(
        self, batch: _Batch, payload: bytes, error: ParseError
    ) -> None:
        """Take a message of which nothing can be read.

        Raises:
            ParseError: With `on_parse_error: fail`.
        """
        outcome = batch.outcome
        outcome.taken += len(payload)
        before = outcome.records
        self._give_up(batch, payload, error)
        if outcome.records > before:
            outcome.messages += 1
            self._recorder.sampled(len(payload))

    def _give_up(self, batch: _Batch, document: bytes, error: ParseError) -> None:
        """Do with a document that cannot be read as `on_parse_error` says.

        Raises:
            ParseError: With `fail`.
        """
        match self._settings.decoding.on_parse_error:
            case "fail":
                raise error
            case "skip":
                self._counts.skipped += 1
                what = "was skipped"
            case "rescue":
                self._recorder.take(batch.arrival, unread(document))
                batch.outcome.records += 1
                what = "went to _rescued_data"
        self._skip_log(
            _LOGGER,
            "A message of %d bytes could not be read and %s",
            len(document),
            what,
        )


class _Batch:
    """Messages that came together."""

    __slots__ = ("_room", "arrival", "binary", "outcome")

    def __init__(
        self,
        source: Origin,
        outcome: BatchResult,
        at: int,
        room: int | None,
        *,
        binary: bool,
    ) -> None:
        self.outcome = outcome
        self.arrival = Arrival(source, at)
        self._room = room
        self.binary = binary

    @property
    def left(self) -> int | None:
        """How many more messages the run has room for, or None for any number."""
        return None if self._room is None else self._room - self.outcome.messages

    @property
    def is_over(self) -> bool:
        """Whether nothing more of it may be taken."""
        return self.left == 0 or self.outcome.directive is CloseAction.STOP
