"""Which columns the settings and a catalog call for."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import msgspec

from tap_websocket.columns import json_types
from tap_websocket.columns.columns import Columns
from tap_websocket.columns.inference import ANY_JSON, JSON_TEXT
from tap_websocket.columns.names import (
    CONNECTION,
    DATA,
    ENVELOPE_RECEIVED_AT,
    ENVELOPE_URL,
    MISSING_NUMBERS,
    OUTAGE_SECONDS,
    RECEIVED_AT,
    RESCUED,
    SEQUENCE,
)
from tap_websocket.columns.naming import names_of
from tap_websocket.columns.payload_check import compile_value
from tap_websocket.columns.rules import ColumnRules
from tap_websocket.columns.saver import ColumnSaver
from tap_websocket.columns.store import ColumnStore
from tap_websocket.errors import CatalogError
from tap_websocket.records.fast_path import FastPath
from tap_websocket.records.formats import format_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_websocket.columns.stored_columns import StoredColumns
    from tap_websocket.jsontext import Schema
    from tap_websocket.settings import Settings

__all__ = ["RecordPlan", "added_columns"]

_TEXT = {"type": ["string", "null"]}
_TIME = {"type": ["string", "null"], "format": "date-time"}
_NUMBER = {"type": ["integer", "null"]}


_LOGGER = logging.getLogger("tap-websocket")


def added_columns(settings: Settings) -> dict[str, Schema]:
    """Return the columns that the tap itself adds to each record."""
    added: dict[str, Schema] = {}
    if settings.decoding.envelope:
        added |= {ENVELOPE_RECEIVED_AT: _TIME, ENVELOPE_URL: _TEXT}
    if settings.decoding.record_metadata:
        added |= {
            RECEIVED_AT: _TIME,
            CONNECTION: _NUMBER,
            SEQUENCE: _NUMBER,
            MISSING_NUMBERS: _NUMBER,
            OUTAGE_SECONDS: {"type": ["number", "null"]},
        }
    return added | dict.fromkeys(settings.context_columns, _TEXT)


class RecordPlan(msgspec.Struct, frozen=True):
    """The plan of a stream's columns.

    Attributes:
        settings: All settings.
        keys: The key properties, of the settings or of the catalog.
        catalog_schema: The stream's schema in the catalog, if one was given.
        deselected: Properties that the catalog deselects.
        store: The file that keeps the columns between runs, once it was opened.
        stored: The columns that it held then.
        takes_schema: Whether what comes behind takes a schema: flattening does not take
            each; None where all are taken.
    """

    settings: Settings
    keys: Sequence[str] = ()
    catalog_schema: Mapping[str, Any] | None = None
    deselected: frozenset[str] = frozenset()
    store: ColumnStore | None = None
    stored: StoredColumns | None = None
    takes_schema: Callable[[dict[str, Any]], bool] | None = None

    def opened(self) -> RecordPlan:
        """Return the plan with the columns of `schema_location`, where that is set.

        Raises:
            LocationError: When the file cannot be read or written, or is another file.
        """
        stream = self.settings.stream
        if stream.schema_location is None or self.stored is not None:
            return self
        store = ColumnStore(
            stream.schema_location,
            stream=stream.stream_name,
            naming=stream.column_names,
            reserved=(*added_columns(self.settings), RESCUED),
            keys=self.keys,
        )
        properties = (self.catalog_schema or {}).get("properties", {})
        selected = {
            name: declared
            for name, declared in properties.items()
            if name not in self.deselected
        }
        stored = store.begin(selected)
        return msgspec.structs.replace(self, store=store, stored=stored)

    def check_keys(self) -> None:
        """Check that the catalog has each key; the file of `schema_location` gets it.

        Raises:
            CatalogError: When it lacks one: a SCHEMA would name what is no column.
        """
        if self.catalog_schema is None or self.settings.stream.schema_location:
            return
        columns = self.catalog_schema.get("properties", {})
        own = added_columns(self.settings)
        for key in self.keys:
            if key not in columns and key not in own:
                msg = (
                    f"the catalog has no property {key!r}, which primary_keys names; "
                    "discover again"
                )
                raise CatalogError(msg)

    @property
    def single_column(self) -> bool:
        """Whether each record lands whole in the column `data`."""
        decode, stream = self.settings.decoding, self.settings.stream
        if not self.settings.decoding.is_structured or decode.envelope:
            return decode.envelope or not decode.message_pattern
        return stream.schema is None and stream.infer_messages == 0

    @property
    def opens_arrays(self) -> bool:
        """Whether an array of objects is several documents; else it stays whole."""
        decode = self.settings.decoding
        return (not self.single_column or decode.envelope) and not decode.reads_arrays

    @property
    def infers(self) -> bool:
        """Whether the columns are to be inferred from a sample."""
        return (
            self.settings.decoding.is_structured
            and not self.single_column
            and self.settings.stream.schema is None
            and self.catalog_schema is None
            and not (self.stored is not None and self.stored.columns)
        )

    def is_told_by(self, catalog_schema: Mapping[str, Any]) -> bool:
        """Return whether a catalog's schema tells the columns that a sample would.

        That of a discovery in which no record came has the keys, and what the tap adds.
        """
        keys, names = {*self.keys}, catalog_schema.get("properties", {}).keys()
        own = {*added_columns(self.settings), RESCUED}
        return not self.infers or not keys <= names <= keys | own

    def columns(
        self,
        inferred: Mapping[str, Any] | None = None,
        *,
        has_records: bool = True,
    ) -> Columns:
        """Make the columns, of a sample where they are to be inferred.

        Args:
            inferred: The schema of the sample.
            has_records: Whether the sample has any; else nothing is saved.

        Raises:
            LocationError: When inferred ones cannot be saved.
        """
        settings = self.settings
        schema, sent_as = self._schema(inferred, has_records=has_records)
        rules = ColumnRules(
            keys=self.keys,
            evolution=settings.stream.schema_evolution,
            added=added_columns(settings),
            rescue=self._rescues,
            deselected=self.deselected,
            nested=settings.stream.infer_nested,
            fields=settings.decoding.field_names,
            naming=settings.stream.column_names,
            save=None if self.store is None else self._saver(self.store).offer,
            takes_schema=self.takes_schema,
        )
        return Columns(schema, rules, sent_as=sent_as)

    def _saver(self, store: ColumnStore) -> ColumnSaver:
        return ColumnSaver(store.save, clock=time.monotonic)

    def _schema(
        self,
        inferred: Mapping[str, Any] | None,
        *,
        has_records: bool,
    ) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """Return the schema to begin with, and what is known of sent names."""
        if self.store is None or self.stored is None:
            if inferred is not None:
                _LOGGER.info(
                    "The columns were inferred from this run's sample alone; with "
                    "schema_location they would last from one run to the next",
                )
            schema = self.catalog_schema or inferred or self._declared()
            return schema, self._sent_as()
        if inferred is not None and not has_records:
            # The file would keep the type of a key that no record has shown.
            return inferred, {}
        stored = self.stored
        if inferred is not None and inferred["properties"]:
            stored = self.store.add_sample(inferred)
        properties = {
            column.name: json_types.not_null(column.schema)
            if column.name in self.keys
            else column.schema
            for column in stored.columns
        }
        sent_as = {column.name: column.sent_as for column in stored.columns}
        return {"type": "object", "properties": properties}, sent_as

    def _sent_as(self) -> Mapping[str, str]:
        """Return the sent names of a catalog's columns, which stands for `schema`."""
        if self.catalog_schema is None or self.settings.stream.schema is None:
            return {}
        return names_of(
            self._declared()["properties"],
            self.settings.stream.column_names,
            keys=self.keys,
            reserved=(*added_columns(self.settings), RESCUED),
        )

    def fast_path(self, columns: Columns) -> FastPath | None:
        """Make the fast path for what is a record as it stands."""
        message_format = format_of(self.settings.decoding.message_format)
        if self.single_column and DATA in self.deselected:
            return None
        test = None
        if self.settings.decoding.is_structured:
            data = columns.schema["properties"].get(DATA, {})
            test = compile_value(data) if self.single_column else columns.decoder()
            if test is None:
                return None
        return FastPath(
            message_format,
            test,
            single_column=self.single_column,
            sequence=SEQUENCE if self._numbers else None,
        )

    @property
    def _numbers(self) -> bool:
        """Whether records get the column that numbers them."""
        return (
            self.settings.decoding.record_metadata and SEQUENCE not in self.deselected
        )

    @property
    def _rescues(self) -> bool:
        if not self.settings.decoding.is_structured:
            return False
        return (
            not self.settings.decoding.envelope
            or self.settings.stream.schema is not None
        )

    def _declared(self) -> Schema:
        """Return the record's schema where nothing is inferred."""
        decode, given = self.settings.decoding, self.settings.stream.schema
        if given is not None and not decode.envelope:
            return dict(given)
        pattern = decode.message_pattern
        if given is not None:
            columns = {DATA: json_types.nullable(given)}
        elif self.settings.decoding.is_structured:
            columns = {DATA: ANY_JSON}
        elif pattern is None:
            columns = {DATA: _TEXT}
        elif decode.envelope:
            columns = {DATA: ANY_JSON}
        else:
            columns = dict.fromkeys(pattern.names, _TEXT)
        if decode.envelope:
            columns |= {name: JSON_TEXT for name, _ in decode.message_fields}
            columns |= {name: _TEXT for name, _ in decode.group_fields}
        return {"type": "object", "properties": columns}
