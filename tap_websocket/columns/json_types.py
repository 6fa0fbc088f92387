"""Whether a value fits a column, by the JSON types of its schema."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tap_websocket.largejson.values import ARRAY, OBJECT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_websocket.jsontext import JsonValue

__all__ = [
    "ALL_TYPES",
    "Check",
    "check",
    "names_types",
    "not_null",
    "nullable",
    "options_of",
    "others_of",
    "type_name",
    "types_of",
]

Check = Callable[[Any], bool]

ALL_TYPES = frozenset(
    {"object", "array", "string", "number", "integer", "boolean", "null"},
)

_TYPE_KEYWORDS = ("type", "anyOf", "oneOf", "allOf", "enum", "const")

_CHECKS: dict[str, Check] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: (
        isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    ),
    "object": lambda value: isinstance(value, OBJECT),
    "array": lambda value: isinstance(value, ARRAY),
}


def types_of(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the JSON types that a schema admits, as far as it names types.

    Looked at are `type`, else `anyOf` or `oneOf`, else `allOf`, `enum` and `const`; a
    schema without them admits all.
    """
    declared = schema.get("type")
    if isinstance(declared, str):
        return ALL_TYPES & {declared}
    if isinstance(declared, list):
        return ALL_TYPES & set(declared)
    options = options_of(schema)
    if options is not None:
        return frozenset().union(*map(types_of, options))
    types = ALL_TYPES
    for part in schema.get("allOf", ()):
        types &= _with_integer(types_of(part))
    if "enum" in schema or "const" in schema:
        values = schema["enum"] if "enum" in schema else [schema["const"]]
        types &= frozenset(name for value in values for name in _names(value))
    return types


def named(schema: Mapping[str, Any]) -> str:
    """Return the types that a schema admits beside null, for a log line."""
    return " or ".join(sorted(types_of(schema) - {"null"})) or "null"


def names_types(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema says anything of types; targets need that."""
    return any(schema.get(keyword) for keyword in _TYPE_KEYWORDS)


def options_of(schema: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """Return the alternatives of a schema that has no `type` of its own."""
    if "type" in schema:
        return None
    for keyword in ("anyOf", "oneOf"):
        if isinstance(schema.get(keyword), list):
            return [option for option in schema[keyword] if isinstance(option, dict)]
    return None


def others_of(schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the schema of an object's properties that are not declared, if any may be.

    Where some are declared, the others have to be allowed (`additionalProperties`):
    a target that types nested objects would drop them without a word.
    """
    others = schema.get("additionalProperties", not schema.get("properties"))
    if isinstance(others, dict):
        return others
    return {} if others else None


def _with_integer(types: frozenset[str]) -> frozenset[str]:
    return types | {"integer"} if "number" in types else types


def type_name(value: JsonValue) -> str:
    """Return the narrowest JSON type of a value."""
    return _names(value)[0]


def _names(value: JsonValue) -> list[str]:
    return [name for name, test in _CHECKS.items() if test(value)]


def check(schema: Mapping[str, Any]) -> Check:
    """Compile a schema into a test of a value's JSON types, nested ones too."""
    options = options_of(schema)
    if options is not None:
        tests = [check(option) for option in options]
    else:
        tests = [_check(name, schema) for name in sorted(types_of(schema))]
    if len(tests) == 1:
        return tests[0]
    return lambda value: any(test(value) for test in tests)


def _check(name: str, schema: Mapping[str, Any]) -> Check:
    if name == "object" and (schema.get("properties") or others_of(schema) != {}):
        return _object(schema)
    if name == "array" and isinstance(schema.get("items"), dict):
        return _array(check(schema["items"]))
    return _CHECKS[name]


def _object(schema: Mapping[str, Any]) -> Check:
    inner = {
        name: check(declared if isinstance(declared, dict) else {})
        for name, declared in schema.get("properties", {}).items()
    }
    others = others_of(schema)
    other = (lambda _: False) if others is None else check(others)
    required = frozenset(schema.get("required", ()))

    def test(value: JsonValue) -> bool:
        return (
            isinstance(value, OBJECT)
            and all(name in value for name in required)
            and all(inner.get(name, other)(item) for name, item in value.items())
        )

    return test


def _array(item: Check) -> Check:
    return lambda value: isinstance(value, ARRAY) and all(map(item, value))


def not_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a key for that of a nullable column."""
    declared = schema.get("type")
    if not isinstance(declared, list) or "null" not in declared:
        return dict(schema)
    others = [name for name in declared if name != "null"]
    return {**schema, "type": others[0] if len(others) == 1 else others}


def nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that also admits null."""
    widened = dict(schema)
    declared = schema.get("type")
    if isinstance(declared, str) and declared != "null":
        widened["type"] = [declared, "null"]
    elif isinstance(declared, list) and "null" not in declared:
        widened["type"] = [*declared, "null"]
    for keyword in ("anyOf", "oneOf"):
        options = schema.get(keyword)
        if isinstance(options, list) and "null" not in types_of({keyword: options}):
            widened[keyword] = [*options, {"type": "null"}]
    if isinstance(schema.get("allOf"), list):
        widened["allOf"] = [
            nullable(part) if isinstance(part, dict) else part
            for part in schema["allOf"]
        ]
    if "const" in widened:
        widened["enum"] = [widened.pop("const")]
    if "enum" in widened and None not in widened["enum"]:
        widened["enum"] = [*widened["enum"], None]
    return widened
