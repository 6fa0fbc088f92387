"""The tap's settings as they are declared, for what is generated from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tap_websocket.tap import TapWebSocket

__all__ = [
    "ENDS",
    "REPOSITORY",
    "ROOT",
    "SDK_GROUP",
    "choices",
    "default_of",
    "groups",
    "properties",
    "required",
    "type_of",
]

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = "https://github.com/tap-websocket/tap-websocket"
ENDS = ("max_messages", "idle_timeout", "max_duration")
"""The settings of which each run needs one."""
SDK_GROUP = "From the Meltano SDK"


def properties() -> dict[str, dict[str, Any]]:
    """Return the JSON schema of each setting, the SDK's own last."""
    TapWebSocket.append_builtin_config(TapWebSocket.config_jsonschema)
    found: dict[str, dict[str, Any]] = TapWebSocket.config_jsonschema["properties"]
    return found


def required() -> list[str]:
    """Return the settings that each config needs."""
    names: list[str] = TapWebSocket.config_jsonschema["required"]
    return names


def groups() -> dict[str, list[str]]:
    """Return the names of the settings by their group, in order."""
    found: dict[str, list[str]] = {}
    for name, schema in properties().items():
        found.setdefault(schema.get("x-group", SDK_GROUP), []).append(name)
    return found


def default_of(name: str) -> str:
    """Return a setting's default as JSON, `required`, or a dash where it has none."""
    schema = properties()[name]
    if "default" in schema:
        return f"`{json.dumps(schema['default'])}`"
    return "required" if name in required() else "-"


def type_of(name: str) -> str:
    """Return what a setting takes, in words."""
    schema = properties()[name]
    return str(schema.get("x-type") or choices(schema) or _first_type(schema))


def choices(schema: dict[str, Any]) -> str:
    """Return the words that a setting takes, or nothing where it takes others."""
    return " or ".join(f"`{value}`" for value in schema.get("enum", ()))


def _first_type(schema: dict[str, Any]) -> str:
    declared = schema.get("type", "string")
    names = [declared] if isinstance(declared, str) else declared
    return str(next(name for name in names if name != "null"))
