"""A user's schema: made ready, and its JSON types checked."""

from __future__ import annotations

from typing import Any

import jsonschema
import msgspec
import pytest

from tap_websocket import jsontext
from tap_websocket.columns.inference import ANY_JSON, infer
from tap_websocket.columns.names import RESCUED
from tap_websocket.columns.payload_check import needs_slow_path
from tap_websocket.columns.user_schema import prepare_schema
from tests.support.columns import columns_of


def test_a_users_schema_is_made_ready() -> None:
    prepared = prepare_schema(
        {
            "properties": {
                "id": {"type": "integer"},
                "side": {"type": "string", "enum": ["buy", "sell"]},
                "kind": {"const": "trade"},
                "tags": {"type": "array"},
                "sizes": {"type": "array", "items": {"type": "number"}},
                "price": {"$ref": "#/definitions/price"},
                "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                "any": {},
                "whatever": True,
                "inside": {"type": "object", "properties": {"x": True}},
                "both": {"allOf": [{"type": "number"}, {"minimum": 1}]},
            },
            "definitions": {"price": {"type": "number"}},
            "required": ["id", "side"],
        },
        ["id"],
    )
    assert prepared["properties"] == {
        "id": {"type": "integer"},
        "side": {"type": ["string", "null"], "enum": ["buy", "sell", None]},
        "kind": {"type": ["string", "null"], "enum": ["trade", None]},
        "tags": {"type": ["array", "null"]},
        "sizes": {"type": ["array", "null"], "items": {"type": "number"}},
        "price": {"type": ["number", "null"]},
        "either": {
            "anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]
        },
        "any": ANY_JSON,
        "whatever": ANY_JSON,
        "inside": {"type": ["object", "null"], "properties": {"x": {}}},
        "both": {
            "allOf": [{"type": ["number", "null"]}, {"minimum": 1}],
            "type": ["number", "integer", "null"],
        },
    }
    assert prepared["required"] == ["id"]
    assert prepared["type"] == "object"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({}, "no properties"),
        ({"type": "array"}, "no properties"),
        ({"type": "object", "properties": {}}, "no properties"),
        ({"properties": {"a": {"type": "text"}}}, "properties.a.type"),
        ({"properties": {"a": 5}}, "properties.a"),
        ({"properties": {"a": {"$ref": "#/definitions/b"}}}, "ref"),
    ],
)
def test_what_is_no_schema_of_a_record_is_refused(schema: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        prepare_schema(schema, [])


@pytest.mark.parametrize(
    ("declared", "fit", "unfit"),
    [
        ({"type": "integer"}, ["1"], ["1.0", "1e3", "true", '"1"']),
        ({"type": "number"}, ["1", "1.0", "1e3"], ["true", '"1"']),
        ({"type": ["string", "integer"]}, ["1", '"x"'], ["1.5", "{}"]),
        ({"oneOf": [{"type": "boolean"}, {"type": "array"}]}, ["true", "[1]"], ["1"]),
        ({"enum": ["x", 1]}, ["1", '"y"'], ["{}", "true"]),
        ({"type": "string", "format": "date-time"}, ['"no time"'], ["1"]),
        (
            {"type": "object", "properties": {"a": {"type": "integer"}}},
            ["{}", '{"a":1}'],
            ['{"a":"x"}', '{"a":null}', '{"b":1}', "[]"],
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "integer"}},
                "additionalProperties": {"type": "string"},
                "required": ["a"],
            },
            ['{"a":1}', '{"a":1,"b":"x"}'],
            ["{}", '{"a":1,"b":2}'],
        ),
        ({"type": "object", "additionalProperties": False}, ["{}"], ['{"a":1}']),
        ({"type": "array", "items": {"type": "integer"}}, ["[]", "[1]"], ["[1.0]"]),
        ({}, ["1", "1.5", '"x"', "[[1]]", '{"a":1}', "true"], ["1e400"]),
    ],
)
def test_the_types_of_a_users_schema_are_checked(
    declared: Any,
    fit: list[str],
    unfit: list[str],
) -> None:
    schema = prepare_schema({"properties": {"a": declared}}, [])
    columns = columns_of(schema, keys=(), evolution="rescue", added={}, rescue=True)
    decode = columns.decoder()
    for text in ["null", *fit]:
        value = jsontext.parse(text)
        assert columns.conform({"a": value}, {}) == {"a": value}
    for text in unfit:
        fitted = columns.conform({"a": jsontext.parse(text)}, {})
        assert jsontext.parse(fitted[RESCUED]) == {"a": jsontext.parse(text)}
        assert decode is None or not _takes(decode, f'{{"a":{text}}}')


@pytest.mark.parametrize(
    "declared",
    [
        {"type": "string"},
        {"enum": ["a", "b"]},
        {"const": 5},
        {"allOf": [{"type": "string"}]},
        {"type": "string", "anyOf": [{"type": "string"}, {"maxLength": 5}]},
        {"type": "string", "anyOf": [{"type": "string", "format": "date-time"}]},
        {"type": "object", "oneOf": [{"type": "object"}]},
        {"oneOf": [{"type": "object"}, {"type": ["string", "null"]}]},
        {"type": "string", "allOf": [{"enum": ["a"]}, {"anyOf": [{"const": "a"}]}]},
        {},
        True,
    ],
)
def test_null_is_valid_where_it_is_written(declared: Any) -> None:
    schema = prepare_schema({"properties": {"a": declared}}, [])
    columns = columns_of(schema, keys=(), evolution="rescue", added={}, rescue=True)
    assert columns.conform({"a": None}, {}) == {"a": None}
    jsonschema.Draft7Validator(columns.schema).validate({"a": None})


def test_a_key_comes_before_a_field_of_nearly_its_name() -> None:
    schema = infer([{"e": "trade", "E": 5}], nested=False, keys=("E",))
    columns = columns_of(
        schema,
        keys=("E",),
        evolution="add_columns",
        added={},
        rescue=True,
        naming="portable",
    )
    assert columns.conform({"e": "trade", "E": 5}, {}) == {"E": 5, "e_2": "trade"}


def _takes(decode: Any, text: str) -> bool:
    try:
        decode(text.encode())
    except (msgspec.MsgspecError, RecursionError):
        return False
    return not needs_slow_path(text.encode())
