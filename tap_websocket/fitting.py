"""Whether a value fits a column, by the JSON types of its schema."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ALL_TYPES", "Check", "check", "nullable", "types_of"]

Check = Callable[[Any], bool]

ALL_TYPES = frozenset(
    {"object", "array", "string", "number", "integer", "boolean", "null"},
)

_CHECKS: dict[str, Check] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: (
        isinstance(value, int | Decimal) and not isinstance(value, bool)
    ),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
}


def types_of(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the JSON types that a schema admits, as far as it names types.

    Of the keywords, only `type`, `anyOf`, `oneOf`, `enum` and `const` are looked at;
    a schema without them admits all.
    """
    declared = schema.get("type")
    if isinstance(declared, str):
        return frozenset({declared})
    if isinstance(declared, list):
        return frozenset(declared)
    for keyword in ("anyOf", "oneOf"):
        if isinstance(schema.get(keyword), list):
            return frozenset().union(*map(types_of, schema[keyword]))
    return ALL_TYPES


def check(schema: Mapping[str, Any]) -> Check:
    """Compile a schema into a test of a value's JSON types, nested ones too."""
    types = types_of(schema)
    tests = [_CHECKS[name] for name in sorted(types) if name in _CHECKS]
    if "object" in types and schema.get("properties"):
        tests.remove(_CHECKS["object"])
        tests.append(_object(schema))
    if "array" in types and isinstance(schema.get("items"), dict):
        tests.remove(_CHECKS["array"])
        tests.append(_array(check(schema["items"])))
    if len(tests) == 1:
        return tests[0]
    return lambda value: any(test(value) for test in tests)


def _object(schema: Mapping[str, Any]) -> Check:
    inner = {
        name: check(declared)
        for name, declared in schema["properties"].items()
        if isinstance(declared, dict)
    }
    closed = schema.get("additionalProperties") is False
    required = frozenset(schema.get("required", ()))

    def test(value: Any) -> bool:  # noqa: ANN401 - any JSON
        if not isinstance(value, dict) or not required <= value.keys():
            return False
        return all(
            inner[name](item) if name in inner else not closed
            for name, item in value.items()
        )

    return test


def _array(item: Check) -> Check:
    return lambda value: isinstance(value, list) and all(map(item, value))


def nullable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that also admits null."""
    declared = schema.get("type")
    if isinstance(declared, str) and declared != "null":
        return {**schema, "type": [declared, "null"]}
    if isinstance(declared, list) and "null" not in declared:
        return {**schema, "type": [*declared, "null"]}
    if declared is None:
        for keyword in ("anyOf", "oneOf"):
            if isinstance(schema.get(keyword), list) and "null" not in types_of(schema):
                return {**schema, keyword: [*schema[keyword], {"type": "null"}]}
    return dict(schema)
