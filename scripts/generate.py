"""Write what is made from the tap's own settings, or check that it is current.

`python scripts/generate.py` writes the README's settings table, `meltano.yml` and the
Meltano Hub definition; with `--check` it writes nothing and fails if one is stale.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from tap_websocket.settings.read import idle
from tap_websocket.tap import TapWebSocket

__all__ = ["hub_definition", "meltano_project", "settings", "settings_tables"]

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
HUB = ROOT / "hub" / "tap-websocket.yml"
MELTANO = ROOT / "meltano.yml"

_BEGIN = "<!-- settings: written by scripts/generate.py -->\n"
_END = "<!-- /settings -->\n"
_NOTICE = (
    "# Written by scripts/generate.py from the settings in tap_websocket/settings/.\n"
)
_NAME = "tap-websocket"
_REPOSITORY = "https://github.com/tap-websocket/tap-websocket"
_ENDS = ("max_messages", "idle_timeout", "max_duration")
_SDK_GROUP = "From the Meltano SDK"
_HEAD = "| setting | type | default | meaning |\n| --- | --- | --- | --- |\n"
_KINDS = {"boolean": "boolean", "array": "array", "object": "object"}


def settings_tables() -> str:
    """Return a table of the settings for each group, the SDK's own last."""
    groups: dict[str, list[str]] = {}
    for name, schema in _properties().items():
        group = schema.get("x-group", _SDK_GROUP)
        groups.setdefault(group, []).append(_row(name, schema))
    return "\n".join(
        f"#### {group}\n\n{_HEAD}{''.join(rows)}" for group, rows in groups.items()
    )


def _row(name: str, schema: dict[str, Any]) -> str:
    default = "required" if name in _required() else "-"
    if "default" in schema:
        default = f"`{json.dumps(schema['default'])}`"
    kind = schema.get("x-type") or _choices(schema) or _type(schema)
    text = schema.get("description", "").replace("|", "\\|")
    return f"| `{name}` | {kind} | {default} | {text} |\n"


def _choices(schema: dict[str, Any]) -> str:
    return " or ".join(f"`{value}`" for value in schema.get("enum", ()))


def _required() -> list[str]:
    required: list[str] = TapWebSocket.config_jsonschema["required"]
    return required


def _properties() -> dict[str, dict[str, Any]]:
    TapWebSocket.append_builtin_config(TapWebSocket.config_jsonschema)
    properties: dict[str, dict[str, Any]]
    properties = TapWebSocket.config_jsonschema["properties"]
    return properties


def settings() -> list[dict[str, Any]]:
    """Return the settings as Meltano knows them."""
    properties = _properties()
    unsent = _unsent(properties)
    return [
        _setting(name, schema, sent=name not in unsent)
        for name, schema in properties.items()
    ]


def _unsent(properties: dict[str, dict[str, Any]]) -> frozenset[str]:
    """Return the settings whose defaults Meltano must not send.

    It sends every default that it knows as if the user had given it. The tap would
    then warn that the setting has no effect, wherever another leaves it so.
    """
    url: str = properties["url"]["examples"][0]
    defaults = {
        name: schema["default"]
        for name, schema in properties.items()
        if "default" in schema
    }
    config = {**defaults, "url": url}
    return frozenset(name for rule in idle(config) for name in rule.names)


def _kind(schema: dict[str, Any]) -> str:
    """Return Meltano's kind of a setting.

    Numbers are strings there: Meltano's own kinds for them mangle fractions.
    """
    if "enum" in schema:
        return "options"
    declared = schema.get("type", "string")
    types = {declared} if isinstance(declared, str) else set(declared)
    (kind, *others) = types - {"null"}
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


def _type(schema: dict[str, Any]) -> str:
    declared = schema.get("type", "string")
    names = [declared] if isinstance(declared, str) else declared
    return str(next(name for name in names if name != "null"))


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
        "docs": f"{_REPOSITORY}#readme",
        "repo": _REPOSITORY,
        "pip_url": f"{_NAME}[fast]",
        "keywords": ["api", "meltano_sdk", "websocket", "streaming"],
        "maintenance_status": "active",
        "quality": "unknown",
        "domain_url": "https://www.rfc-editor.org/rfc/rfc6455",
        "logo_url": None,
        "settings_group_validation": [["url", end] for end in _ENDS],
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
        "version": 1,
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


def _readme() -> str:
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{settings_tables()}\n{_END}{after}"


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` say which are stale."""
    wanted = {README: _readme(), HUB: hub_definition(), MELTANO: meltano_project()}
    stale = [
        path
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: run `make generate`")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
