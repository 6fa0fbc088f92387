"""Records on their way into pages: sampled, passed as they are, or made to fit.

The columns are those of the first records, where they are to be inferred; a record
that is as they want it goes on as the bytes that it is.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext
from tap_websocket.columns.inference import infer
from tap_websocket.columns.names import DATA, RESCUED
from tap_websocket.records.plan import (
    CONNECTION,
    ENVELOPE_RECEIVED_AT,
    ENVELOPE_URL,
    RECEIVED_AT,
    SEQUENCE,
    RecordPlan,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.columns.columns import Columns
    from tap_websocket.counts import Counts
    from tap_websocket.delivery.pages import Pager
    from tap_websocket.feed.inbound import Origin
    from tap_websocket.records.extractor import Extracted
    from tap_websocket.records.fast_path import FastPath
    from tap_websocket.settings import Settings

__all__ = ["AdaptiveBatchSize", "Arrival", "RecordEmitter"]

_DECODED_SIZE = 16
_WIDEST = 1024

Record = dict[str, Any]


class Arrival:
    """Where records came from, and when.

    Attributes:
        source: Their connection.
    """

    __slots__ = ("_at", "_stamp", "source")

    def __init__(self, source: Origin, at: int) -> None:
        """Keep the connection, and the time in nanoseconds since the epoch."""
        self.source = source
        self._at = at
        self._stamp = ""

    @property
    def stamp(self) -> str:
        """The time as RFC 3339 in UTC, with microseconds."""
        if not self._stamp:
            seconds, rest = divmod(self._at, 1_000_000_000)
            time = dt.datetime.fromtimestamp(seconds, dt.UTC)
            self._stamp = f"{time:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"
        return self._stamp


class AdaptiveBatchSize:
    """How many are tried at once: it follows what the feed sends.

    A record that cannot pass costs a second look at those that stand before it.

    Attributes:
        now: So many.
    """

    def __init__(self) -> None:
        """Start with as many as can be."""
        self.now = _WIDEST

    def learn(self, passed: int, tried: int) -> bool:
        """Take notice of a try; tell whether all passed."""
        if passed == tried:
            self.now = min(2 * self.now, _WIDEST)
            return True
        self.now = max(self.now // 2, 1)
        return False


class RecordEmitter:
    """Puts records into pages."""

    def __init__(
        self,
        settings: Settings,
        *,
        plan: RecordPlan,
        pager: Pager,
        counts: Counts,
        settled: Callable[[Columns], None],
    ) -> None:
        """Make a recorder; it samples first where the columns are to be inferred.

        Args:
            settings: All settings.
            plan: Makes the columns.
            pager: Takes the records.
            counts: Counts that the recorder keeps.
            settled: Called with the columns, before the first record.
        """
        self._settings = settings
        self._plan = plan
        self._pager = pager
        self._counts = counts
        self._settled = settled
        self._columns: Columns | None = None
        self._version = -1
        self.passage: FastPath | None = None
        self._rows: list[Extracted] = []
        self._width = AdaptiveBatchSize()
        self._passes_rows = settings.decoding.is_structured
        self._sample = _Sample(settings)
        if not plan.infers:
            self._use(plan.columns())

    def settle(self) -> None:
        """Infer the columns from what was sampled so far, and emit the sample.

        Raises:
            SchemaError: When a sampled record lacks a key.
        """
        if self._columns is not None:
            return
        stream = self._settings.stream
        schema = infer(
            ({**row.record, **row.fields} for row, _ in self._sample.records),
            nested=stream.infer_nested,
            keys=stream.primary_keys,
        )
        self._use(self._plan.columns(schema))
        sample, self._sample = self._sample, _Sample(self._settings)
        for row, added in sample.records:
            self._emit(row, added)

    def close(self) -> None:
        """Log what is to be said of the columns at the end of a run."""
        if self._columns is not None:
            self._columns.close()

    def _use(self, columns: Columns) -> None:
        self._columns = columns
        self._settled(columns)
        self._pager.use_schema(columns.schema)
        self._refresh(columns)

    def _refresh(self, columns: Columns) -> None:
        """Compile the test of payloads for the columns as they are now."""
        self._version = columns.version
        self.passage = self._plan.passage(columns)

    def sampled(self, size: int) -> None:
        """Take notice of a message in the sample; its end settles the columns.

        Args:
            size: Bytes of the message.

        Raises:
            SchemaError: When a sampled record lacks a key.
        """
        if self._columns is None and self._sample.took(size):
            self.settle()

    def pass_on(
        self,
        arrival: Arrival,
        texts: list[bytes],
        *,
        binary: bool = False,
    ) -> int:
        """Put messages that are records as they stand into pages.

        Args:
            arrival: Where they came from.
            texts: The messages.
            binary: Whether they came in binary frames.

        Returns:
            How many of them, from the first on, are.
        """
        if self.passage is None:
            return 0
        added = self._added(arrival)
        added.pop(SEQUENCE, None)
        lines = self.passage.take(arrival.source, texts, added, binary=binary)
        if lines:
            self._pager.extend(lines)
        return len(lines)

    def take(self, arrival: Arrival, row: Extracted) -> None:
        """Take a record, into the sample or beside those that wait for their turn.

        Raises:
            SchemaError: When one may not be made to fit.
        """
        if self._columns is None:
            arrival.source.sequence += 1
            self._sample.records.append((row, self._added(arrival)))
            return
        self._rows.append(row)
        if len(self._rows) == _WIDEST:
            self.put(arrival)

    def put(self, arrival: Arrival) -> None:
        """Put the records that wait into pages, in order.

        One that is as its columns want it passes like a message that is; to find that
        out costs a fraction of making it fit.

        Raises:
            SchemaError: When one may not be made to fit.
        """
        rows, self._rows = self._rows, []
        texts = list(map(self._text, rows)) if self._passes_rows else []
        start = 0
        while start < len(rows):
            if texts and self.passage is not None:
                part = texts[start : start + self._width.now]
                passed = self.pass_on(arrival, part)
                start += passed
                if self._width.learn(passed, len(part)):
                    continue
            arrival.source.sequence += 1
            self._emit(rows[start], self._added(arrival))
            start += 1

    def _text(self, row: Extracted) -> bytes:
        """Return the JSON text of a record, or none where it cannot pass."""
        if row.aside or not row.fields.keys().isdisjoint(row.record):
            return b""
        value = {**row.record, **row.fields} if row.fields else row.record
        if not self._plan.whole:
            return jsontext.dumps(value)
        return b"" if row.fields else jsontext.dumps(value[DATA])

    def _emit(self, row: Extracted, added: Record) -> None:
        columns = self._columns
        assert columns is not None  # noqa: S101 - records wait for them
        fitted = columns.conform(row.record, added, row.fields, row.aside)
        if fitted.get(RESCUED) is not None:
            self._counts.rescued += 1
        self._pager.use_schema(columns.schema)
        self._pager.extend([jsontext.dumps(fitted)])
        if columns.version != self._version:
            self._refresh(columns)

    def _added(self, arrival: Arrival) -> Record:
        """Return the values of the columns that the tap adds (`added_columns`)."""
        decode, source = self._settings.decoding, arrival.source
        added: Record = {}
        if decode.envelope:
            added[ENVELOPE_RECEIVED_AT] = arrival.stamp
            added[ENVELOPE_URL] = source.url
        if decode.record_metadata:
            added[RECEIVED_AT] = arrival.stamp
            added[CONNECTION] = source.number
            added[SEQUENCE] = source.sequence
        added.update(source.context)
        for name in self._plan.deselected & added.keys():
            del added[name]
        return added


class _Sample:
    """The records that the columns will be inferred from."""

    def __init__(self, settings: Settings) -> None:
        self.records: list[tuple[Extracted, Record]] = []
        self._messages = settings.stream.infer_messages
        self._bytes = settings.delivery.buffer_bytes // _DECODED_SIZE

    def took(self, size: int) -> bool:
        """Count a message; tell whether the sample is complete."""
        self._messages -= 1
        self._bytes -= size
        return self._messages <= 0 or self._bytes <= 0
