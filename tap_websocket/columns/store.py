"""The columns of a stream between runs: read at the start, added to in mid-run."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from tap_websocket.columns import json_types
from tap_websocket.columns.field_log import quoted
from tap_websocket.columns.inference import ANY_JSON, JSON_TEXT
from tap_websocket.columns.location import Location, open_location
from tap_websocket.columns.naming import ColumnNames
from tap_websocket.columns.stored_columns import (
    Column,
    StoredColumns,
    dump_columns,
    load_columns,
)
from tap_websocket.wording import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tap_websocket.columns.naming import ColumnNaming

__all__ = ["ColumnStore"]

_LOGGER = logging.getLogger("tap-websocket")

_MAX_NAMES = 10
"""Names in one log line."""


class ColumnStore:
    """The columns of a stream, in the file of `schema_location`.

    Args:
        url: The setting `schema_location`.
        stream: The stream's name.
        naming: The setting `column_names`.
        reserved: Columns that the tap adds; no stored column has a name like theirs.
        keys: Key properties; they keep the name that they are sent by.
    """

    def __init__(
        self,
        url: str,
        *,
        stream: str,
        naming: ColumnNaming,
        reserved: Collection[str],
        keys: Collection[str],
    ) -> None:
        self._url = url
        self._stream = stream
        self._naming = naming
        self._reserved = reserved
        self._keys = keys
        # Opened by the first use, which may take a second for a store of objects.
        self._location: Location | None = None
        # What the file held last, so that it need not be parsed again.
        self._known: tuple[bytes | None, StoredColumns] = None, StoredColumns()

    def open(self) -> StoredColumns:
        """Return the columns that earlier runs saved; none where there is no file.

        Raises:
            LocationError: When the file cannot be read or written, or is another file.
        """
        location = open_location(self._url)
        location.check()
        if not location.is_conditional:
            _LOGGER.warning(
                "schema_location: two runs at once could undo each other's new columns "
                "there: only local paths and s3:// are safe from that",
            )
        self._location = location
        return self._load(location.read())

    def begin(self, catalog: Mapping[str, Any] | None = None) -> StoredColumns:
        """Return the columns that a run begins with; none where it has to infer them.

        Types come from the file. Columns of the catalog, and keys, that the file lacks
        are added to it.

        Args:
            catalog: The selected columns of the catalog and their JSON schemas, if one
                was given.

        Raises:
            LocationError: When the file cannot be read or written, or is another file.
        """
        stored = self.open()
        wanted = [
            Column(name, name, _typed(declared))
            for name, declared in (catalog or {}).items()
            if name not in stored.names and name not in self._reserved
        ]
        if stored.columns or wanted:
            known = stored.names.union(column.name for column in wanted)
            wanted += [
                Column(key, key, JSON_TEXT)
                for key in self._keys
                if key not in known and key not in self._reserved
            ]
        if wanted:
            stored = self.save(wanted)
        if catalog:
            self._warn_of_types(stored, catalog)
        if stored.columns:
            columns = counted(len(stored.columns), "column", "columns")
            _LOGGER.info("The run begins with the %s that schema_location has", columns)
        else:
            _LOGGER.info(
                "schema_location has no columns yet: they are found in a sample, and "
                "kept there"
            )
        return stored

    def _warn_of_types(
        self,
        stored: StoredColumns,
        catalog: Mapping[str, Any],
    ) -> None:
        """Warn of columns whose types in the catalog are not those of the file."""
        others = [
            quoted(column.name)
            for column in stored.columns
            if column.name in catalog
            and json_types.types_of(column.schema) - {"null"}
            != json_types.types_of(catalog[column.name]) - {"null"}
        ]
        if others:
            _LOGGER.warning(
                "The catalog and the file of schema_location differ on the types of "
                "%s%s; those of the file count: discover again",
                ", ".join(others[:_MAX_NAMES]),
                f" and {len(others) - _MAX_NAMES} more"
                if len(others) > _MAX_NAMES
                else "",
            )

    def add_sample(self, schema: Mapping[str, Any]) -> StoredColumns:
        """Add the columns that were inferred from a sample.

        Args:
            schema: JSON schema of a record, by the names that its fields are sent by.

        Raises:
            LocationError: When the file cannot be read or written, or is another file.
        """
        return self.save(
            [
                Column(name, name, json_types.nullable(declared))
                for name, declared in schema["properties"].items()
                if name not in self._reserved
            ],
        )

    def save(self, wanted: Sequence[Column]) -> StoredColumns:
        """Add columns to the file, unless their fields have one there.

        A field that another run added first has that run's column.

        Args:
            wanted: New columns, each with the name that it is to have. With
                `column_names: portable` it may be given another one.

        Returns:
            All columns in the file.

        Raises:
            LocationError: When the file cannot be read or written, or is another file.
        """
        stored = StoredColumns()

        def change(data: bytes | None) -> bytes | None:
            nonlocal stored
            before = self._load(data)
            stored = before.merged(self._named(before, wanted))
            if stored == before:
                return None
            changed = dump_columns(stored, stream=self._stream)
            self._known = changed, stored
            return changed

        if self._location is None:
            self.open()
        assert self._location is not None  # noqa: S101 - it was opened
        self._location.update(change)
        return stored

    def _load(self, data: bytes | None) -> StoredColumns:
        if data is None or data != self._known[0]:
            self._known = (
                data,
                load_columns(data, stream=self._stream, where=self._url),
            )
        return self._known[1]

    def _named(
        self,
        stored: StoredColumns,
        wanted: Sequence[Column],
    ) -> list[Column]:
        """Give wanted columns names that none of the stored ones has."""
        names = ColumnNames(self._naming, reserved=self._reserved)
        for taken in (*self._keys, *stored.names):
            names.claim(taken)
        named = []
        for column in wanted:
            if column.sent_as in stored.sent_names:
                continue
            name = names.free(column.sent_as)
            if column.sent_as in self._keys:
                name = column.sent_as
            if name is not None:
                names.claim(name)
                named.append(Column(name, column.sent_as, column.schema))
        return named


def _typed(declared: Mapping[str, Any]) -> dict[str, Any]:
    """Return a column's schema for a property of a catalog, which may name no type."""
    column = json_types.nullable(declared)
    return column if json_types.names_types(column) else {**column, **ANY_JSON}
