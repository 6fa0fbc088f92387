"""Declare a setting: its JSON Schema, with what its documentation is made from.

Each group of settings stands in a file of its own beside this one. The README's table,
`meltano.yml` and the Hub definition are generated from these declarations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tap_websocket.jsontext import JsonValue, Schema

__all__ = [
    "BOOLEAN",
    "INTEGER",
    "JSON",
    "MATCHER",
    "STRING",
    "STRINGS",
    "STRING_MAP",
    "WHOLE",
    "Idle",
    "choice",
    "group",
    "number",
    "obj",
    "seconds",
    "setting",
    "whole",
]


_NUMBER = r"^\s*\d+(\.\d+)?\s*$"
_SIGNED_NUMBER = r"^\s*[+-]?\d+(\.\d+)?\s*$"
WHOLE = r"^\s*\d+\s*$"

_ACRONYMS = {"url": "URL", "tls": "TLS", "json": "JSON"}

STRING: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
INTEGER: Schema = {"type": "integer"}
STRINGS: Schema = {"type": "array", "items": {"type": "string"}}
STRING_MAP: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
JSON: Schema = {"type": ["string", "object", "array", "number", "boolean"]}
MATCHER: Schema = {"type": ["string", "object", "array"]}


class Idle(NamedTuple):
    """Settings that other settings can leave without effect.

    Attributes:
        names: The settings.
        idle: Whether they have no effect in this config.
        why: What leaves them so, to follow "has no effect": `without reconnect: true`.
        is_error: Whether a user who gave one is told by an error; else by a warning.
    """

    names: tuple[str, ...]
    idle: bool
    why: str
    is_error: bool = False


def group(title: str, **settings: Schema) -> dict[str, Schema]:
    """Return the settings of a group, by name.

    Args:
        title: The heading of their table.
        settings: Name to what `setting` made of it.
    """
    return {
        name: {**schema, "title": _label(name), "x-group": title}
        for name, schema in settings.items()
    }


def setting(
    schema: Schema,
    description: str,
    *,
    default: JsonValue = None,
    secret: bool = False,
) -> Schema:
    """Return the declaration of a setting.

    Args:
        schema: What values it takes. `x-type` is what the table shows for its type.
            `x-merge` merges the object that is given over the default, and with
            `x-empty` an empty text is no value.
        description: What it does, in Markdown; this is its documentation.
        default: Its value when it is not given; None where it then has none.
        secret: Whether its value never shows in logs, errors and Meltano's output.
    """
    declared = {**schema, "description": description}
    if default is not None:
        declared["default"] = default
    if secret:
        declared["secret"] = True
    return declared


def seconds(*, zero: bool = False) -> Schema:
    """Return the schema of a duration; it may arrive as a text.

    Args:
        zero: Whether 0 is a duration, too.
    """
    least = {"minimum": 0} if zero else {"exclusiveMinimum": 0}
    return {
        "type": ["number", "string"],
        "pattern": _NUMBER,
        **least,
        "x-type": "seconds",
    }


def number(most: int) -> Schema:
    """Return the schema of a number within -`most` and `most`, maybe as a text."""
    return {
        "type": ["number", "string"],
        "pattern": _SIGNED_NUMBER,
        "minimum": -most,
        "maximum": most,
    }


def whole(minimum: int) -> Schema:
    """Return the schema of a whole number; it may arrive as a text."""
    return {"type": ["integer", "string"], "pattern": WHOLE, "minimum": minimum}


def choice(*values: str) -> Schema:
    """Return the schema of one of several words."""
    return {"type": "string", "enum": list(values)}


def obj(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """Return the schema of an object that takes these keys alone."""
    return {
        "type": "object",
        "required": list(required),
        "additionalProperties": False,
        "properties": properties,
    }


def _label(name: str) -> str:
    """Return a setting's name as Meltano shows it."""
    words = " ".join(_ACRONYMS.get(word, word) for word in name.split("_"))
    return words[:1].upper() + words[1:]
