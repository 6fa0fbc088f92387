"""The schema in force, and how a record is made to fit it.

Nothing is lost and no type changes in mid-run: what has no place in its column goes
to `_rescued_data`, a string that holds a JSON object of such fields.
"""

from __future__ import annotations

import itertools
import types
from typing import TYPE_CHECKING, Any, Literal

from tap_websocket import jsontext
from tap_websocket.columns.column_set import ColumnSet
from tap_websocket.columns.conversion import Mismatch
from tap_websocket.columns.field_log import quoted
from tap_websocket.columns.names import UNREAD_BYTES, UNREAD_TEXT
from tap_websocket.columns.new_fields import NewFields, hidden
from tap_websocket.columns.raw_editor import RawEditor
from tap_websocket.columns.rescue import Aside, Rescue
from tap_websocket.errors import SchemaError
from tap_websocket.largejson.values import LargeObject, Written, pieces_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tap_websocket.columns.raw_editor import Edited, Fate
    from tap_websocket.columns.rules import ColumnRules
    from tap_websocket.jsontext import Record, Schema

__all__ = ["Columns"]

_NONE: Mapping[str, Any] = types.MappingProxyType({})

_MAX_NAMED = 10
"""Fields that an error names, of a record that may have any number."""

_MAX_EDITED_BYTES = 1024 * 1024
"""A message of a million names would be held twice: as pieces, then as values."""


class Columns:
    """The columns of the stream, which may grow while records come.

    Args:
        schema: JSON schema of a record.
        rules: What may be a column, and what becomes of a field that is none.
        sent_as: Column of the schema to the name that its field is sent by, where that
            is known.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        rules: ColumnRules,
        *,
        sent_as: Mapping[str, str] = _NONE,
    ) -> None:
        self._keys = tuple(rules.keys)
        self._added = frozenset(rules.added) - frozenset(rules.deselected)
        self._rescue = Rescue(
            declared=rules.rescue,
            writes=rules.rescues,
            widens=rules.save is not None,
        )
        self._set = ColumnSet(schema, rules, sent_as=sent_as)
        self._new_fields = NewFields(rules, self._set, self._rescue)
        self._editor = RawEditor(
            self._set,
            self._keys,
            conform=self.conform,
            fate_of=self._new_fields.fate_of,
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
        record: Mapping[str, Any],
        added: Mapping[str, Any],
        fields: Mapping[str, Any] = _NONE,
        aside: Mapping[str, Any] = _NONE,
    ) -> Record:
        """Return a record that fits the columns; they grow first where they may.

        Of a large record some fields at a time are parsed, and written at once.

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
        rescued = Aside()
        if aside or fields:
            record = self._merged(record, fields, aside, rescued)
        if isinstance(record, LargeObject):
            for piece in record.pieces():
                self._fit(piece, fitted, rescued)
                _write_out(fitted)
                rescued.write_out()
        else:
            self._fit(record, fitted, rescued)
        for key in self._keys:
            if fitted.get(key) is None and added.get(key) is None:
                raise _key_error(key, record)
        for name, value in added.items():
            if name in self._added:
                fitted[name] = value
        if rescued:
            self._rescue.write(rescued, fitted)
        return fitted

    def _fit(self, record: Mapping[str, Any], fitted: Record, rescued: Record) -> None:
        """Put the fields of a record into their columns, or aside."""
        columns = self._set.by_field
        for name, value in record.items():
            column = columns.get(name)
            if column is None:
                self._new_fields.take(name, value, fitted, rescued)
                continue
            target, convert = column
            try:
                fitted[target] = convert(value)
            except Mismatch:
                schema = self._set.column_schema(target)
                self._rescue.put_mismatch(rescued, name, value, schema)

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
        """
        if len(text) > _MAX_EDITED_BYTES:
            return None
        return self._editor.edit(text, added, checked=checked)

    def kept_as(self, name: str, value: bytes) -> str | None:
        """Return the column in which a field's value stays as it stands, if one is.

        Args:
            name: The field's name.
            value: The JSON text of its value.
        """
        return self._set.kept_as(name, value)

    def column_of(self, name: str) -> str:
        """Return the column of a field that has one."""
        return self._set.by_field[name][0]

    def fate_of(self, name: str, value: bytes) -> Fate | Literal["quote"] | None:
        """Return what becomes of a field that does not stay as it stands.

        Args:
            name: The field's name.
            value: The JSON text of its value.

        Returns:
            The same for all values of its JSON types that every target can hold;
            `quote` for a number whose text becomes the column's. None where that is not
            known.

        Raises:
            InvalidJson: When the value cannot be read.
        """
        found = self._set.by_field.get(name)
        if found is None:
            return self._new_fields.fate_of(name)
        try:
            converted = found[1](jsontext.parse(value))
        except Mismatch:
            return "rescue" if self._rescue.writes else None
        is_number = value[:1] not in b'"{[tfn'
        return "quote" if is_number and converted == value.decode() else None

    def prepare(self, records: Iterator[Mapping[str, Any]]) -> None:
        """Save the columns that records bring in one go, where each save takes time.

        Args:
            records: What `conform` will be given next.
        """
        self._new_fields.prepare(records)

    def decoder(self) -> Callable[[bytes], Any] | None:
        """Return a test of payloads that `conform` would leave as they are.

        It raises `msgspec.MsgspecError` or `RecursionError` for every other payload,
        except those that `payload_check.needs_slow_path` detects; check these first.

        Returns:
            The test, or None when msgspec has no types for the columns.
        """
        return self._set.decoder()

    @property
    def tests_large(self) -> bool:
        """Whether `decoder` takes little memory for a large payload."""
        return self._set.tests_large

    def close(self) -> None:
        """Warn of how many fields were not warned of one by one."""
        self._rescue.close()
        self._new_fields.close()
        self._set.close()

    def _merged(
        self,
        record: Mapping[str, Any],
        fields: Mapping[str, Any],
        aside: Mapping[str, Any],
        rescued: Aside,
    ) -> Mapping[str, Any]:
        """Return a record with its message fields; what they hide is rescued."""
        unread = not aside.keys().isdisjoint(_UNREAD)
        for piece in pieces_of(aside):
            for name, value in piece.items():
                if unread:
                    # The message is logged where it could not be read.
                    rescued[name] = value
                else:
                    self._rescue.put(rescued, name, value, _unnamed)
            if piece is not aside:
                rescued.write_out()
        hiding = [name for name in fields if name in record]
        for name in hiding:
            self._rescue.put(rescued, name, record[name], hidden)
        if isinstance(record, LargeObject):
            return record.hidden_by(fields)
        return {**record, **fields}


def _write_out(fitted: Record) -> None:
    """Write the arrays and objects among a record's values."""
    for name, value in fitted.items():
        if isinstance(value, dict | list):
            fitted[name] = Written(jsontext.dumps(value))


_UNREAD = frozenset({UNREAD_TEXT, UNREAD_BYTES})


def _unnamed() -> str:
    return "array_columns has no name"


def _key_error(key: str, record: Mapping[str, Any]) -> SchemaError:
    if key not in record:
        fields = [quoted(name) for name in itertools.islice(record, _MAX_NAMED)]
        more = len(record) - len(fields)
        has = f"{', '.join(fields) or 'none'}{f' and {more} more' if more else ''}"
        msg = (
            f"a record has no {key!r}, which primary_keys names; the record has these "
            f"fields: {has}; name one that every record has, or let message_rules "
            "ignore what is no data"
        )
    elif record[key] is None:
        msg = (
            f"a record has null in {key!r}, which primary_keys names; name a field "
            "that has a value in each record"
        )
    else:
        msg = (
            f"a record has a value in {key!r}, which primary_keys names, that its "
            "column cannot hold; declare the column in schema with each type that comes"
        )
    return SchemaError(msg)
