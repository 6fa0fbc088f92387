"""A user's schema, made ready for records that may lack anything."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import jsonschema
import referencing.exceptions
from singer_sdk.singerlib import resolve_schema_references

from tap_websocket.columns import json_types
from tap_websocket.columns.inference import ANY_JSON, OPEN_ARRAY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tap_websocket.jsontext import Schema

__all__ = ["prepare_schema"]


def prepare_schema(given: Mapping[str, Any], keys: Sequence[str]) -> Schema:
    """Return a user's schema, made ready for records that may lack anything.

    References are resolved, since a catalog would lose them. Properties other than
    keys are made nullable, arrays without declared items are open ones, and what names
    no type is given all.

    Args:
        given: The setting `schema`.
        keys: The key properties.

    Raises:
        ValueError: When it is no schema of an object with properties.
    """
    schema = _resolved(given)
    properties = schema.get("properties")
    if "object" not in json_types.types_of(schema) or not properties:
        msg = "it declares no properties; a target would write rows without data"
        raise ValueError(msg)
    prepared = {}
    for name, declared in properties.items():
        column = _typed(declared if isinstance(declared, dict) else {})
        prepared[name] = column if name in keys else json_types.nullable(column)
    required = [name for name in schema.get("required", ()) if name in keys]
    rest = {name: value for name, value in schema.items() if name != "required"}
    if required:
        rest["required"] = required
    return {**rest, "type": "object", "properties": prepared}


def _resolved(given: Mapping[str, Any]) -> Schema:
    """Return a schema without references.

    Raises:
        ValueError: When it is no valid schema, or refers to nothing.
    """
    try:
        jsonschema.Draft7Validator.check_schema(given)
    except jsonschema.SchemaError as error:
        where = ".".join(map(str, error.absolute_path)) or "it"
        msg = f"{where} is not a valid JSON Schema (draft 7)"
        raise ValueError(msg) from error
    try:
        return dict(resolve_schema_references(_without_booleans(given)))
    except referencing.exceptions.Unresolvable as error:
        msg = "a $ref in it leads nowhere; only references within it are followed"
        raise ValueError(msg) from error


def _without_booleans(schema: Mapping[str, Any]) -> Schema:
    """Return a copy in which each property has a schema that is an object."""
    copied = copy.deepcopy(dict(schema))
    if isinstance(copied.get("properties"), dict):
        copied["properties"] = {
            name: _without_booleans(declared) if isinstance(declared, dict) else {}
            for name, declared in copied["properties"].items()
        }
    return copied


def _typed(declared: Schema) -> Schema:
    """Return a property's schema with its types, which some targets cannot do without.

    A property without `type` is text to one target and no column to another.
    """
    if "type" not in declared and json_types.options_of(declared) is None:
        types = json_types.types_of(declared)
        ordered = [name for name in ANY_JSON["type"] if name in types]
        return {**declared, "type": ordered}
    if (
        json_types.types_of(declared) - {"null"} == {"array"}
        and "items" not in declared
    ):
        return {**declared, **OPEN_ARRAY}
    return declared
