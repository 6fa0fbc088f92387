"""The columns in force: their names, schemas and what turns values into theirs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

from tap_websocket.columns import json_types
from tap_websocket.columns.conversion import converter
from tap_websocket.columns.field_log import FieldLog, quoted
from tap_websocket.columns.inference import MAX_COLUMNS, MAX_NESTED, count_nested
from tap_websocket.columns.names import RESCUED
from tap_websocket.columns.naming import ColumnNames
from tap_websocket.columns.payload_check import (
    compile_decoder,
    compile_field,
    is_field_name,
    parses_nothing,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_websocket.columns.conversion import Convert
    from tap_websocket.columns.rules import ColumnRules
    from tap_websocket.columns.stored_columns import StoredColumns
    from tap_websocket.jsontext import Schema

__all__ = ["ColumnSet"]

_LOGGER = logging.getLogger("tap-websocket")
# For those who installed the package: they have no `docs/`.
_PAGE = "https://github.com/tap-websocket/tap-websocket/blob/main/docs/columns.md#names"

_RESCUED_SCHEMA = {"type": ["string", "null"]}
_MAX_PAIRS = 10
"""Pairs of names in one warning; the others are counted."""


_test_null = msgspec.json.Decoder(None).decode


class ColumnSet:
    """The columns in force, by the names that their fields are sent by.

    Args:
        schema: JSON schema of a record.
        rules: What may be a column.
        sent_as: Column to the name that its field is sent by, where that is known;
            the others are named by the rules.

    Attributes:
        schema: The JSON schema in force; a new object whenever it grows.
        version: Counts the changes after which `decoder` has to be asked for anew.
        by_field: Field to its column and what turns its values into the column's, for
            a look at each field of each record.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        rules: ColumnRules,
        *,
        sent_as: Mapping[str, str],
    ) -> None:
        self._keys = tuple(rules.keys)
        self._own = frozenset({*rules.added, RESCUED})
        self._deselected = frozenset(rules.deselected)
        self._added = {
            name: declared
            for name, declared in rules.added.items()
            if name not in self._deselected
        }
        self._rescues = rules.rescues
        self._rest = {
            name: value for name, value in schema.items() if name != "properties"
        }
        # Properties that are typed inside of columns.
        self._nested = 0
        # Column to its JSON schema, apart from those that the tap adds.
        self._properties: dict[str, Schema] = {}
        self.by_field: dict[str, tuple[str, Convert]] = {}
        self._dropped = set(self._deselected) - set(sent_as)
        self._takes_schema = rules.takes_schema
        self._folds = rules.naming == "portable"
        self._names = ColumnNames(rules.naming, reserved=self._own)
        # Tests of single fields, compiled when they are first asked for.
        self._tests: dict[str, Callable[[bytes], Any] | None] = {}
        # Fields that were only ever null, which tells no type: they are no columns yet.
        self._null_fields: set[str] = set()
        # Columns that some targets take for an earlier one, until they are warned of.
        self._alike: list[tuple[str, str]] = []
        self._new_log = FieldLog("became a column", level=logging.INFO)
        self._declare_all(schema.get("properties", {}), sent_as)
        self.version = 0
        self.schema: Schema = self._make_schema()

    def column_schema(self, column: str) -> Schema:
        """Return the JSON schema of a column that a field has."""
        return self._properties[column]

    def is_deselected(self, field: str) -> bool:
        """Return whether a field stays out for good."""
        return field in self._dropped

    def is_own(self, name: str) -> bool:
        """Return whether a name is that of a column that the tap adds."""
        return name in self._added or name == RESCUED

    @property
    def types_nested(self) -> bool:
        """Whether what is inside of more columns may be typed."""
        return self._nested < MAX_NESTED

    @property
    def is_full(self) -> bool:
        """Whether no more fields become columns."""
        return len(self._properties) >= MAX_COLUMNS

    @property
    def sent_as(self) -> dict[str, str]:
        """The name that each column's field is sent by, where it is another one."""
        return {
            column: name
            for name, (column, _) in self.by_field.items()
            if name != column
        }

    def free_name(self, field: str) -> str | None:
        """Return the name of the column that a new field could have, or None."""
        return None if self.is_full else self._names.free(field)

    def why_no_column(self, field: str) -> str:
        """Return why a new field can have no column."""
        if self.is_full:
            return f"the stream has {MAX_COLUMNS} columns, and no more"
        if self._names.is_reserved(field):
            return "a column that the tap adds has this name, or one like it"
        return f"not every target can have a column of this name ({_PAGE})"

    @property
    def flattens(self) -> bool:
        """Whether not every schema is taken by what comes behind."""
        return self._takes_schema is not None

    def takes(self, column: str, declared: Schema) -> bool:
        """Return whether the schema could be flattened with another column in it."""
        if self._takes_schema is None:
            return True
        properties = {**self._properties, **self._added, column: declared}
        return self._takes_schema({"type": "object", "properties": properties})

    def add(self, field: str, column: str, declared: Schema) -> None:
        """Add a column for a new field; the schema grows with it."""
        self._declare(field, column, declared)
        self._note_new(field)
        self._grown()

    def adopt(self, stored: StoredColumns) -> None:
        """Add those of the stored columns that are not here yet."""
        before = len(self._properties)
        for column in stored.columns:
            if column.name in self._deselected:
                self._dropped.add(column.sent_as)
            elif (
                column.sent_as not in self.by_field
                and not self.is_full
                and self._names.may_be(column.name)
                and self.takes(column.name, column.schema)
            ):
                self._declare(column.sent_as, column.name, column.schema)
                self._note_new(column.sent_as)
        if len(self._properties) > before:
            self._grown()

    def _note_new(self, field: str) -> None:
        """Log that a field has become a column."""
        schema = self._properties[self.by_field[field][0]]
        self._new_log.note(field, lambda: f"of the type {json_types.named(schema)}")

    def close(self) -> None:
        """Log how many new columns were not logged one by one."""
        self._new_log.close()

    def takes_null(self, field: str, column: str) -> bool | None:
        """Take a null of a field that has no column.

        Args:
            field: The field's name.
            column: The name of the column that it would have.

        Returns:
            Whether the null may stand in the record; None where it has to be rescued.
        """
        if self._rest.get("additionalProperties", True) is not True:
            return None
        if self._folds or field != column:
            # A target that folds names could take it for another column's value.
            return False
        if field not in self._null_fields:
            if len(self._null_fields) >= MAX_COLUMNS:
                return None
            self._null_fields.add(field)
            self.version += 1
        return True

    def decoder(self) -> Callable[[bytes], Any] | None:
        """Compile a test of payloads that are records as they stand."""
        keys = [key for key in self._keys if key not in self._added]
        kept = {
            name: self._properties[column]
            for name, (column, _) in self.by_field.items()
            if name == column
        }
        return compile_decoder(kept, keys, self._null_fields)

    @property
    def tests_large(self) -> bool:
        """Whether `decoder` makes no objects of what nests in a payload."""
        return all(
            parses_nothing(declared, key=column in self._keys)
            for column, declared in self._properties.items()
        )

    def lenient_decoder(self) -> Callable[[bytes], Any] | None:
        """Compile a test of payloads whose known fields fit, whatever others they have.

        Returns:
            The test; None when msgspec has no types for the columns.
        """
        keys = [key for key in self._keys if key not in self._added]
        known = {
            field: self._properties[column]
            for field, (column, _) in self.by_field.items()
        }
        return compile_decoder(known, keys, self._null_fields, others=True)

    def sent_names(self) -> tuple[frozenset[str], dict[str, str]]:
        """Return what a `lenient_decoder` knows.

        Returns:
            The fields whose column has their name, known nulls among them; and, for
            those whose column has another name, field to column.
        """
        known = {
            field: column
            for field, (column, _) in self.by_field.items()
            if is_field_name(field)
        }
        same = {field for field, column in known.items() if field == column}
        nulls = filter(is_field_name, self._null_fields)
        renamed = {field: column for field, column in known.items() if field != column}
        return frozenset(same.union(nulls)), renamed

    def field_decoder(self, field: str) -> Callable[[bytes], Any] | None:
        """Return a test of a field's values that stay as they stand in its column.

        Returns:
            The test; None when there is no such column, or no test of it.
        """
        if field not in self._tests:
            found = self.by_field.get(field)
            if found is None:
                return _test_null if field in self._null_fields else None
            column, _ = found
            self._tests[field] = compile_field(
                self._properties[column], key=column in self._keys
            )
        return self._tests[field]

    def kept_as(self, field: str, value: bytes) -> str | None:
        """Return the column in which a field's value stays as it stands, if one is."""
        test = self.field_decoder(field)
        if test is None or not is_field_name(field):
            return None
        try:
            test(value)
        except (msgspec.MsgspecError, RecursionError):
            return None
        found = self.by_field.get(field)
        return field if found is None else found[0]

    def _declare_all(
        self,
        properties: Mapping[str, Schema],
        sent_as: Mapping[str, str],
    ) -> None:
        """Declare the columns that the schema begins with, the tap's own apart."""
        # A key's name is its column's; no earlier field may take it.
        for key in self._keys:
            self._names.claim(key)
        # One by one only where the whole does not fit: each check takes all columns.
        flattens = self._takes_schema is None or self._takes_schema(
            {"type": "object", "properties": {**properties, **self._added}},
        )
        for name, declared in properties.items():
            field = sent_as.get(name, name)
            if name in self._own:
                continue
            if name in self._deselected:
                self._dropped.add(field)
                continue
            if name in self._keys:
                column: str | None = name
            elif name in sent_as:
                column = name if self._names.may_be(name) else None
            else:
                column = self._names.free(name)
            if (
                column is not None
                and not self.is_full
                and (flattens or self.takes(column, declared))
            ):
                self._declare(field, column, declared)
            else:
                _LOGGER.warning(
                    "The field %s is in the schema, but cannot be a column of every "
                    "target (see %s); its values go to _rescued_data",
                    quoted(name),
                    _PAGE,
                )
        self._warn_of_alike()

    def _declare(self, field: str, column: str, declared: Schema) -> None:
        is_key = column in self._keys
        schema = declared if is_key else json_types.nullable(declared)
        self._properties[column] = schema
        self._nested += count_nested(schema)
        self.by_field[field] = column, converter(schema, key=is_key)
        self._null_fields.discard(field)
        earlier = self._names.claim(column)
        if earlier is not None:
            self._alike.append((column, earlier))

    def _grown(self) -> None:
        self._warn_of_alike()
        self.schema = self._make_schema()
        self.version += 1

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
                "separators: %s%s; DuckDB, BigQuery and Snowflake treat them as one: "
                "set column_names: portable for them",
                pairs,
                f" and {more} more" if more > 0 else "",
            )
            self._alike = []

    def _make_schema(self) -> Schema:
        properties = dict(self._properties)
        if self._rescues:
            properties[RESCUED] = _RESCUED_SCHEMA
        properties |= self._added
        schema = {**self._rest, "type": "object", "properties": properties}
        required = [name for name in schema.pop("required", ()) if name in self._keys]
        return {**schema, "required": required} if required else schema
