"""The raw config made ready: texts given their types, every value checked.

A config arrives from a JSON file, through `meltano.yml` or from the environment,
where each value is a text. All three are treated alike (docs/behaviour.md, "Values").
"""

from __future__ import annotations

import copy
import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from jsonschema import Draft202012Validator

from tap_websocket.network.urls import merge_headers
from tap_websocket.settings.checks import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema import ValidationError

    from tap_websocket.jsontext import JsonValue, Schema

__all__ = ["Prepared", "emptied", "prepare"]


_MAX_SHOWN = 40
"""Characters of a wrong value that an error shows."""

_CREDENTIALS = frozenset(["auth", "headers", "placeholders", "contexts", "tls"])
"""Settings whose values are secrets wherever they stand."""

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_INTEGER = re.compile(r"\s*[+-]?\d+\s*", re.ASCII)
_MAX_DIGITS = 18
"""Libraries in C take no more; with 18 it is as good as without a limit."""
_DECIMAL = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)\s*", re.ASCII)


class Prepared(msgspec.Struct, frozen=True):
    """A config whose values have their types and defaults.

    Attributes:
        config: All settings, defaults filled in.
        given: Names of the settings that the user gave.
        problems: One line for each wrong value; empty when the config is valid.
        warnings: One line for each setting that the tap does not know.
    """

    config: dict[str, Any]
    given: frozenset[str]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def prepare(raw: Mapping[str, Any], schema: Schema) -> Prepared:
    """Give the raw settings their types, fill in defaults and check them."""
    properties: dict[str, Schema] = schema["properties"]
    given = {
        name: value
        for name, value in raw.items()
        if value is not None and not _is_unset(value, properties.get(name, {}))
    }
    known = {name: value for name, value in given.items() if name in properties}
    config: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in known.items():
        try:
            typed = _typed(name, value, properties[name])
            problem = _unsendable(name, typed)
        except RecursionError:
            problem = f"{name}: is nested too deeply; a hundred levels are enough"
        except ValueError as error:
            problem = str(error)
        if problem is None:
            config[name] = typed
        else:
            problems.append(problem)
    for name, declared in properties.items():
        if "default" not in declared:
            continue
        if name not in known:
            config[name] = copy.deepcopy(declared["default"])
        elif declared.get("x-merge") and name in config:
            config[name] = _merged(declared["default"], config[name])
    problems.extend(
        f"{name}: is required; for example {properties[name]['examples'][0]}"
        for name in schema.get("required", [])
        if name not in known
    )
    valid = {name: value for name, value in config.items() if name in properties}
    validator = Draft202012Validator({**schema, "required": []})
    problems += [
        _describe(error, secret=_may_be_secret(error, properties))
        for error in _leaves(validator.iter_errors(valid))
    ]
    return Prepared(
        config=config,
        given=frozenset(known),
        problems=tuple(dict.fromkeys(problems)),
        warnings=tuple(
            _unknown(name, properties)
            for name in given
            # Editors want a config file to name its schema.
            if name not in known and name != "$schema"
        ),
    )


def _unsendable(name: str, value: JsonValue) -> str | None:
    """Return what is wrong with a setting that cannot be JSON in UTF-8.

    Python's parser takes `NaN`, and takes a number of any size for infinite.
    """
    try:
        json.dumps(value, ensure_ascii=False, default=str, allow_nan=False).encode()
    except UnicodeEncodeError:
        return (
            f"{name}: a text in it holds half of a surrogate pair, which is no "
            "character; remove it"
        )
    except ValueError:
        return f"{name}: a number in it is too large, or none (NaN, Infinity)"
    return None


def _is_unset(value: JsonValue, declared: Schema) -> bool:
    """Return whether an engine left a variable empty where that means none."""
    return "x-empty" in declared and isinstance(value, str) and not value.strip()


def emptied(
    config: Mapping[str, Any],
    environment: Mapping[str, str],
    prefix: str,
) -> Iterator[str]:
    """Find objects that lost their keys on the way from the environment.

    Meltano takes a key with a dot in it for a path, and hands on an empty object; what
    was given still stands in the environment.

    Args:
        config: The raw config.
        environment: The environment's variables.
        prefix: What the names of the settings' variables begin with.
    """
    for name, value in config.items():
        try:
            given = json.loads(environment.get(f"{prefix}{name.upper()}", ""))
        except (ValueError, RecursionError):
            # No JSON, so no object that could have lost its keys; or no name that a
            # variable may have.
            continue
        for path in _emptied(name, value, given):
            yield (
                f"{path}: arrived empty, since its keys have dots, which Meltano takes "
                "for paths; set it in meltano.yml or in a config file"
            )


def _emptied(path: str, value: JsonValue, given: JsonValue) -> Iterator[str]:
    if not isinstance(value, dict) or not isinstance(given, dict):
        return
    if not value and any("." in name for name in given):
        yield path
    for name in value.keys() & given.keys():
        yield from _emptied(f"{path}.{name}", value[name], given[name])


def _unknown(name: str, properties: Mapping[str, Schema]) -> str:
    hint = nearest(name, properties)
    return f"{name}: is not a setting of this tap and is ignored{hint}"


def _merged(default: Mapping[str, str], given: JsonValue) -> JsonValue:
    """Return headers merged over the default ones, whatever their case."""
    if not isinstance(given, dict):
        return given
    return dict(merge_headers(default.items(), given.items()))


def _types(schema: Schema) -> frozenset[str]:
    declared = schema.get("type", [])
    names = [declared] if isinstance(declared, str) else declared
    return frozenset(name for name in names if name != "null")


def _typed(
    path: str,
    value: JsonValue,
    schema: Schema,
    *,
    inside: bool = False,
) -> JsonValue:
    """Return a value with its type, texts parsed where the setting is no text.

    Args:
        path: What a problem names.
        value: The value given.
        schema: Its JSON schema.
        inside: The value stands inside of another, where no text stands for JSON.

    Raises:
        ValueError: When a text cannot be read as the setting's type.
    """
    types = _types(schema)
    if isinstance(value, str) and not (inside and "object" in types):
        value = _from_text(path, value, types)
    elif types == {"boolean"} and value in (0, 1):
        value = bool(value)
    if isinstance(value, float | Decimal) and types & {"number", "integer"}:
        value = _number(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if is_whole and "integer" in types and "object" not in types:
        value = _whole(path, value)
    if isinstance(value, dict) and "object" in types:
        return _typed_object(path, value, schema)
    if isinstance(value, list) and "array" in types and "items" in schema:
        items = schema["items"]
        return [
            _typed(f"{path}[{number}]", item, items, inside=True)
            for number, item in enumerate(value)
        ]
    return value


def _from_text(path: str, text: str, types: frozenset[str]) -> JsonValue:
    if types == {"boolean"}:
        return _BOOLEANS.get(text.strip().lower(), text)
    if types <= {"integer", "string"} and "integer" in types:
        return _whole(path, text) if _INTEGER.fullmatch(text) else text
    if types <= {"number", "string"} and "number" in types:
        return _number(text) if _DECIMAL.fullmatch(text) else text
    if types & {"object", "array"}:
        return _from_json(path, text, types)
    return text


def _whole(path: str, given: str | int) -> int:
    """Return a whole number.

    Raises:
        ValueError: When it has too many digits.
    """
    # Python refuses to read texts of thousands of digits.
    digits = given.strip().lstrip("+-") if isinstance(given, str) else ""
    if len(digits) > _MAX_DIGITS or abs(int(given)) >= 10**_MAX_DIGITS:
        msg = f"{path}: must be a whole number of at most {_MAX_DIGITS} digits"
        raise ValueError(msg)
    return int(given)


def _number(given: str | float | Decimal) -> float:
    value = float(given)
    return int(value) if value.is_integer() else value


def _from_json(path: str, text: str, types: frozenset[str]) -> JsonValue:
    opening = text.lstrip()[:1]
    if opening not in {"{", "["} or (opening == "[" and "array" not in types):
        if "string" in types:
            return text
        msg = f"{path}: must be {_kinds(types)}, as JSON; a text was given"
        raise ValueError(msg)
    try:
        return json.loads(text)
    except ValueError:
        if "string" in types:
            return text
        msg = f"{path}: must be {_kinds(types)}; the text given is not valid JSON"
        raise ValueError(msg) from None


def _typed_object(path: str, value: dict[str, Any], schema: Schema) -> dict[str, Any]:
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties")
    if isinstance(others, dict) and _types(others) == {"string"} and not properties:
        return dict(_joined(value))
    return {
        name: _typed(f"{path}.{name}", item, properties[name], inside=True)
        if name in properties
        else item
        for name, item in value.items()
    }


def _joined(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Join keys with dots again, which Meltano turns into nested objects."""
    for name, item in value.items():
        if isinstance(item, dict) and item:
            yield from _joined(item, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", item


def _leaves(errors: Iterator[ValidationError]) -> Iterator[ValidationError]:
    for error in errors:
        if error.context:
            yield from _leaves(iter(error.context))
        else:
            yield error


def _may_be_secret(error: ValidationError, properties: Mapping[str, Schema]) -> bool:
    """Return whether a wrong value may be a secret, and is not to be shown.

    One of a few words that a setting takes is none, unless it stands among credentials:
    there a secret may stand in the wrong place.
    """
    name = str(error.absolute_path[0])
    if error.validator == "enum" and name not in _CREDENTIALS:
        return False
    return bool(properties[name].get("secret"))


def _describe(error: ValidationError, *, secret: bool) -> str:
    """Return a line with the setting, what was given and what is allowed."""
    path = "".join(
        f"[{step}]" if isinstance(step, int) else f".{step}"
        for step in error.absolute_path
    ).removeprefix(".")
    schema: Schema = dict(error.schema) if isinstance(error.schema, dict) else {}
    instance: Any = error.instance
    if error.validator == "additionalProperties":
        return _unexpected(path, instance, schema.get("properties", {}))
    given = _given(instance, secret=secret)
    if error.validator == "enum" and isinstance(instance, str):
        hint = nearest(instance, frozenset(schema["enum"]))
        return f"{path}: must be {_allowed(schema)}; {given}{hint}"
    if error.validator == "required":
        missing = [name for name in schema["required"] if name not in instance]
        return f"{path}: needs {', '.join(missing)}"
    return f"{path}: must be {_allowed(schema)}; {given}"


def _unexpected(path: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    name = next(name for name in given if name not in known)
    hint = nearest(name, known)
    if "message" in known and not hint and not given.keys() & known.keys():
        # An item of `subscribe_messages` that is the message itself.
        example = f'{{"message": {{{json.dumps(name)}: …}}}}'
        return (
            f"{path}: has no key {name!r}; put the message itself under message: "
            f"{example}"
        )
    return f"{path}: has no key {name!r}; it takes {', '.join(known)}{hint}"


def _allowed(schema: Schema) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    types = _types(schema)
    # A number may be given as a text, but nobody has to be told.
    is_number = types <= {"integer", "number", "string"} and types != {"string"}
    text = _kinds(types - {"string"} if is_number else types)
    if "exclusiveMinimum" in schema:
        text += f" greater than {schema['exclusiveMinimum']}"
    if "minimum" in schema:
        text += f", at least {schema['minimum']}"
    if "maximum" in schema:
        text += f" and at most {schema['maximum']}"
    if schema.get("minLength"):
        text += " that is not empty"
    return text


_KINDS = {
    "object": "an object",
    "array": "an array",
    "string": "a string",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
}


def _kinds(types: frozenset[str]) -> str:
    return " or ".join(text for name, text in _KINDS.items() if name in types)


def _given(value: JsonValue, *, secret: bool) -> str:
    """Return what was given; of a text in a secret setting, only that it is one."""
    if isinstance(value, str):
        shown = not secret and len(value) <= _MAX_SHOWN
        return f"{value!r} was given" if shown else "a text was given"
    if isinstance(value, bool | int | float) or value is None:
        return f"{'a number' if secret else json.dumps(value)} was given"
    return f"{'an array' if isinstance(value, list) else 'an object'} was given"
