"""The tap as a plugin: Meltano Hub's definition, and the project's `meltano.yml`."""

from __future__ import annotations

import json
from typing import Any

import yaml

from scripts.declared import ENDS, REPOSITORY, properties
from tap_websocket.settings.read import idle
from tap_websocket.tap import TapWebSocket

__all__ = ["hub_definition", "meltano_project", "settings"]

_NAME = "tap-websocket"
_BLOB = f"{REPOSITORY}/blob/main"
_NOTICE = (
    "# Written by scripts/generate.py from the settings in tap_websocket/settings/.\n"
)
_KINDS = {"boolean": "boolean", "array": "array", "object": "object"}
_PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
_PREAMBLE = f"""\
A run needs `url` and one of `max_messages`, `idle_timeout` and `max_duration`: a live
feed has no end of its own. Everything else has a default. Durations are in seconds,
sizes in bytes.

- [What to set for a feed]({_BLOB}/docs/feeds.md), and
  [configs of well-known feeds]({_BLOB}/docs/recipes/README.md)
- [Each setting with an example]({_BLOB}/docs/reference.md)
"""
_USAGE = f"""\
## Try it without a feed

The package brings one: `python -m tap_websocket.demo --port 8765` in the plugin's
environment serves made-up trades at `ws://127.0.0.1:8765/`.

## Run it for good

The tap keeps no state, since a live server cannot send again what was sent before. How
to run it as a service or from a schedule, and how to stop it without loss, is in
[Run it in production]({_BLOB}/docs/production.md).

## Troubleshooting

Each error and warning is explained in
[Troubleshooting]({_BLOB}/docs/troubleshooting.md).
"""


def settings() -> list[dict[str, Any]]:
    """Return the settings as Meltano knows them."""
    declared = properties()
    unsent = _unsent(declared)
    return [
        _setting(name, schema, sent=name not in unsent)
        for name, schema in declared.items()
    ]


def _unsent(declared: dict[str, dict[str, Any]]) -> frozenset[str]:
    """Return the settings whose defaults Meltano must not send.

    It sends every default that it knows as if the user had given it. The tap would
    then warn that the setting has no effect, wherever another leaves it so.
    """
    url: str = declared["url"]["examples"][0]
    defaults = {
        name: schema["default"]
        for name, schema in declared.items()
        if "default" in schema
    }
    config = {**defaults, "url": url}
    return frozenset(name for rule in idle(config) for name in rule.names)


def _kind(schema: dict[str, Any]) -> str:
    """Return Meltano's kind of a setting.

    Numbers that may have a fraction are strings: Meltano's own kind mangles them. So
    are those that an engine may leave empty, which Meltano 4.4 takes for no integer.
    """
    if "enum" in schema:
        return "options"
    declared = schema.get("type", "string")
    types = {declared} if isinstance(declared, str) else set(declared)
    types.discard("null")
    if types in ({"integer"}, {"integer", "string"}) and "x-empty" not in schema:
        return "integer"
    (kind, *others) = types
    return "string" if others else _KINDS.get(kind, "string")


def _setting(name: str, schema: dict[str, Any], *, sent: bool) -> dict[str, Any]:
    kind = _kind(schema)
    setting: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "label": schema.get("title", name.replace("_", " ").capitalize()),
        "description": schema.get("description", ""),
    }
    if kind == "options":
        setting["options"] = [
            {"label": value, "value": value} for value in schema["enum"]
        ]
    if schema.get("secret"):
        setting["sensitive"] = True
    default = schema.get("default")
    if isinstance(default, str | int):
        if sent:
            setting["value"] = default
        else:
            setting["description"] += f" Default: {json.dumps(default)}."
    return setting


def _plugin() -> dict[str, Any]:
    return {
        "name": _NAME,
        "namespace": _NAME.replace("-", "_"),
        "variant": _NAME,
        "label": "WebSocket",
        "executable": _NAME,
        "capabilities": [capability.value for capability in TapWebSocket.capabilities],
        "settings": settings(),
    }


def hub_definition() -> str:
    """Return the plugin definition for Meltano Hub."""
    plugin = _plugin() | {
        "description": TapWebSocket.__doc__,
        "docs": f"{REPOSITORY}#readme",
        "repo": REPOSITORY,
        "pip_url": _NAME,
        "keywords": ["api", "meltano_sdk", "websocket", "streaming"],
        "maintenance_status": "active",
        "quality": "unknown",
        "domain_url": "https://www.rfc-editor.org/rfc/rfc6455",
        "definition": "reads live WebSocket feeds: market data, chat, telemetry",
        # Where the Hub keeps a logo that is submitted with a definition.
        "logo_url": "/assets/logos/extractors/websocket.png",
        "settings_group_validation": [["url", end] for end in ENDS],
        "settings_preamble": _PREAMBLE,
        "usage": _USAGE,
        "supported_python_versions": _PYTHONS,
    }
    return _yaml(plugin)


def meltano_project() -> str:
    """Return the project file for developing the tap with Meltano."""
    extractor = _plugin() | {"pip_url": "-e .[fast]"}
    del extractor["variant"]
    loader = {
        "name": "target-jsonl",
        "namespace": "target_jsonl",
        "pip_url": "target-jsonl",
        "executable": "target-jsonl",
        "settings": [
            {"name": "destination_path", "kind": "string"},
            {"name": "do_timestamp_file", "kind": "boolean"},
        ],
        "config": {"destination_path": "output", "do_timestamp_file": False},
    }
    project = {
        # The first that reads this key; older ones ask for `version`, now deprecated.
        "requires_meltano": ">=4.0",
        "send_anonymous_usage_stats": False,
        "project_id": _NAME,
        "default_environment": "dev",
        "environments": [{"name": "dev"}],
        "plugins": {"extractors": [extractor], "loaders": [loader]},
    }
    return _yaml(project)


def _yaml(value: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, width=88, allow_unicode=True)
    return _NOTICE + text
