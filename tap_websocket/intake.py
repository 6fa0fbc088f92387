"""What a batch of messages becomes: records in pages, or something else.

Runs in the loop's thread. The common case, a JSON object that fits the columns,
passes as the bytes that the server sent; everything else goes the slow way.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext, layout
from tap_websocket.columns import RESCUED
from tap_websocket.decode import Decoder
from tap_websocket.errors import ParseError, TapError
from tap_websocket.inference import infer
from tap_websocket.limit import RateLimit
from tap_websocket.source import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.columns import Columns
    from tap_websocket.counts import Counts
    from tap_websocket.pages import Pager
    from tap_websocket.passage import Passage
    from tap_websocket.settings import Settings
    from tap_websocket.source import Source

__all__ = ["Intake"]

_LOGGER = logging.getLogger("tap-websocket")
_LONG_LINE_BYTES = 5 * 1024 * 1024
_DECODED_SIZE = 16

Record = dict[str, Any]


class Intake:
    """Takes messages and puts their records into pages."""

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        settings: Settings,
        *,
        plan: layout.Layout,
        pager: Pager,
        counts: Counts,
        now_ns: Callable[[], int],
        settled: Callable[[Columns], None],
    ) -> None:
        """Make an intake; it samples first where the columns are to be inferred.

        Args:
            settings: All settings.
            plan: Makes the columns.
            pager: Takes the records.
            counts: Counts that the intake keeps.
            now_ns: The wall clock, in nanoseconds since the epoch.
            settled: Called with the columns, before the first record.
        """
        self._settings = settings
        self._plan = plan
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
        stamp = _rfc3339(self._now_ns())
        start = 0
        try:
            while start < len(payloads) and room != outcome.messages:
                end = None if room is None else start + room - outcome.messages
                batch = payloads[start:end]
                start += len(batch)
                self._take_batch(source, batch, stamp, outcome, binary=binary)
        except TapError as error:
            outcome.error = error
        return outcome

    def _take_batch(
        self,
        source: Source,
        batch: list[bytes],
        stamp: str,
        outcome: Outcome,
        *,
        binary: bool,
    ) -> None:
        """Take messages: all of them as they are, or else one by one.

        Raises:
            TapError: When one of them is fatal.
        """
        if self._pass(source, batch, stamp, outcome, binary=binary):
            return
        for payload in batch:
            if not self._pass(source, [payload], stamp, outcome, binary=binary):
                outcome.taken += len(payload)
                self._take(source, payload, stamp, outcome)

    def _pass(
        self,
        source: Source,
        batch: list[bytes],
        stamp: str,
        outcome: Outcome,
        *,
        binary: bool,
    ) -> bool:
        """Take messages whose bytes are records as they stand, if all are."""
        passage = self.passage
        if passage is None:
            return False
        added = self._added(source, stamp)
        added.pop(layout.SEQUENCE, None)
        lines = passage.take(source, batch, added, binary=binary)
        if lines is None:
            return False
        outcome.taken += sum(map(len, batch))
        outcome.messages += len(lines)
        outcome.records += len(lines)
        self._hand_on(lines)
        return True

    def settle(self) -> None:
        """Infer the columns from what was sampled so far, and emit the sample.

        Raises:
            SchemaError: When a sampled record lacks a key.
        """
        if self._columns is not None:
            return
        stream = self._settings.stream
        schema = infer(
            (record for record, _, _ in self._sample.records),
            nested=stream.infer_nested,
            keys=stream.primary_keys,
        )
        self._use(self._plan.columns(schema))
        sample, self._sample = self._sample, _Sample(self._settings)
        for record, added, size in sample.records:
            self._emit(record, added, size)

    def _use(self, columns: Columns) -> None:
        self._columns = columns
        self._settled(columns)
        self._pager.use_schema(columns.schema)
        self._refresh(columns)

    def _refresh(self, columns: Columns) -> None:
        """Compile the test of payloads for the columns as they are now."""
        self._version = columns.version
        self.passage = self._plan.passage(columns)

    def _take(
        self,
        source: Source,
        payload: bytes,
        stamp: str,
        outcome: Outcome,
    ) -> None:
        """Take one message.

        Raises:
            TapError: When it is fatal.
        """
        records = 0
        try:
            for document in self._decoder.documents(payload):
                source.sequence += 1
                added = self._added(source, stamp)
                self._emit(self._decoder.record(document), added, len(payload))
                records += 1
        except ParseError:
            if self._settings.decode.on_parse_error == "fail":
                raise
            self._counts.skipped += 1
            self._skip_log(
                _LOGGER,
                "A message of %d bytes could not be read and was skipped",
                len(payload),
            )
            return
        outcome.records += records
        if not records:
            self._counts.ignored += 1
            return
        outcome.messages += 1
        if self._columns is None and self._sample.took(len(payload)):
            self.settle()

    def _added(self, source: Source, stamp: str) -> Record:
        """Return the values of the columns that the tap adds (`added_columns`)."""
        decode = self._settings.decode
        added: Record = {}
        if decode.envelope:
            added[layout.ENVELOPE_RECEIVED_AT] = stamp
            added[layout.ENVELOPE_URL] = source.url
        if decode.record_metadata:
            added[layout.RECEIVED_AT] = stamp
            added[layout.CONNECTION] = source.number
            added[layout.SEQUENCE] = source.sequence
        added.update(source.context)
        for name in self._plan.deselected & added.keys():
            del added[name]
        return added

    def _emit(self, record: Record, added: Record, size: int) -> None:
        columns = self._columns
        if columns is None:
            self._sample.records.append((record, added, size))
            return
        fitted = columns.fit(record, added)
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


class _Sample:
    """The records that the columns will be inferred from."""

    def __init__(self, settings: Settings) -> None:
        self.records: list[tuple[Record, Record, int]] = []
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
