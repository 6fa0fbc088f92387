"""The pages of docs/recipes as a whole."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest

from tap_websocket.settings import coerce, read_settings
from tap_websocket.tap import TapWebSocket
from tests.support.recipes import PAGES, recipe

NAMES = sorted(page.stem for page in PAGES.glob("*.md") if page.stem != "README")


def _sections(name: str) -> list[str]:
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    return [heading for heading in headings if heading != "Notes"]


def test_the_index_has_each_page_once() -> None:
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    assert (
        sorted(re.findall(r"^- \[.+?\]\(([\w-]+)\.md\): ", index, re.MULTILINE))
        == NAMES
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_recipe_is_run_and_its_config_gives_no_warning(name: str) -> None:
    module = Path(__file__).parent / f"test_{name.replace('-', '_')}.py"
    tests = module.read_text(encoding="utf-8")
    settings = copy.deepcopy(TapWebSocket.config_jsonschema)
    TapWebSocket.append_builtin_config(settings)
    for section in _sections(name):
        assert f"recipe({json.dumps(name)}, {json.dumps(section)})" in tests
        given = recipe(name, section).config
        prepared = coerce.prepare(given, settings)
        assert not prepared.problems
        assert not prepared.warnings
        assert not read_settings(prepared.config, prepared.given).warnings
