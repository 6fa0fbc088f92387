"""What a batch of messages becomes: records in pages, or something else.

Runs in the loop's thread. The common case, a JSON object that fits the columns,
passes as the bytes that the server sent; everything else goes the slow way.
"""

from __future__ import annotations

import datetime as dt
import itertools
import logging
from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext, layout
from tap_websocket.columns import RESCUED
from tap_websocket.decode import Decoder, Row
from tap_websocket.errors import ParseError, TapError
from tap_websocket.inference import infer
from tap_websocket.limit import RateLimit
from tap_websocket.payloads import PayloadTooBig, decompress
from tap_websocket.source import Directive, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_websocket.columns import Columns
    from tap_websocket.counts import Counts
    from tap_websocket.judge import Judge
    from tap_websocket.pages import Pager
    from tap_websocket.passage import Passage
    from tap_websocket.settings import Settings
    from tap_websocket.source import Source
    from tap_websocket.templates import Document

__all__ = ["Intake"]

_LOGGER = logging.getLogger("tap-websocket")
_LONG_LINE_BYTES = 5 * 1024 * 1024
_DECODED_SIZE = 16
_WIDEST = 1024

Record = dict[str, Any]


class Intake:
    """Takes messages and puts their records into pages."""

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        settings: Settings,
        *,
        plan: layout.Layout,
        judge: Judge,
        pager: Pager,
        counts: Counts,
        now_ns: Callable[[], int],
        settled: Callable[[Columns], None],
    ) -> None:
        """Make an intake; it samples first where the columns are to be inferred.

        Args:
            settings: All settings.
            plan: Makes the columns.
            judge: Tells what is no data.
            pager: Takes the records.
            counts: Counts that the intake keeps.
            now_ns: The wall clock, in nanoseconds since the epoch.
            settled: Called with the columns, before the first record.
        """
        self._settings = settings
        self._plan = plan
        self._judge = judge
        self._pager = pager
        self._counts = counts
        self._now_ns = now_ns
        self._settled = settled
        self._decoder = Decoder(
            settings.decode,
            whole=plan.whole,
            opens_arrays=plan.opens_arrays,
        )
        self._columns: Columns | None = None
        self._version = -1
        self.passage: Passage | None = None
        self._width = _WIDEST
        self._sample = _Sample(settings)
        self._skip_log = RateLimit(10.0)
        self._warned_of_length = False
        if not plan.infers:
            self._use(plan.columns())

    def consume(
        self,
        source: Source,
        payloads: list[bytes],
        binary: bool,  # noqa: FBT001 - the `Consume` protocol
        room: int | None,
    ) -> Outcome:
        """Take a batch of messages (see `Consume`)."""
        outcome = Outcome()
        batch = _Batch(source, outcome, _rfc3339(self._now_ns()), room, binary=binary)
        try:
            for messages in self._decompressed(payloads, outcome, binary=binary):
                for plain, run in self._runs(messages):
                    self._take_run(batch, run, plain=plain)
                    if plain and self._judge.takes_notes:
                        self._judge.note(source, reversed(run), self._parsed)
                    if batch.is_over:
                        return outcome
        except TapError as error:
            outcome.error = error
        return outcome

    def _decompressed(
        self,
        payloads: list[bytes],
        outcome: Outcome,
        *,
        binary: bool,
    ) -> Iterator[list[bytes]]:
        """Yield the messages without the feed's own compression.

        Raises:
            ParseError: When one is not what `payload_compression` says; those before
                it were yielded.
        """
        decode = self._settings.decode
        if decode.payload_compression == "none" or not binary:
            yield payloads
            return
        ready: list[bytes] = []
        for payload in payloads:
            try:
                ready.append(
                    decompress(
                        payload, decode.payload_compression, decode.max_message_bytes
                    ),
                )
            except PayloadTooBig:
                yield ready
                outcome.directive = Directive.TOO_BIG
                return
            except ParseError as error:
                yield ready
                ready = []
                self._skip(error, len(payload))
        yield ready

    def _runs(self, messages: list[bytes]) -> Iterator[tuple[bool, list[bytes]]]:
        """Yield messages in order: runs that are plain data, and others."""
        if self._judge.idle:
            yield True, messages
        elif (may_match := self._judge.prefilter) is None:
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

        How many are tried at once follows what the feed sends: a message that is not
        for the passage costs a second look at those that stand before it.

        Raises:
            TapError: When one of them is fatal.
        """
        start = 0
        while start < len(run) and not batch.is_over:
            if plain and self.passage is not None:
                width = min(self._width, batch.left or self._width)
                part = run[start : start + width]
                passed = self._pass(batch, part, self.passage)
                start += passed
                if passed == len(part):
                    self._width = min(2 * self._width, _WIDEST)
                    continue
                self._width = max(self._width // 2, 1)
            self._take(batch, run[start], plain=plain)
            start += 1

    def _pass(self, batch: _Batch, part: list[bytes], passage: Passage) -> int:
        """Take messages whose bytes are records as they stand.

        Returns:
            How many of them, from the first on, are.
        """
        added = self._added(batch)
        added.pop(layout.SEQUENCE, None)
        lines = passage.take(batch.source, part, added, binary=batch.binary)
        count = len(lines)
        if count:
            taken = part if count == len(part) else part[:count]
            batch.outcome.taken += sum(map(len, taken))
            batch.outcome.messages += count
            batch.outcome.records += count
            self._hand_on(lines)
        return count

    def settle(self) -> None:
        """Infer the columns from what was sampled so far, and emit the sample.

        Raises:
            SchemaError: When a sampled record lacks a key.
        """
        if self._columns is not None:
            return
        stream = self._settings.stream
        schema = infer(
            ({**row.record, **row.fields} for row, _, _ in self._sample.records),
            nested=stream.infer_nested,
            keys=stream.primary_keys,
        )
        self._use(self._plan.columns(schema))
        sample, self._sample = self._sample, _Sample(self._settings)
        for row, added, size in sample.records:
            self._emit(row, added, size)

    def _use(self, columns: Columns) -> None:
        self._columns = columns
        self._settled(columns)
        self._pager.use_schema(columns.schema)
        self._refresh(columns)

    def _refresh(self, columns: Columns) -> None:
        """Compile the test of payloads for the columns as they are now."""
        self._version = columns.version
        self.passage = self._plan.passage(columns)

    def _take(self, batch: _Batch, payload: bytes, *, plain: bool) -> None:
        """Take one message.

        Raises:
            TapError: When it is fatal.
        """
        source, outcome = batch.source, batch.outcome
        outcome.taken += len(payload)
        before = outcome.records
        for document in self._decoder.documents(payload):
            hearing = None if plain else self._judge.hearing(source, outcome)
            found = outcome.records
            try:
                for row in self._decoder.rows(document, hearing):
                    source.sequence += 1
                    self._emit(row, self._added(batch), len(document))
                    outcome.records += 1
            except ParseError as error:
                self._skip(error, len(document))
            else:
                self._counts.ignored += outcome.records == found
        if outcome.records > before:
            outcome.messages += 1
            if self._columns is None and self._sample.took(len(payload)):
                self.settle()

    def _skip(self, error: ParseError, size: int) -> None:
        """Count and log what cannot be read.

        Raises:
            ParseError: With `on_parse_error: fail`.
        """
        if self._settings.decode.on_parse_error == "fail":
            raise error
        self._counts.skipped += 1
        self._skip_log(
            _LOGGER,
            "A message of %d bytes could not be read and was skipped",
            size,
        )

    def _added(self, batch: _Batch) -> Record:
        """Return the values of the columns that the tap adds (`added_columns`)."""
        decode, source = self._settings.decode, batch.source
        added: Record = {}
        if decode.envelope:
            added[layout.ENVELOPE_RECEIVED_AT] = batch.stamp
            added[layout.ENVELOPE_URL] = source.url
        if decode.record_metadata:
            added[layout.RECEIVED_AT] = batch.stamp
            added[layout.CONNECTION] = source.number
            added[layout.SEQUENCE] = source.sequence
        added.update(source.context)
        for name in self._plan.deselected & added.keys():
            del added[name]
        return added

    def _emit(self, row: Row, added: Record, size: int) -> None:
        columns = self._columns
        if columns is None:
            self._sample.records.append((row, added, size))
            return
        fitted = columns.fit(row.record, added, row.fields, row.aside)
        if fitted.get(RESCUED) is not None:
            self._counts.rescued += 1
        self._pager.use_schema(columns.schema)
        self._hand_on([jsontext.dumps(fitted)])
        if columns.version != self._version:
            self._refresh(columns)

    def _hand_on(self, lines: list[bytes]) -> None:
        if not self._warned_of_length:
            longest = max(map(len, lines))
            if longest > _LONG_LINE_BYTES:
                self._warned_of_length = True
                _LOGGER.warning(
                    "A record takes %d bytes: Meltano stops a pipeline at such a line; "
                    "raise its elt.buffer_size to twice the longest one",
                    longest,
                )
        self._pager.extend(lines)


class _Batch:
    """Messages that came together."""

    __slots__ = ("_room", "binary", "outcome", "source", "stamp")

    def __init__(
        self,
        source: Source,
        outcome: Outcome,
        stamp: str,
        room: int | None,
        *,
        binary: bool,
    ) -> None:
        self.source = source
        self.outcome = outcome
        self.stamp = stamp
        self._room = room
        self.binary = binary

    @property
    def left(self) -> int | None:
        """How many more messages the run has room for, or None for any number."""
        return None if self._room is None else self._room - self.outcome.messages

    @property
    def is_over(self) -> bool:
        """Whether nothing more of it may be taken."""
        return self.left == 0 or self.outcome.directive is Directive.STOP


class _Sample:
    """The records that the columns will be inferred from."""

    def __init__(self, settings: Settings) -> None:
        self.records: list[tuple[Row, Record, int]] = []
        self._messages = settings.stream.infer_messages
        self._bytes = settings.delivery.buffer_bytes // _DECODED_SIZE

    def took(self, size: int) -> bool:
        """Count a message; tell whether the sample is complete."""
        self._messages -= 1
        self._bytes -= size
        return self._messages <= 0 or self._bytes <= 0


def _rfc3339(now_ns: int) -> str:
    """Return a time as RFC 3339 in UTC, with microseconds."""
    seconds, rest = divmod(now_ns, 1_000_000_000)
    time = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return f"{time:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"
