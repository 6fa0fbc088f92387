"""The schema of a sample of records.

genson finds the types; what they become is for targets to hold without loss: a
field of one type is a column of that type, one of several types is text.
"""

from __future__ import annotations

import functools
import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_websocket.columns import target_limits
from tap_websocket.columns.field_log import ODD_VALUES_PAGE, FieldLog
from tap_websocket.largejson.values import ARRAY, OBJECT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from genson import SchemaBuilder

    from tap_websocket.jsontext import JsonValue, Schema

__all__ = [
    "ANY_JSON",
    "JSON_TEXT",
    "MAX_COLUMNS",
    "MAX_NESTED",
    "OPEN_ARRAY",
    "OPEN_OBJECT",
    "count_nested",
    "infer",
    "infer_column",
    "is_text",
    "load",
]

MAX_COLUMNS = 1000
"""PostgreSQL has 1,600 in a table, and targets add their own."""

_MAX_ITEMS = 1000
"""Items of an array that are looked at: a server may send millions."""

_MAX_NAMES = 200
"""Names in an object that is typed; one with more is a map, and stays open."""

_MAX_NAME = 255
"""Characters of a name in an object that is typed."""

_MAX_NODES = 10_000
"""Values inside of a column that are looked at, in each record."""

MAX_NESTED = 2000
"""Properties inside of columns that are typed, in all columns together."""

_MEDIA_TYPE = "application/json"

JSON_TEXT: Schema = {"type": ["string", "null"], "contentMediaType": _MEDIA_TYPE}
"""A column of text, in which a value of another type is its JSON text.

The keyword says no more to targets than it does in JSON Schema; it survives a catalog.
"""

_PLURALS = {
    "array": "arrays",
    "boolean": "booleans",
    "integer": "whole numbers",
    "number": "numbers",
    "object": "objects",
    "string": "strings",
}

OPEN_OBJECT: Schema = {"type": ["object", "null"]}
OPEN_ARRAY: Schema = {"type": ["array", "null"]}

ANY_JSON: Schema = {
    "type": ["object", "array", "string", "number", "integer", "boolean", "null"],
}
"""A column for any JSON: jsonb in PostgreSQL, where an empty schema is text."""


def is_text(column: Mapping[str, Any]) -> bool:
    """Return whether values of other types are written into a column as text."""
    return column.get("contentMediaType") == _MEDIA_TYPE and "string" in (
        column.get("type") or ()
    )


def infer(
    records: Iterable[Mapping[str, Any]],
    *,
    nested: bool,
    keys: Sequence[str],
) -> Schema:
    """Return the JSON schema of records.

    A field that was only ever null is left out: its first value will tell its type.
    So is one whose name or values not every target holds, and each after the first
    thousand. Time and memory grow with the records alone, whatever is in them. Each
    column that is text since its values are of several types is warned of.

    Args:
        records: The sample.
        nested: Type nested objects and arrays, too.
        keys: Key properties. A key that the sample lacks is text.
    """
    builder = _builder()
    builder.add_schema({"type": "object", "properties": {}})
    as_text: dict[str, None] = {}
    # The names of the columns so far; keys have their places.
    names = dict.fromkeys(keys)
    for record in records:
        shapes = {}
        for name, value in _candidates(record, names):
            if target_limits.is_big_integer(value):
                as_text[name] = None
            elif value is None or not target_limits.is_storable(value):
                continue
            else:
                shapes[name] = _Shape(nested=nested).of(value)
            names[name] = None
        builder.add_object(shapes)
    found: Schema = builder.to_schema().get("properties", {})
    properties = {}
    room = MAX_NESTED
    log = FieldLog("became a column of text", page=ODD_VALUES_PAGE)
    for name, field in found.items():
        types = _types(field)
        if len(types) > 1:
            log.note(name, functools.partial(_mixed, types))
        column = _column(field, nested=nested and room > 0)
        properties[name] = column
        room -= count_nested(column)
    for name in as_text:
        log.note(name, lambda: "the sample has integers outside 64 bits")
    log.close()
    properties |= dict.fromkeys(as_text, JSON_TEXT)
    for key in keys:
        declared = properties.get(key, JSON_TEXT)
        properties[key] = declared | {"type": _types(declared)[0]}
    return {"type": "object", "properties": properties}


def _mixed(types: Sequence[str]) -> str:
    """Return what a sample has of a field whose values are of several types."""
    return f"the sample has {' and '.join(_PLURALS[name] for name in sorted(types))}"


def _candidates(
    record: Mapping[str, Any],
    names: Mapping[str, None],
) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a record that have a column, or may have one."""
    room = MAX_COLUMNS - len(names)
    for name, value in record.items():
        if name in names:
            yield name, value
        elif room > 0 and target_limits.is_storable_name(name):
            room -= 1
            yield name, value


def count_nested(column: Mapping[str, Any]) -> int:
    """Return the number of properties that are typed inside of a column."""
    inner: Mapping[str, Any] = column.get("properties", {})
    count = len(inner) + sum(map(count_nested, inner.values()))
    return count + count_nested(column["items"]) if "items" in column else count


def infer_column(value: JsonValue, *, nested: bool) -> Schema:
    """Return the schema of a column whose first value this is."""
    if target_limits.is_big_integer(value):
        return JSON_TEXT
    builder = _builder()
    builder.add_object(_Shape(nested=nested).of(value))
    return _column(builder.to_schema(), nested=nested)


def load() -> None:
    """Load what infers, before connections take all files that may be open."""
    _builder()


def _builder() -> SchemaBuilder:
    from genson import SchemaBuilder  # noqa: PLC0415 - a given schema needs none

    return SchemaBuilder()


class _Shape:
    """Makes values of the same types, with numbers that genson knows.

    Args:
        nested: Keep what is inside of objects and arrays.
    """

    def __init__(self, *, nested: bool) -> None:
        self._nested = nested
        # How many more values are looked at.
        self._room = _MAX_NODES

    def of(self, value: JsonValue) -> JsonValue:
        """Return the shape of a value."""
        self._room -= 1
        if isinstance(value, Decimal):
            return 0.5
        if isinstance(value, OBJECT):
            if not self._nested or self._room <= 0:
                return {}
            # One name more than are typed, so that it shows.
            items = itertools.islice(value.items(), _MAX_NAMES + 1)
            return {name: self.of(item) for name, item in items}
        if isinstance(value, ARRAY):
            if not self._nested or self._room <= 0:
                return []
            return [self.of(item) for item in itertools.islice(value, _MAX_ITEMS)]
        return value


def _types(found: Mapping[str, Any]) -> list[str]:
    """Return the types, apart from null, of what genson found."""
    if "anyOf" in found:
        return [name for option in found["anyOf"] for name in _types(option)]
    names = found.get("type", [])
    names = [names] if isinstance(names, str) else names
    return [name for name in names if name != "null"]


def _column(found: Mapping[str, Any], *, nested: bool) -> Schema:
    """Return the column of a field with the types that genson found."""
    types = _types(found)
    if len(types) != 1:
        return JSON_TEXT
    if not nested:
        return {"type": [types[0], "null"]}
    column = _nested(found)
    items = column.get("items", {}).get("type", ())
    # PostgreSQL takes arrays in an array column for a matrix, and target-postgres ends
    # at the first one with rows of several lengths.
    return OPEN_ARRAY if "array" in items else column


def _nested(found: Mapping[str, Any]) -> Schema:
    """Return the schema of a value inside a column; one of several types stays open."""
    types = _types(found)
    if len(types) != 1:
        return ANY_JSON
    schema: Schema = {"type": [types[0], "null"]}
    options = found.get("anyOf", [found])
    for option in options:
        names = option.get("properties", ())
        if len(names) > _MAX_NAMES or any(len(name) > _MAX_NAME for name in names):
            # What was seen of it is not all that it may have, or is no name of a field.
            return OPEN_OBJECT if schema["type"][0] == "object" else schema
        if option.get("properties"):
            schema["properties"] = {
                name: _nested(inner) for name, inner in option["properties"].items()
            }
            schema["additionalProperties"] = False
        if option.get("items"):
            schema["items"] = _nested(option["items"])
    return schema
