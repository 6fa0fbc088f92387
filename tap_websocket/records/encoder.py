"""Records as lines of the columns in force: passed as they are, or made to fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_websocket import jsontext
from tap_websocket.columns.names import DATA, RESCUED
from tap_websocket.records.extractor import Extracted
from tap_websocket.records.fast_path import CurrentFastPath
from tap_websocket.records.formats import format_of
from tap_websocket.records.rows import fields_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_websocket.columns.columns import Columns
    from tap_websocket.counts import Counts
    from tap_websocket.delivery.pages import Pager
    from tap_websocket.feed.inbound import Origin
    from tap_websocket.jsontext import Record
    from tap_websocket.records.plan import RecordPlan

__all__ = ["RecordEncoder"]


class RecordEncoder:
    """Encodes records as JSON lines, and hands these to the pager in order.

    Args:
        plan: Makes the fast path of columns.
        pager: Takes the lines.
        counts: Counts rescued records.

    Attributes:
        columns: The columns in force; None before they are known.
    """

    def __init__(self, plan: RecordPlan, pager: Pager, counts: Counts) -> None:
        self._plan = plan
        self._pager = pager
        self._counts = counts
        self._single_column = plan.single_column
        self.columns: Columns | None = None
        self._fast = CurrentFastPath(plan.fast_path)
        # Lines that are handed to the pager together.
        self._lines: list[bytes] = []

    @property
    def version(self) -> int:
        """Counts the changes of the columns; -1 before there are any."""
        return self._fast.version

    def use(self, columns: Columns) -> None:
        """Encode what follows for these columns, which may grow."""
        self.columns = columns
        self._pager.use_schema(columns.schema)
        self._fast.make_for(columns)

    def passing(
        self,
        origin: Origin,
        texts: list[bytes],
        added: Mapping[str, object],
        *,
        binary: bool = False,
    ) -> list[bytes]:
        """Return the lines of texts that are records as they stand, up to another.

        Args:
            origin: Their connection, whose sequence goes on.
            texts: Messages, or JSON texts of records.
            added: The columns that the tap adds, the sequence apart.
            binary: Whether they came in binary frames.
        """
        fast_path = self._fast.path
        if fast_path is None:
            return []
        return fast_path.take(origin, texts, added, binary=binary)

    def extend(self, lines: list[bytes]) -> None:
        """Add lines of `passing`."""
        self._lines += lines

    def put(self, lines: list[bytes], *, rescued: int) -> None:
        """Hand on lines that are encoded already; no other one waits.

        Args:
            lines: The records.
            rescued: How many have a field in `_rescued_data`.
        """
        self._counts.rescued += rescued
        self._pager.extend(lines)

    def hand_on(self) -> None:
        """Hand the lines to the pager."""
        if self._lines:
            lines, self._lines = self._lines, []
            self._pager.extend(lines)

    def flush(self) -> None:
        """Hand on the lines, and the page that they are on."""
        self.hand_on()
        self._pager.flush()

    def edit(self, text: bytes, added: Record, *, checked: bool) -> bool:
        """Encode a record of which only what does not fit is changed, if it can be.

        Args:
            text: The record, in UTF-8.
            added: The values of the columns that the tap adds.
            checked: `payload_check.needs_slow_path` is known to be false for it.

        Returns:
            Whether it was encoded; else it has to be read whole, and nothing was done.

        Raises:
            SchemaError: When it may not be made to fit.
        """
        columns = self.columns
        if columns is None or self._single_column:
            return False
        edited = columns.edit(text, added, checked=checked)
        if edited is None:
            return False
        self._counts.rescued += edited.rescued
        self._put_line(columns, edited.line)
        return True

    def encode(
        self, row: Extracted | bytes, added: Record, *, checked: bool = False
    ) -> None:
        """Encode a record, made to fit the columns.

        Args:
            row: The record, or its JSON text.
            added: The values of the columns that the tap adds.
            checked: As for `edit`.

        Raises:
            ParseError: When it holds a number that cannot be read.
            SchemaError: When it may not be made to fit.
        """
        if isinstance(row, Extracted):
            self._conform(row, added)
        elif not self.edit(row, added, checked=checked):
            value = format_of("json").value(row, None, {})
            single = self._single_column
            self._conform(Extracted({DATA: value} if single else value), added)

    def prepare(self, rows: Sequence[Extracted | bytes]) -> None:
        """Save the columns that more records bring, since one has just brought some.

        A save takes as long as a hundred records. What is no JSON object is left out.

        Args:
            rows: Records, or JSON texts of such.
        """
        if self.columns is not None and self._plan.store is not None:
            self.columns.prepare(filter(None, map(fields_of, rows)))

    def close(self) -> None:
        """Log what happened to fields, at the end of a run."""
        if self.columns is not None:
            self.columns.close()

    def _conform(self, row: Extracted, added: Record) -> None:
        columns = self.columns
        assert columns is not None  # noqa: S101 - records wait for them
        fitted = columns.conform(row.record, added, row.message_fields, row.unnamed)
        if fitted.get(RESCUED) is not None:
            self._counts.rescued += 1
        self._put_line(columns, jsontext.dumps(fitted))

    def _put_line(self, columns: Columns, line: bytes) -> None:
        if columns.version != self._fast.version:
            # Those before it are of the schema before.
            self.hand_on()
            self._pager.use_schema(columns.schema)
        self._lines.append(line)
        self._fast.follow(columns)
