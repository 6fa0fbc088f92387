"""The schema of a sample of records.

genson finds the types; what they become is for targets to hold without loss: a
field of one type is a column of that type, one of several types is text.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from genson import SchemaBuilder

from tap_websocket import storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["JSON_TEXT", "OPEN_ARRAY", "OPEN_OBJECT", "infer", "infer_column"]

Schema = dict[str, Any]

JSON_TEXT: Schema = {
    "type": ["string", "null"],
    "contentMediaType": "application/json",
}
"""A column of text, in which a value of another type is its JSON text."""

OPEN_OBJECT: Schema = {"type": ["object", "null"]}
OPEN_ARRAY: Schema = {"type": ["array", "null"]}

_ANY_TYPE = ["object", "array", "string", "number", "integer", "boolean", "null"]


def infer(
    records: Iterable[Mapping[str, Any]],
    *,
    nested: bool,
    keys: Sequence[str],
) -> Schema:
    """Return the JSON schema of records.

    A field that was only ever null is left out: its first value will tell its type.

    Args:
        records: The sample.
        nested: Type nested objects and arrays, too.
        keys: Key properties. A key that the sample lacks is text.
    """
    builder = SchemaBuilder()
    builder.add_schema({"type": "object", "properties": {}})
    as_text: set[str] = set()
    for record in records:
        builder.add_object(
            {
                name: _shape(value, nested=nested)
                for name, value in record.items()
                if value is not None and storable.is_storable(value)
            },
        )
        as_text.update(
            name for name, value in record.items() if storable.is_big_integer(value)
        )
    properties: dict[str, Schema] = {}
    for name, found in builder.to_schema().get("properties", {}).items():
        properties[name] = _column(found, nested=nested)
    properties |= dict.fromkeys(as_text, JSON_TEXT)
    for key in keys:
        declared = properties.get(key, JSON_TEXT)
        properties[key] = declared | {"type": _types(declared["type"])[:1]}
    return {"type": "object", "properties": properties}


def infer_column(value: Any, *, nested: bool) -> Schema:  # noqa: ANN401 - any JSON
    """Return the schema of a column whose first value this is."""
    if storable.is_big_integer(value):
        return JSON_TEXT
    builder = SchemaBuilder()
    builder.add_object(_shape(value, nested=nested))
    return _column(builder.to_schema(), nested=nested)


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


def _types(found: str | list[str]) -> list[str]:
    names = [found] if isinstance(found, str) else found
    return [name for name in names if name != "null"]


def _column(found: Mapping[str, Any], *, nested: bool) -> Schema:
    """Return the column of a field with the types that genson found."""
    types = [] if "anyOf" in found else _types(found["type"])
    if len(types) != 1:
        return JSON_TEXT
    return _nested(found) if nested else {"type": [types[0], "null"]}


def _nested(found: Mapping[str, Any]) -> Schema:
    """Return the schema of a value inside a column; one of several types stays open."""
    types = [] if "anyOf" in found else _types(found.get("type", []))
    if len(types) != 1:
        return {"type": _ANY_TYPE}
    schema: Schema = {"type": [types[0], "null"]}
    if found.get("properties"):
        schema["properties"] = {
            name: _nested(inner) for name, inner in found["properties"].items()
        }
        schema["additionalProperties"] = False
    if found.get("items"):
        schema["items"] = _nested(found["items"])
    return schema
