"""The schema in force, and how a record is made to fit it.

Nothing is lost and no type changes in mid-run: what has no place in its column goes
to `_rescued_data`, a string that holds a JSON object of such fields.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Literal

from tap_websocket import jsontext
from tap_websocket.columns import target_limits
from tap_websocket.columns.column_set import ColumnSet
from tap_websocket.columns.conversion import Mismatch, mismatch_reason
from tap_websocket.columns.field_log import FieldLog, quoted
from tap_websocket.columns.inference import MAX_COLUMNS, infer_column
from tap_websocket.columns.names import RESCUED, UNREAD_BYTES, UNREAD_TEXT
from tap_websocket.columns.raw_editor import RawEditor
from tap_websocket.columns.stored_columns import Column
from tap_websocket.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from tap_websocket.columns.naming import ColumnNaming
    from tap_websocket.columns.raw_editor import Edited, Fate
    from tap_websocket.columns.stored_columns import StoredColumns
    from tap_websocket.jsontext import Record, Schema

    Save = Callable[[Sequence[Column]], StoredColumns | None]
    """Saves new columns and returns all that are saved; None where it cannot now."""

__all__ = ["Columns", "Evolution"]

Evolution = Literal["add_columns", "rescue", "ignore", "fail"]
"""What becomes of a field that the schema lacks (`schema_evolution`)."""


_NONE: Mapping[str, Any] = types.MappingProxyType({})

_MAX_EDITED_BYTES = 1024 * 1024
"""A message of a million names would be held twice: as pieces, then as values."""

_UNDECLARED = "it is not in the schema"


class Columns:
    """The columns of the stream, which may grow while records come.

    Args:
        schema: JSON schema of a record.
        keys: The key properties.
        evolution: What becomes of a field that the schema lacks.
        added: Columns that the tap adds; they win over a record's own fields.
        rescue: Declare `_rescued_data`.
        deselected: Properties that stay out for good.
        nested: Type nested objects and arrays of new fields, too.
        fields: The names of `message_fields`, which the schema need not have.
        naming: What becomes of names that some target takes for one.
        sent_as: Column of the schema to the name that its field is sent by, where that
            is known.
        save: Saves new columns before they are announced, where they are to last.
        takes_schema: Returns whether what comes behind takes a schema; a column with
            which it does not is none.
    """

    def __init__(  # noqa: PLR0913 - by keyword
        self,
        schema: Mapping[str, Any],
        *,
        keys: Sequence[str],
        evolution: Evolution,
        added: Mapping[str, Schema],
        rescue: bool,
        deselected: Collection[str] = (),
        nested: bool = False,
        fields: Collection[str] = (),
        naming: ColumnNaming = "exact",
        sent_as: Mapping[str, str] = _NONE,
        save: Save | None = None,
        takes_schema: Callable[[Schema], bool] | None = None,
    ) -> None:
        self._keys = tuple(keys)
        self._evolution = evolution
        self._added = frozenset(added) - frozenset(deselected)
        self._rescue = rescue and RESCUED not in deselected
        self._has_rescue = rescue
        self._nested = nested
        self._fields = frozenset(fields)
        self._save = save
        self._rescue_log = FieldLog("went to _rescued_data")
        self._drop_log = FieldLog("is dropped")
        self._set = ColumnSet(
            schema,
            keys=keys,
            added=added,
            rescue=self._rescue,
            deselected=deselected,
            naming=naming,
            sent_as=sent_as,
            takes_schema=takes_schema,
        )

        self._editor = RawEditor(
            self._set, self._keys, conform=self.conform, fate_of=self._fate_of
        )

    @property
    def schema(self) -> Schema:
        """The JSON schema in force; a new object whenever it grows."""
        return self._set.schema

    @property
    def version(self) -> int:
        """Counts the changes after which `decoder` has to be asked for anew."""
        return self._set.version

    @property
    def sent_as(self) -> dict[str, str]:
        """The name that each column's field is sent by, where it is another one."""
        return self._set.sent_as

    def conform(
        self,
        record: Record,
        added: Mapping[str, Any],
        fields: Mapping[str, Any] = _NONE,
        aside: Mapping[str, Any] = _NONE,
    ) -> Record:
        """Return a record that fits the columns; they grow first where they may.

        Args:
            record: The fields of a record.
            added: The values of the columns that the tap adds.
            fields: Those of `message_fields`; they win over the record's own.
            aside: What has no place in any column.

        Raises:
            SchemaError: When a key is missing, null or unfit, or a field is new and
                may not be.
        """
        fitted: Record = {}
        rescued: Record = {}
        columns = self._set.by_field
        if aside or fields:
            record = self._merged(record, fields, aside, rescued)
        for name, value in record.items():
            column = columns.get(name)
            if column is None:
                self._take_unknown(name, value, fitted, rescued)
                continue
            target, convert = column
            try:
                fitted[target] = convert(value)
            except Mismatch:
                self._rescue_mismatch(name, target, value, rescued)
        for key in self._keys:
            if fitted.get(key) is None and added.get(key) is None:
                raise _key_error(key, record)
        for name, value in added.items():
            if name in self._added:
                fitted[name] = value
        if rescued:
            self._write_aside(rescued, fitted)
        return fitted

    def edit(
        self, text: bytes, added: Mapping[str, Any], *, checked: bool = False
    ) -> Edited | None:
        """Return a record that fits, as bytes of which only what must be is changed.

        Args:
            text: The record, a JSON object in valid UTF-8.
            added: The values of the columns that the tap adds.
            checked: `payload_check.needs_slow_path` is known to be false for it.

        Returns:
            None where all of it has to be looked at: `conform` does that.

        Raises:
            SchemaError: As `conform` does.
        """
        if len(text) > _MAX_EDITED_BYTES:
            return None
        return self._editor.edit(text, added, checked=checked)

    def _fate_of(self, name: str) -> Fate | None:
        """Return what becomes of a field that is no column, once it was warned of."""
        columns = self._set
        if name in columns.by_field or columns.is_own(name):
            return None
        if columns.is_deselected(name):
            return "drop"
        if name in self._fields:
            return None
        if self._evolution == "ignore":
            return "drop"
        return "rescue" if self._evolution == "rescue" and self._rescue else None

    def prepare(self, records: Iterator[Mapping[str, Any]]) -> None:
        """Save the columns that records bring in one go, where each save takes time.

        Args:
            records: What `conform` will be given next.
        """
        if self._save is None or self._set.flattens:
            return
        wanted: dict[str, Column] = {}
        for record in records:
            for name, value in record.items():
                if name not in wanted and self._becomes_column(name, value):
                    nested = self._nested and self._set.types_nested
                    declared = infer_column(value, nested=nested)
                    wanted[name] = Column(name, name, declared)
            if len(wanted) >= MAX_COLUMNS:
                break
        if wanted:
            self._keep(list(wanted.values()))

    def _becomes_column(self, name: str, value: Any) -> bool:  # noqa: ANN401 - any JSON
        """Return whether a field is new, and its value tells its type."""
        return (
            name not in self._set.by_field
            and value is not None
            and (self._evolution == "add_columns" or name in self._fields)
            and not self._set.is_deselected(name)
            and not self._set.is_own(name)
            and self._set.free_name(name) is not None
            and _tells_type(value)
        )

    def _keep(self, wanted: Sequence[Column]) -> None:
        """Save columns before they are announced: no table is ahead of the file."""
        assert self._save is not None  # noqa: S101 - asked before
        stored = self._save(wanted)
        if stored is not None:
            self._set.adopt(stored)

    def decoder(self) -> Callable[[bytes], Any] | None:
        """Return a test of payloads that `conform` would leave as they are.

        It raises `msgspec.MsgspecError` or `RecursionError` for every other payload,
        except those that `payload_check.needs_slow_path` detects; check these first.

        Returns:
            The test, or None when msgspec has no types for the columns.
        """
        return self._set.decoder()

    def close(self) -> None:
        """Warn of how many fields were not warned of one by one."""
        self._rescue_log.close()
        self._drop_log.close()

    def _merged(
        self,
        record: Record,
        fields: Mapping[str, Any],
        aside: Mapping[str, Any],
        rescued: Record,
    ) -> Record:
        """Return a record with its message fields; what they hide is rescued."""
        unread = not aside.keys().isdisjoint(_UNREAD)
        for name, value in aside.items():
            if unread:
                # The message is logged where it could not be read.
                rescued[name] = value
            else:
                self._put_aside(rescued, name, value, _unnamed)
        for name in record.keys() & fields.keys():
            self._put_aside(rescued, name, record[name], _hidden)
        return {**record, **fields}

    def _rescue_mismatch(
        self,
        name: str,
        column: str,
        value: Any,  # noqa: ANN401 - any JSON
        rescued: Record,
    ) -> None:
        """Rescue a value that its column cannot hold."""
        schema = self._set.column_schema(column)
        # A message field stands beside a record's own field of the same name.
        place = f"message_fields.{name}" if name in rescued else name
        self._put_aside(rescued, place, value, lambda: self._misfit(schema, value))

    def _misfit(self, schema: Schema, value: Any) -> str:  # noqa: ANN401 - any JSON
        reason = mismatch_reason(schema, value)
        if self._save is None:
            return reason
        return (
            f"{reason} (to widen the column, change its type in the file of "
            "schema_location and alter the table)"
        )

    def _take_unknown(
        self,
        name: str,
        value: Any,  # noqa: ANN401 - any JSON
        fitted: Record,
        rescued: Record,
    ) -> None:
        """Take a field that the schema lacks.

        Raises:
            SchemaError: With `schema_evolution: fail`.
        """
        if self._set.is_deselected(name):
            return
        evolution = "add_columns" if name in self._fields else self._evolution
        if self._set.is_own(name):
            self._put_aside(rescued, name, value, _hidden)
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
            self._put_aside(rescued, name, value, lambda: why)
        elif (column := self._set.free_name(name)) is None:
            self._put_aside(rescued, name, value, lambda: self._set.why_no_column(name))
        elif value is None:
            self._take_null(name, column, fitted, rescued)
        elif _tells_type(value):
            self._take_new(name, column, value, fitted, rescued)
        else:
            why = target_limits.storage_problem(value)
            self._put_aside(rescued, name, value, lambda: why)

    def _take_new(
        self,
        name: str,
        column: str,
        value: Any,  # noqa: ANN401 - any JSON
        fitted: Record,
        rescued: Record,
    ) -> None:
        """Take a field that becomes a column."""
        declared = infer_column(value, nested=self._nested and self._set.types_nested)
        if not self._set.takes(column, declared):
            self._put_aside(
                rescued, name, value, lambda: "flattening gives a column this name"
            )
            return
        if self._save is None:
            self._set.add(name, column, declared)
        else:
            self._keep([Column(column, name, declared)])
        found = self._set.by_field.get(name)
        if found is None:
            if not self._set.is_deselected(name):
                rescued[name] = value
            return
        target, convert = found
        try:
            fitted[target] = convert(value)
        except Mismatch:
            # Another run added the column, for values of another type.
            self._rescue_mismatch(name, target, value, rescued)

    def _take_null(
        self,
        name: str,
        column: str,
        fitted: Record,
        rescued: Record,
    ) -> None:
        """Take a null that tells no type: it needs no column, if it may have none."""
        taken = self._set.takes_null(name, column)
        if taken is None:
            self._put_aside(rescued, name, None, lambda: _UNDECLARED)
        elif taken:
            fitted[name] = None

    def _put_aside(
        self,
        rescued: Record,
        name: str,
        value: Any,  # noqa: ANN401 - any JSON
        why: Callable[[], str],
    ) -> None:
        """Add a field to those that are rescued, and warn the first time."""
        rescued[name] = value
        if self._rescue:
            self._rescue_log.note(name, why)

    def _write_aside(self, rescued: Record, fitted: Record) -> None:
        """Write what has no place in its column."""
        if self._rescue:
            fitted[RESCUED] = jsontext.dumps(rescued).decode()
        elif not self._has_rescue:
            # The column `data` takes any JSON, and so the text of what it cannot hold.
            for name, value in rescued.items():
                fitted[name] = jsontext.dumps(value).decode()


_UNREAD = frozenset({UNREAD_TEXT, UNREAD_BYTES})


def _unnamed() -> str:
    return "array_columns has no name"


def _tells_type(value: Any) -> bool:  # noqa: ANN401 - any JSON
    """Return whether a value that is not null tells the type of a column."""
    return target_limits.is_storable(value) or target_limits.is_big_integer(value)


def _hidden() -> str:
    return "a column that the tap adds has this name"


def _key_error(key: str, record: Record) -> SchemaError:
    if key not in record:
        state = "is missing"
    elif record[key] is None:
        state = "is null"
    else:
        state = "holds a value that its column cannot hold"
    msg = f"the key {key!r} {state} in a record; choose primary_keys that each has"
    return SchemaError(msg)
