"""Fields that the schema lacks: new columns, or rescued, dropped, refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_websocket.columns import target_limits
from tap_websocket.columns.conversion import Mismatch
from tap_websocket.columns.field_log import FieldLog, quoted
from tap_websocket.columns.inference import MAX_COLUMNS, infer_column
from tap_websocket.columns.stored_columns import Column
from tap_websocket.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tap_websocket.columns.column_set import ColumnSet
    from tap_websocket.columns.raw_editor import Fate
    from tap_websocket.columns.rescue import Rescue
    from tap_websocket.columns.rules import ColumnRules, Save
    from tap_websocket.jsontext import JsonValue, Record

__all__ = ["NewFields", "hidden"]

_UNDECLARED = "it is not in the schema"


class NewFields:
    """Decides what becomes of fields that the schema lacks.

    Args:
        rules: What becomes of such a field.
        columns: The columns in force, which grow.
        rescue: Takes what has no place in any column.
    """

    def __init__(self, rules: ColumnRules, columns: ColumnSet, rescue: Rescue) -> None:
        self._columns = columns
        self._rescue = rescue
        self._evolution = rules.evolution
        self._nested = rules.nested
        self._fields = frozenset(rules.fields)
        self._save = rules.save
        self._drop_log = FieldLog("is dropped")

    def fate_of(self, name: str) -> Fate | None:
        """Return what becomes of a field that is no column, once it was warned of.

        Args:
            name: The field's name, as it was sent.

        Returns:
            What becomes of it in each record alike; None where that may change.
        """
        columns = self._columns
        if name in columns.by_field or columns.is_own(name):
            return None
        if columns.is_deselected(name):
            return "drop"
        if name in self._fields:
            return None
        if self._evolution == "ignore":
            return "drop"
        return "rescue" if self._evolution == "rescue" and self._rescue.writes else None

    def prepare(self, records: Iterator[Mapping[str, Any]]) -> None:
        """Save the columns that records bring in one go, where each save takes time.

        Args:
            records: What `take` will be given next.
        """
        if self._save is None or self._columns.flattens:
            return
        wanted: dict[str, Column] = {}
        for record in records:
            for name, value in record.items():
                if name not in wanted and self._becomes_column(name, value):
                    wanted[name] = Column(name, name, self._infer(value))
            if len(wanted) >= MAX_COLUMNS:
                break
        if wanted:
            self._keep(self._save, list(wanted.values()))

    def take(
        self,
        name: str,
        value: JsonValue,
        fitted: Record,
        rescued: Record,
    ) -> None:
        """Take a field that the schema lacks.

        Args:
            name: The field's name, as it was sent.
            value: Its value.
            fitted: The values of the record's columns; it may grow.
            rescued: The fields of the record that were put aside; it may grow.

        Raises:
            SchemaError: With `schema_evolution: fail`.
        """
        if self._columns.is_deselected(name):
            return
        evolution = "add_columns" if name in self._fields else self._evolution
        if self._columns.is_own(name):
            self._rescue.put(rescued, name, value, hidden)
        elif evolution == "ignore":
            self._drop_log.note(name, lambda: f"{_UNDECLARED} (schema_evolution)")
        elif evolution == "fail":
            msg = (
                f"the field {quoted(name)} is not in the schema (schema_evolution: "
                "fail); add it there, or let schema_evolution be add_columns or rescue"
            )
            raise SchemaError(msg)
        elif evolution == "rescue":
            why = f"{_UNDECLARED} (schema_evolution)"
            self._rescue.put(rescued, name, value, lambda: why)
        elif (column := self._columns.free_name(name)) is None:
            self._rescue.put(
                rescued, name, value, lambda: self._columns.why_no_column(name)
            )
        elif value is None:
            self._take_null(name, column, fitted, rescued)
        elif _tells_type(value):
            self._take_new(name, column, value, fitted, rescued)
        else:
            why = target_limits.storage_problem(value)
            self._rescue.put(rescued, name, value, lambda: why)

    def close(self) -> None:
        """Warn of how many fields were not warned of one by one."""
        self._drop_log.close()

    def _becomes_column(self, name: str, value: JsonValue) -> bool:
        """Return whether a field is new, and its value tells its type."""
        return (
            name not in self._columns.by_field
            and value is not None
            and (self._evolution == "add_columns" or name in self._fields)
            and not self._columns.is_deselected(name)
            and not self._columns.is_own(name)
            and self._columns.free_name(name) is not None
            and _tells_type(value)
        )

    def _infer(self, value: JsonValue) -> dict[str, Any]:
        """Return the schema of the column that a value's field becomes."""
        return infer_column(value, nested=self._nested and self._columns.types_nested)

    def _keep(self, save: Save, wanted: Sequence[Column]) -> None:
        """Save columns before they are announced: no table is ahead of the file."""
        stored = save(wanted)
        if stored is not None:
            self._columns.adopt(stored)

    def _take_new(
        self,
        name: str,
        column: str,
        value: JsonValue,
        fitted: Record,
        rescued: Record,
    ) -> None:
        """Take a field that becomes a column."""
        columns = self._columns
        declared = self._infer(value)
        if not columns.takes(column, declared):
            self._rescue.put(
                rescued, name, value, lambda: "flattening gives a column this name"
            )
            return
        if self._save is None:
            columns.add(name, column, declared)
        else:
            self._keep(self._save, [Column(column, name, declared)])
        found = columns.by_field.get(name)
        if found is None:
            if not columns.is_deselected(name):
                # It could not be saved now, and was warned of there.
                rescued[name] = value
            return
        target, convert = found
        try:
            fitted[target] = convert(value)
        except Mismatch:
            # Another run added the column, for values of another type.
            schema = columns.column_schema(target)
            self._rescue.put_mismatch(rescued, name, value, schema)

    def _take_null(
        self,
        name: str,
        column: str,
        fitted: Record,
        rescued: Record,
    ) -> None:
        """Take a null that tells no type: it needs no column, if it may have none."""
        taken = self._columns.takes_null(name, column)
        if taken is None:
            self._rescue.put(rescued, name, None, lambda: _UNDECLARED)
        elif taken:
            fitted[name] = None


def hidden() -> str:
    """Return why a field has no place that a column of the tap hides."""
    return "a column that the tap adds has this name"


def _tells_type(value: JsonValue) -> bool:
    """Return whether a value that is not null tells the type of a column."""
    return target_limits.is_storable(value) or target_limits.is_big_integer(value)
