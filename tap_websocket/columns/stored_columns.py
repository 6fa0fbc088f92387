"""The document of `schema_location`: the columns of a stream, kept between runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import msgspec

from tap_websocket.columns import json_types
from tap_websocket.errors import LocationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_websocket.jsontext import JsonValue, Schema

__all__ = ["Column", "StoredColumns", "dump_columns", "load_columns"]


_FORMAT = "tap-websocket schema"
_VERSION = 1
"""Of the document; it goes up with a change that an older tap would misread."""


class Column(msgspec.Struct, frozen=True):
    """A column that a field's values go to.

    Attributes:
        name: Its name in the target.
        sent_as: The name that the field is sent by.
        schema: JSON schema of its values, null among them.
    """

    name: str
    sent_as: str
    schema: Schema


class StoredColumns(msgspec.Struct, frozen=True):
    """The columns of a stream, in order of their appearance.

    Attributes:
        columns: Each with a name and a sent name of its own.
    """

    columns: tuple[Column, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The names of the columns."""
        return frozenset(column.name for column in self.columns)

    @property
    def sent_names(self) -> frozenset[str]:
        """The names that their fields are sent by."""
        return frozenset(column.sent_as for column in self.columns)

    def merged(self, wanted: Iterable[Column]) -> StoredColumns:
        """Return these columns and those of the wanted ones that are not there yet.

        A field that has a column keeps it, with its name and type. A column whose name
        another field has is left out.
        """
        columns = list(self.columns)
        names, sent_names = set(self.names), set(self.sent_names)
        for column in wanted:
            if column.name not in names and column.sent_as not in sent_names:
                columns.append(column)
                names.add(column.name)
                sent_names.add(column.sent_as)
        return StoredColumns(tuple(columns))


def load_columns(data: bytes | None, *, stream: str, where: str) -> StoredColumns:
    """Return the columns that a file holds.

    Args:
        data: The file's bytes; None, or no bytes: no column yet.
        stream: The stream that they have to be of.
        where: What the location is called in an error.

    Raises:
        LocationError: When the file holds anything else, or another stream's columns.
    """
    if not data:
        # An empty file is what `touch` and `mktemp` leave.
        return StoredColumns()
    try:
        return _columns(json.loads(data), stream)
    except RecursionError:
        problem = "it is nested too deeply"
    except (ValueError, _ProblemError) as error:
        problem = str(error) if isinstance(error, _ProblemError) else "it is not JSON"
    msg = (
        f"schema_location: {where!r} does not hold the columns of the stream "
        f"{stream!r}: {problem}; name another file, or move this one away"
    )
    raise LocationError(msg)


def dump_columns(stored: StoredColumns, *, stream: str) -> bytes:
    """Return the document that holds columns, one line for each part of a column.

    Args:
        stored: The columns.
        stream: The stream that they are of.
    """
    document = {
        "format": _FORMAT,
        "version": _VERSION,
        "stream": stream,
        "schema": {
            "type": "object",
            "properties": {column.name: column.schema for column in stored.columns},
        },
        "sent_as": {column.name: column.sent_as for column in stored.columns},
    }
    return json.dumps(document, indent=2).encode() + b"\n"


class _ProblemError(Exception):
    """Why a document is not one of columns."""


def _columns(document: JsonValue, stream: str) -> StoredColumns:
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        msg = f'it has no "format": "{_FORMAT}"'
        raise _ProblemError(msg)
    if document.get("version") != _VERSION:
        msg = "it is of another version of this tap"
        raise _ProblemError(msg)
    if document.get("stream") != stream:
        msg = f"it is of the stream {str(document.get('stream'))[:100]!r}"
        raise _ProblemError(msg)
    schema, sent_as = document.get("schema"), document.get("sent_as")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not isinstance(sent_as, dict):
        msg = '"schema" has no "properties", or "sent_as" is no object'
        raise _ProblemError(msg)
    columns = tuple(
        # A column that was added by hand is sent by its own name.
        Column(name, _sent_name(name, sent_as), _checked(name, declared))
        for name, declared in properties.items()
    )
    stored = StoredColumns(columns)
    if len(stored.sent_names) != len(columns):
        msg = 'two columns have the same name in "sent_as"'
        raise _ProblemError(msg)
    return stored


def _sent_name(name: str, sent_as: Mapping[str, Any]) -> str:
    sent = sent_as.get(name, name)
    if not isinstance(sent, str):
        msg = f'"sent_as" of {name!r} is no text'
        raise _ProblemError(msg)
    return sent


def _checked(name: str, declared: JsonValue) -> Schema:
    """Return a column's schema; people edit the file to widen a type."""
    problem = f"the schema of its column {name[:100]!r} "
    if not isinstance(declared, dict):
        raise _ProblemError(problem + "is no object")
    try:
        jsonschema.Draft7Validator.check_schema(declared)
    except jsonschema.SchemaError as error:
        raise _ProblemError(problem + "is not valid (JSON Schema, draft 7)") from error
    if not json_types.names_types(declared):
        raise _ProblemError(problem + 'has no "type"')
    return declared
