"""The schema of a sample of records.

genson finds the types; what they become is for targets to hold without loss: a
field of one type is a column of that type, one of several types is text.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_websocket.columns import target_limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from genson import SchemaBuilder

__all__ = [
    "ANY_JSON",
    "JSON_TEXT",
    "OPEN_ARRAY",
    "OPEN_OBJECT",
    "infer",
    "infer_column",
    "is_text",
]

Schema = dict[str, Any]

_MEDIA_TYPE = "application/json"

JSON_TEXT: Schema = {"type": ["string", "null"], "contentMediaType": _MEDIA_TYPE}
"""A column of text, in which a value of another type is its JSON text.

The keyword says no more to targets than it does in JSON Schema; it survives a catalog.
"""

OPEN_OBJECT: Schema = {"type": ["object", "null"]}
OPEN_ARRAY: Schema = {"type": ["array", "null"]}

ANY_JSON: Schema = {
    "type": ["object", "array", "string", "number", "integer", "boolean", "null"],
}
"""A column for any JSON: jsonb in PostgreSQL, where an empty schema is text."""


def is_text(column: Mapping[str, Any]) -> bool:
    """Tell whether values of other types are written into a column as text."""
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
    So is one whose name or values not every target holds.

    Args:
        records: The sample.
        nested: Type nested objects and arrays, too.
        keys: Key properties. A key that the sample lacks is text.
    """
    builder = _builder()
    builder.add_schema({"type": "object", "properties": {}})
    as_text: set[str] = set()
    for record in records:
        builder.add_object(
            {
                name: _shape(value, nested=nested)
                for name, value in record.items()
                if value is not None and _tells(name, value)
            },
        )
        as_text.update(
            name
            for name, value in record.items()
            if target_limits.is_big_integer(value)
            and target_limits.is_storable_name(name)
        )
    found: Schema = builder.to_schema().get("properties", {})
    properties = {name: _column(field, nested=nested) for name, field in found.items()}
    properties |= dict.fromkeys(as_text, JSON_TEXT)
    for key in keys:
        declared = properties.get(key, JSON_TEXT)
        properties[key] = declared | {"type": _types(declared)[0]}
    return {"type": "object", "properties": properties}


def _tells(name: str, value: Any) -> bool:  # noqa: ANN401 - any JSON
    return target_limits.is_storable_name(name) and target_limits.is_storable(value)


def infer_column(value: Any, *, nested: bool) -> Schema:  # noqa: ANN401 - any JSON
    """Return the schema of a column whose first value this is."""
    if target_limits.is_big_integer(value):
        return JSON_TEXT
    builder = _builder()
    builder.add_object(_shape(value, nested=nested))
    return _column(builder.to_schema(), nested=nested)


def _builder() -> SchemaBuilder:
    from genson import SchemaBuilder  # noqa: PLC0415 - a given schema needs none

    return SchemaBuilder()


def _shape(value: Any, *, nested: bool) -> Any:  # noqa: ANN401 - any JSON
    """Return a value of the same types, with numbers that genson knows.

    Args:
        value: Any JSON.
        nested: Keep what is inside of objects and arrays.
    """
    if isinstance(value, Decimal):
        return 0.5
    if isinstance(value, dict):
        items = value.items() if nested else ()
        return {name: _shape(item, nested=True) for name, item in items}
    if isinstance(value, list):
        return [_shape(item, nested=True) for item in value if nested]
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
        if option.get("properties"):
            schema["properties"] = {
                name: _nested(inner) for name, inner in option["properties"].items()
            }
            schema["additionalProperties"] = False
        if option.get("items"):
            schema["items"] = _nested(option["items"])
    return schema
