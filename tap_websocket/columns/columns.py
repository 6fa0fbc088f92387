"""The schema in force, and how a record is made to fit it.

Nothing is lost and no type changes in mid-run: what has no place in its column goes
to `_rescued_data`, a string that holds a JSON object of such fields.
"""

from __future__ import annotations

import logging
import types
from typing import TYPE_CHECKING, Any, Literal

from tap_websocket import jsontext
from tap_websocket.columns import json_types, target_limits
from tap_websocket.columns.conversion import Mismatch, converter, mismatch_reason
from tap_websocket.columns.field_log import FieldLog, quoted
from tap_websocket.columns.inference import infer_column
from tap_websocket.columns.names import RESCUED
from tap_websocket.columns.naming import ColumnNames, ColumnNaming
from tap_websocket.columns.payload_check import compile_decoder
from tap_websocket.errors import SchemaError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from tap_websocket.columns.conversion import Convert

__all__ = ["Columns", "Evolution"]

_LOGGER = logging.getLogger("tap-websocket")

Evolution = Literal["add_columns", "rescue", "ignore", "fail"]
"""What becomes of a field that the schema lacks (`schema_evolution`)."""

_RESCUED_SCHEMA = {"type": ["string", "null"]}

_MAX_COLUMNS = 1000
"""PostgreSQL has 1,600 in a table, and targets add their own."""

_MAX_PAIRS = 10

Record = dict[str, Any]
Schema = dict[str, Any]

_NONE: Mapping[str, Any] = types.MappingProxyType({})


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

    Attributes:
        schema: The JSON schema in force; a new object whenever it grows.
        version: Counts the changes after which `decoder` has to be asked for anew.
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
    ) -> None:
        self._keys = tuple(keys)
        self._evolution = evolution
        self._deselected = frozenset(deselected)
        self._added = {
            name: declared for name, declared in added.items() if name not in deselected
        }
        self._rescue = rescue and RESCUED not in deselected
        self._has_rescue = rescue
        self._nested = nested
        self._fields = frozenset(fields)
        self._rest = {
            name: value for name, value in schema.items() if name != "properties"
        }
        self._closed = schema.get("additionalProperties", True) is not True
        # Column to its JSON schema, apart from those that the tap adds.
        self._properties: dict[str, Schema] = {}
        # Field, by the name that it is sent by, to its column and how to get there.
        self._columns: dict[str, tuple[str, Convert]] = {}
        self._naming = naming
        self._names = ColumnNames(naming, reserved=(*added, RESCUED))
        # Fields that were only ever null, which tells no type: they are no columns yet.
        self._null_fields: set[str] = set()
        self._rescue_log = FieldLog("went to _rescued_data")
        self._drop_log = FieldLog("is dropped")
        # Columns that some targets take for an earlier one, until they are warned of.
        self._alike: list[tuple[str, str]] = []
        self._declare_all(schema.get("properties", {}), {*added, RESCUED})
        self.version = 0
        self.schema: Schema = self._make_schema()

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
        if aside or fields:
            record = self._merged(record, fields, aside, rescued)
        for name, value in record.items():
            column = self._columns.get(name)
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

    def decoder(self) -> Callable[[bytes], Any] | None:
        """Return a test of payloads that `conform` would leave as they are.

        It raises `msgspec.MsgspecError` or `RecursionError` for every other payload,
        except those that `payload_check.needs_slow_path` detects; check these first.

        Returns:
            The test, or None when msgspec has no types for the columns.
        """
        keys = [key for key in self._keys if key not in self._added]
        kept = {
            name: self._properties[column]
            for name, (column, _) in self._columns.items()
            if name == column
        }
        return compile_decoder(kept, keys, self._null_fields)

    @property
    def sent_as(self) -> dict[str, str]:
        """The name that each column's field is sent by, where it is another one."""
        return {
            column: name
            for name, (column, _) in self._columns.items()
            if name != column
        }

    def close(self) -> None:
        """Warn of how many fields were not warned of one by one."""
        self._rescue_log.close()
        self._drop_log.close()

    def _declare_all(
        self,
        properties: Mapping[str, Schema],
        own: Collection[str],
    ) -> None:
        """Declare the columns that a schema begins with, the tap's own apart."""
        # A key's name is its column's; no earlier field may take it.
        for key in self._keys:
            self._names.claim(key)
        for name, declared in properties.items():
            if name in own or name in self._deselected:
                continue
            column = name if name in self._keys else self._names.free(name)
            if column is not None and len(self._properties) < _MAX_COLUMNS:
                self._declare(name, column, declared)
            else:
                _LOGGER.warning(
                    "The field %s is in the schema, but cannot be a column of every "
                    "target (see docs/columns.md); its values go to _rescued_data",
                    quoted(name),
                )
        self._warn_of_alike()

    def _declare(self, name: str, column: str, declared: Schema) -> None:
        """Add a column for the field of a name."""
        is_key = column in self._keys
        schema = declared if is_key else json_types.nullable(declared)
        self._properties[column] = schema
        self._columns[name] = column, converter(schema, key=is_key)
        self._null_fields.discard(name)
        earlier = self._names.claim(column)
        if earlier is not None:
            self._alike.append((column, earlier))

    def _warn_of_alike(self) -> None:
        """Warn of columns that some targets take for one."""
        if self._alike:
            pairs = ", ".join(
                f"{quoted(column)} ({quoted(earlier)})"
                for column, earlier in self._alike[:_MAX_PAIRS]
            )
            more = len(self._alike) - _MAX_PAIRS
            _LOGGER.warning(
                "Columns have names that differ from an earlier one's only by case or "
                "separators: %s%s; DuckDB, BigQuery and Snowflake take such for one "
                "(docs/columns.md)",
                pairs,
                f" and {more} more" if more > 0 else "",
            )
            self._alike = []

    def _merged(
        self,
        record: Record,
        fields: Mapping[str, Any],
        aside: Mapping[str, Any],
        rescued: Record,
    ) -> Record:
        """Return a record with its message fields; what they hide is rescued."""
        for name, value in aside.items():
            self._put_aside(rescued, name, value, lambda: "array_columns has no name")
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
        schema = self._properties[column]
        # A message field stands beside a record's own field of the same name.
        place = f"message_fields.{name}" if name in rescued else name
        self._put_aside(rescued, place, value, lambda: mismatch_reason(schema, value))

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
        if name in self._deselected:
            return
        evolution = "add_columns" if name in self._fields else self._evolution
        if name in self._added or name == RESCUED:
            self._put_aside(rescued, name, value, _hidden)
        elif evolution == "ignore":
            self._drop_log.note(name, lambda: _UNDECLARED + " (schema_evolution)")
        elif evolution == "fail":
            msg = (
                f"the field {quoted(name)} is not in the schema (schema_evolution: "
                "fail); add it there, or let schema_evolution be add_columns or rescue"
            )
            raise SchemaError(msg)
        elif evolution == "rescue":
            self._put_aside(
                rescued, name, value, lambda: _UNDECLARED + " (schema_evolution)"
            )
        elif (column := self._free_column(name)) is None:
            self._put_aside(rescued, name, value, lambda: self._why_no_column(name))
        elif value is None:
            self._take_null(name, column, fitted, rescued)
        elif target_limits.is_storable(value) or target_limits.is_big_integer(value):
            self._declare(name, column, infer_column(value, nested=self._nested))
            self._warn_of_alike()
            self.schema = self._make_schema()
            self.version += 1
            fitted[column] = self._columns[name][1](value)
        else:
            self._put_aside(
                rescued, name, value, lambda: target_limits.storage_problem(value)
            )

    def _free_column(self, name: str) -> str | None:
        """Return the name of the column that a new field could have."""
        if len(self._properties) >= _MAX_COLUMNS:
            return None
        return self._names.free(name)

    def _why_no_column(self, name: str) -> str:
        if len(self._properties) >= _MAX_COLUMNS:
            return f"the stream has {_MAX_COLUMNS} columns, and no more"
        if self._names.is_reserved(name):
            return "a column that the tap adds has this name, or one like it"
        return "not every target can have a column of this name (docs/columns.md)"

    def _take_null(
        self,
        name: str,
        column: str,
        fitted: Record,
        rescued: Record,
    ) -> None:
        """Take a null that tells no type: it needs no column, if it may have none."""
        if self._closed:
            self._put_aside(rescued, name, None, lambda: _UNDECLARED)
            return
        if self._naming == "portable" or name != column:
            # A target that folds names could take it for another column's value.
            return
        if name not in self._null_fields:
            if len(self._null_fields) >= _MAX_COLUMNS:
                self._put_aside(rescued, name, None, lambda: _UNDECLARED)
                return
            self._null_fields.add(name)
            self.version += 1
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

    def _make_schema(self) -> Schema:
        properties = dict(self._properties)
        if self._rescue:
            properties[RESCUED] = _RESCUED_SCHEMA
        properties |= self._added
        schema = {**self._rest, "type": "object", "properties": properties}
        required = [name for name in schema.pop("required", ()) if name in self._keys]
        return {**schema, "required": required} if required else schema


_UNDECLARED = "it is not in the schema"


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
