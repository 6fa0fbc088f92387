"""Records on their way into pages: compared, sampled, numbered and put in order.

The columns are those of the first records, where they are to be inferred.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from tap_websocket.columns import inference
from tap_websocket.columns.names import SEQUENCE
from tap_websocket.columns.payload_check import any_may_need_slow_path
from tap_websocket.largejson import parsing
from tap_websocket.records.added_values import AddedValues
from tap_websocket.records.batch import MAX_BATCH, AdaptiveBatchSize, take_fast
from tap_websocket.records.encoder import RecordEncoder
from tap_websocket.records.formats import read_json
from tap_websocket.records.rows import compared_value, fields_of, text_of
from tap_websocket.records.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_websocket.columns.columns import Columns
    from tap_websocket.counts import Counts
    from tap_websocket.delivery.pages import Pager
    from tap_websocket.records.batch import Arrival
    from tap_websocket.records.deduplicate import Deduplicator
    from tap_websocket.records.extractor import Extracted
    from tap_websocket.records.plan import RecordPlan
    from tap_websocket.settings import Settings

__all__ = ["RecordEmitter"]


class RecordEmitter:
    """Puts records into pages.

    Args:
        settings: All settings.
        plan: Makes the columns.
        pager: Takes the records.
        counts: Counts that the emitter keeps.
        settled: Called with the columns, before the first record.
        deduplicator: Decides which records were emitted before, if any may be.

    Attributes:
        added: What the tap adds to the next record.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        settings: Settings,
        *,
        plan: RecordPlan,
        pager: Pager,
        counts: Counts,
        settled: Callable[[Columns], None],
        deduplicator: Deduplicator | None = None,
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._settled = settled
        self._deduplicator = deduplicator
        self._single_column = plan.single_column
        self.added = AddedValues(settings, deselected=plan.deselected)
        self._encoder = RecordEncoder(plan, pager, counts)
        # Records that wait for their turn; those that were cut out are JSON texts.
        self._rows: list[Extracted | bytes] = []
        self._batch_size = AdaptiveBatchSize()
        self._passes_rows = settings.decoding.is_structured
        self._sample = Sample(settings)
        if plan.infers or settings.stream.schema_evolution == "add_columns":
            inference.load()
        if not plan.infers:
            self._use(plan.columns())

    def end_sample(self) -> None:
        """Infer the columns from what was sampled so far, or else from the next record.

        Raises:
            SchemaError: When a sampled record lacks a key.
        """
        if self._sample.records:
            self.settle()
        else:
            self._sample.end()

    def settle(self) -> None:
        """Infer the columns from what was sampled so far, and emit the sample.

        Raises:
            SchemaError: When a sampled record lacks a key.
        """
        if self.is_settled:
            return
        stream = self._settings.stream
        schema = inference.infer(
            (fields_of(row) for row, _ in self._sample.records),
            nested=stream.infer_nested,
            keys=stream.primary_keys,
        )
        self._use(self._plan.columns(schema, has_records=bool(self._sample.records)))
        sample, self._sample = self._sample, Sample(self._settings)
        try:
            for row, added in sample.records:
                self._encoder.encode(row, added)
        finally:
            self._encoder.hand_on()

    def flush(self) -> None:
        """Hand on the records that are finished, whatever their number."""
        self._encoder.flush()

    def close(self) -> None:
        """Log what happened to fields, at the end of a run."""
        self._encoder.close()

    def _use(self, columns: Columns) -> None:
        self._settled(columns)
        self._encoder.use(columns)

    def sampled(self, size: int) -> None:
        """Count a message of the sample; the end of the sample settles the columns.

        Args:
            size: Bytes of the message.

        Raises:
            SchemaError: When a sampled record lacks a key.
        """
        if not self.is_settled and self._sample.took(size):
            self.settle()

    def pass_on(
        self,
        arrival: Arrival,
        texts: list[bytes],
        *,
        binary: bool = False,
    ) -> tuple[int, int]:
        """Put messages that are records as they stand into pages.

        Args:
            arrival: Where they came from.
            texts: The messages.
            binary: Whether they came in binary frames.

        Returns:
            How many of them, from the first on, are, and how many of these are new.
        """
        lines = self._passing(arrival, texts, binary=binary)
        passed = len(lines)
        deduplicator = self._deduplicator
        if deduplicator is not None and not deduplicator.is_idle(arrival.origin):
            parse = parsing.parse if self._passes_rows else None
            new = deduplicator.keeps(arrival.origin, texts[:passed], parse)
            lines = list(itertools.compress(lines, new))
        if lines:
            self._encoder.extend(lines)
            self.added.note_nothing()
        return passed, len(lines)

    @property
    def columns(self) -> Columns | None:
        """The columns, once they are settled."""
        return self._encoder.columns

    def put_lines(self, lines: list[bytes], *, rescued: int) -> None:
        """Put finished records into pages (see `RecordEncoder.put`); none waits."""
        self._encoder.put(lines, rescued=rescued)

    def _passing(
        self, arrival: Arrival, texts: list[bytes], *, binary: bool = False
    ) -> list[bytes]:
        """Return the lines of texts that are records as they stand."""
        added = self.added.of(arrival)
        if added:
            added.pop(SEQUENCE, None)
        return self._encoder.passing(arrival.origin, texts, added, binary=binary)

    @property
    def is_settled(self) -> bool:
        """Whether the columns are known, and nothing is sampled any more."""
        return self._encoder.columns is not None

    def take_text(self, arrival: Arrival, text: bytes) -> bool:
        """Take a record that was cut out of a message, once the columns are settled.

        Args:
            arrival: Where it came from.
            text: A JSON object, or with a single column any JSON value, in UTF-8.

        Returns:
            Whether it is new; else it is dropped.

        Raises:
            ParseError: When one holds a number that cannot be read.
            SchemaError: When one may not be made to fit.
        """
        if self._deduplicator is not None and not self._is_new(arrival, text):
            return False
        self._wait(arrival, text)
        return True

    def _wait(self, arrival: Arrival, row: Extracted | bytes) -> None:
        """Keep a record for its turn, unless it says what is missing before it."""
        if self.added.notes:
            # What is noted is the column of this record alone.
            self.put(arrival)
            self._rows = [row]
            self.put(arrival)
            self.added.note_nothing()
            return
        self._rows.append(row)
        if len(self._rows) == MAX_BATCH:
            self.put(arrival)

    def edit(self, arrival: Arrival, text: bytes, *, checked: bool) -> bool:
        """Take a message that is a record, and change only what does not fit.

        Args:
            arrival: Where it came from.
            text: In UTF-8; a JSON object, unless it cannot be read.
            checked: `payload_check.needs_slow_path` is known to be false for it.

        Returns:
            Whether it was taken; else it has to be read whole, and nothing was done.

        Raises:
            SchemaError: When it may not be made to fit.
        """
        if self._rows:
            self.put(arrival)
        origin = arrival.origin
        origin.sequence += 1
        if self._encoder.edit(text, self.added.of(arrival), checked=checked):
            return True
        origin.sequence -= 1
        return False

    def _is_new(self, arrival: Arrival, text: bytes) -> bool:
        deduplicator, origin = self._deduplicator, arrival.origin
        if deduplicator is None or deduplicator.is_idle(origin):
            return True
        if all(deduplicator.keeps(origin, [text], read_json)):
            return True
        # Numbers are given in order, to those that wait first.
        self.put(arrival)
        origin.sequence += 1
        return False

    def take(self, arrival: Arrival, row: Extracted) -> bool:
        """Take a record, into the sample or beside those that wait for their turn.

        Returns:
            Whether it is new; else it is dropped.

        Raises:
            SchemaError: When one may not be made to fit.
        """
        deduplicator = self._deduplicator
        if (
            deduplicator is not None
            and not deduplicator.is_idle(arrival.origin)
            and not deduplicator.keeps_value(
                arrival.origin,
                compared_value(
                    row, self._settings.decoding, single_column=self._single_column
                ),
            )
        ):
            # Numbers are given in order, to those that wait first.
            self.put(arrival)
            arrival.origin.sequence += 1
            return False
        if not self.is_settled:
            arrival.origin.sequence += 1
            self._sample.records.append((row, self.added.of(arrival)))
            self.added.note_nothing()
            return True
        self._wait(arrival, row)
        return True

    def put(self, arrival: Arrival) -> None:
        """Put the records that wait into pages, in order.

        One that is as its columns want it passes like a message that is; to find that
        out costs a fraction of making it fit.

        Raises:
            SchemaError: When one may not be made to fit.
        """
        rows, self._rows = self._rows, []
        try:
            if self._passes_rows and rows:
                self._put_structured(arrival, rows)
            else:
                for row in rows:
                    self._emit_next(arrival, row)
        finally:
            # What stands before a record that ends the run was received, too.
            self._encoder.hand_on()

    def _put_structured(self, arrival: Arrival, rows: list[Extracted | bytes]) -> None:
        single = self._single_column
        texts = [
            row if isinstance(row, bytes) else text_of(row, single_column=single)
            for row in rows
        ]
        checked = not any_may_need_slow_path(b"".join(texts))

        def fast(texts: list[bytes]) -> int:
            # What was seen before was dropped when it came (`take`).
            lines = self._passing(arrival, texts)
            self._encoder.extend(lines)
            return len(lines)

        def slow(texts: list[bytes], start: int) -> bool:
            for index in range(start, start + len(texts)):
                version = self.version
                self._emit_next(arrival, rows[index], checked=checked)
                if self.version != version:
                    self.prepare(rows[index + 1 :])
            return True

        take_fast(texts, self._batch_size, fast, slow)

    @property
    def version(self) -> int:
        """Counts the changes of the columns; -1 before there are any."""
        return self._encoder.version

    def prepare(self, rows: Sequence[Extracted | bytes]) -> None:
        """Save the columns that more records bring (see `RecordEncoder.prepare`)."""
        self._encoder.prepare(rows)

    def _emit_next(
        self, arrival: Arrival, row: Extracted | bytes, *, checked: bool = False
    ) -> None:
        arrival.origin.sequence += 1
        self._encoder.encode(row, self.added.of(arrival), checked=checked)
