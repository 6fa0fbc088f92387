"""Meltano Hub and Meltano itself: what is generated from the settings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from referencing import Registry, Resource

from scripts import generate
from scripts.project import environment
from scripts.tools import ROOT, tool
from tap_websocket.demo import trades
from tap_websocket.settings import coerce, read_settings
from tap_websocket.tap import TapWebSocket
from tests.support.servers import Peer, serve
from tests.support.tap import parse

SCHEMAS = Path(os.environ.get("HUB_SCHEMAS", ROOT.parent / "shared" / "hub"))


def definition() -> dict[str, Any]:
    text = (ROOT / "hub" / "tap-websocket.yml").read_text(encoding="utf-8")
    parsed: dict[str, Any] = yaml.safe_load(text)
    return parsed


def test_generated_files_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scripts.generate", "--check"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_the_readme_has_every_setting_in_its_group() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert generate.settings_tables() in readme
    groups = re.findall(r"^#### (.*)$", readme, re.MULTILINE)
    assert groups == [
        "Connection",
        "Subscription and keepalive",
        "Topics and shards",
        "When a run ends",
        "Reconnecting",
        "No gap",
        "From message to record",
        "The stream",
        "Delivery",
        "From the Meltano SDK",
    ]
    names = [setting["name"] for setting in definition()["settings"]]
    assert names
    for name in names:
        assert readme.count(f"| `{name}` |") == 1


def test_the_definition_names_every_setting_once() -> None:
    names = [setting["name"] for setting in definition()["settings"]]
    assert len(names) == len(set(names))
    assert {"url", "max_messages", "stream_maps", "batch_config"} <= set(names)
    kinds = {setting["name"]: setting["kind"] for setting in definition()["settings"]}
    assert kinds["reconnect"] == "boolean"
    assert kinds["idle_timeout"] == "string"
    assert kinds["max_messages"] == "integer"
    assert kinds["contexts"] == "array"
    assert kinds["transport"] == "options"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
        {"message_format": "binary", "batch_size": "0"},
        {"envelope": "true"},
    ],
)
def test_the_defaults_that_meltano_sends_are_those_of_the_tap(
    given: dict[str, Any],
) -> None:
    values = {
        setting["name"]: setting["value"]
        for setting in definition()["settings"]
        if "value" in setting
    }
    assert values["connect_timeout"] == 30
    given |= {"url": "ws://localhost:1/", "max_duration": "1"}
    sent = coerce.prepare(values | given, TapWebSocket.config_jsonschema)
    alone = coerce.prepare(given, TapWebSocket.config_jsonschema)
    assert sent.config == alone.config
    assert not sent.problems
    assert not read_settings(sent.config, sent.given).warnings


def test_the_definition_is_valid_against_the_hubs_schemas() -> None:
    """The schemas are the Hub's own; without them its required parts are checked."""
    plugin = definition()
    assert {"name", "namespace", "variant", "quality", "settings"} <= plugin.keys()
    main = SCHEMAS / "plugin_definitions" / "extractors.schema.json"
    if not main.exists():
        assert "HUB_SCHEMAS" not in os.environ, f"{main} is missing"
        return
    registry: Registry[Any] = Registry()
    for path in SCHEMAS.rglob("*.json"):
        contents = json.loads(path.read_text())
        contents.pop("$id", None)
        uri = path.resolve().as_uri()
        registry = registry.with_resource(uri, Resource.from_contents(contents))
    validator = Draft7Validator(
        {"$ref": main.resolve().as_uri()},
        registry=registry,
    )
    assert [error.message for error in validator.iter_errors(plugin)] == []


STRUCTURED: dict[str, Any] = {
    "auth": {"type": "signed", "secret": "s", "template": "{timestamp}"},
    "placeholders": {"op": "subscribe"},
    "subscribe_messages": [{"message": {"op": "{op}", "at": "{timestamp}"}}],
    "message_rules": [{"match": {"type": "none"}, "then": "ignore"}],
    "message_fields": {"copied": "$.symbol"},
    "heartbeat_message": {"op": "ping"},
    "heartbeat_interval": 60,
}


async def feed(peer: Peer) -> None:
    for number, trade in enumerate(trades(1)):
        await peer.send(trade)
        if number > 300:
            break
    await peer.wait()


@pytest.mark.parametrize("source", ["meltano.yml", "environment"])
def test_meltano_add_gives_an_extractor_that_runs(source: str, tmp_path: Path) -> None:
    """In an empty project, from the definition alone."""
    meltano = tool("meltano")
    plugin = definition() | {
        "executable": f"{Path(sys.executable).parent}/tap-websocket"
    }
    del plugin["pip_url"]
    reference = tmp_path / "tap-websocket.yml"
    reference.write_text(yaml.safe_dump(plugin))
    project = tmp_path / "project"

    def run(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        cwd = project if project.exists() else tmp_path
        return subprocess.run(
            [meltano, *arguments],
            cwd=cwd,
            env=environment() | extra,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    done = run("init", "project")
    assert done.returncode == 0, done.stderr
    done = run(
        "add", "--no-install", f"--from-ref={reference}", "extractor", "tap-websocket"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with serve(feed) as server:
        values = {"url": server.url, "max_messages": "7", "flush_interval": "0.5"}
        extra = {}
        if source == "environment":
            values |= {name: json.dumps(value) for name, value in STRUCTURED.items()}
            extra = {f"TAP_WEBSOCKET_{k.upper()}": v for k, v in values.items()}
        else:
            file = project / "meltano.yml"
            written = yaml.safe_load(file.read_text())
            written["plugins"]["extractors"][0]["config"] = STRUCTURED
            file.write_text(yaml.safe_dump(written))
            for name, value in values.items():
                done = run("config", "set", "tap-websocket", name, value)
                assert done.returncode == 0, done.stdout + done.stderr
        done = run("invoke", "tap-websocket", **extra)
    assert done.returncode == 0, done.stderr
    lines = [parse(line) for line in done.stdout.splitlines() if line.startswith("{")]
    records = [line["record"] for line in lines if line["type"] == "RECORD"]
    assert len(records) == 7
    assert all(record["copied"] == record["symbol"] for record in records)
    # Meltano discovers first, on a connection of its own.
    sent = [json.loads(str(text)) for text in server.received]
    assert sent
    assert all(message["at"].isdigit() for message in sent)
    assert {message["op"] for message in sent} == {"subscribe"}
