"""What is written about settings fits what the tap takes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from dotenv import dotenv_values
from jsonschema import Draft7Validator

from scripts import declared, reference
from scripts.reference import DOCS, config_schema, configs, env_example
from tap_websocket.settings import coerce, read_settings
from tap_websocket.tap import TapWebSocket

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [*DOCS.glob("*.md"), *DOCS.glob("recipes/*.md")]
END = {"url": "wss://example.com/", "max_duration": 1}


def errors(config: dict[str, Any]) -> list[str]:
    validator = Draft7Validator(json.loads(config_schema()))
    return [error.message for error in validator.iter_errors(config)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_config_of_the_documentation_fits_the_schema(page: Path) -> None:
    for config in configs(page):
        assert errors(END | config) == []


def test_an_editor_sees_what_is_wrong() -> None:
    assert errors(END | {"$schema": "https://example.com/config.schema.json"}) == []
    assert errors(END | {"max_mesages": 1})
    assert errors(END | {"transport": "aiohttp"})
    assert errors(END | {"connect_timeout": "soon"})
    assert errors({"max_duration": 1})
    assert errors({"url": "wss://example.com/"})


def test_the_tap_takes_the_schema_line_that_editors_want() -> None:
    config = END | {"$schema": "https://example.com/config.schema.json"}
    prepared = coerce.prepare(config, TapWebSocket.config_jsonschema)
    assert not prepared.problems
    assert not prepared.warnings
    read_settings(prepared.config, prepared.given)


def test_the_env_example_holds_each_setting_with_a_value_that_fits(
    tmp_path: Path,
) -> None:
    plain = tmp_path / "plain"
    plain.write_text(env_example())
    prefix = "TAP_WEBSOCKET_"
    assert dotenv_values(plain).keys() == {f"{prefix}URL", f"{prefix}MAX_DURATION"}
    every = tmp_path / "every"
    every.write_text(env_example().replace(f"# {prefix}", prefix))
    values = {
        name.removeprefix(prefix).lower(): value
        for name, value in dotenv_values(every).items()
    }
    assert values.keys() == declared.properties().keys()
    for name, value in values.items():
        if value:
            given = END | {name: value}
            prepared = coerce.prepare(given, TapWebSocket.config_jsonschema)
            assert not prepared.problems, (name, value)


def test_a_setting_is_in_the_reference_once_with_what_it_takes() -> None:
    page = reference.reference()
    for name in declared.properties():
        assert page.count(f"### `{name}`\n") == 1
    assert 'Type: `auto` or `websockets` or `picows`. Default: `"auto"`.' in page
    assert "Type: string. Required." in page
