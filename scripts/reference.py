"""What is written about settings: the README's tables, the reference, `.env.example`.

Examples are taken from the configs that the documentation shows.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from scripts import declared
from scripts.declared import ENDS, REPOSITORY, ROOT
from scripts.sections import best_sections, sections
from tap_websocket.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scripts.sections import Section

__all__ = [
    "config_schema",
    "configs",
    "counts_table",
    "env_example",
    "reference",
    "settings_tables",
]

DOCS = ROOT / "docs"
_PAGE = DOCS / "reference.md"
_NOTICE = "<!-- Written by scripts/generate.py from tap_websocket/settings/. -->\n"
_HEAD = "| setting | type | default | in short |\n| --- | --- | --- | --- |\n"
_SCHEMA_URL = f"{REPOSITORY}/raw/main/tap_websocket/config.schema.json"
_BLOCK = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A sentence ends before a space and a capital, a digit or a code span.
_SENTENCE = re.compile(r"(?<=[.])\s+(?=[A-Z0-9`])")
_SECTIONS_PER_SETTING = 3
_RECIPES_PER_SETTING = 2
_LONGEST_EXAMPLE = 400
_LINE = 100
_INTRODUCTION = """\
Each setting with its type, its default and an example. Durations are in seconds, sizes
in bytes. The value of a secret setting never shows in logs, in errors and in what
Meltano prints.

An editor can check and complete a config while it is written. The package ships a JSON
Schema, [`config.schema.json`](../tap_websocket/config.schema.json); name it in the
config's first line:

```json
{
  "$schema": "SCHEMA_URL",
  "url": "wss://stream.example.com/trades",
  "max_duration": 3600
}
```
"""


class Use(NamedTuple):
    """A value that the documentation gives a setting, and the page."""

    value: Any
    page: Path


def settings_tables() -> str:
    """Return a table of the settings for each group, a sentence for each."""
    return "\n".join(
        f"#### {group}\n\n{_HEAD}{''.join(map(_row, names))}"
        for group, names in declared.groups().items()
    )


def _row(name: str) -> str:
    description = declared.properties()[name].get("description", "")
    text = _SENTENCE.split(description)[0].replace("|", "\\|")
    kind = declared.type_of(name)
    return f"| `{name}` | {kind} | {declared.default_of(name)} | {text} |\n"


def reference() -> str:
    """Return the page with everything about each setting."""
    uses = _uses()
    found = [section for page in _pages() for section in sections(page)]
    introduction = _INTRODUCTION.replace("SCHEMA_URL", _SCHEMA_URL)
    parts = [f"# Settings\n\n{_NOTICE}\n{introduction}"]
    for group, names in declared.groups().items():
        parts.append(f"## {group}\n")
        parts += [_entry(name, uses.get(name, []), found) for name in names]
    return "\n".join(parts)


def _entry(name: str, uses: list[Use], found: list[Section]) -> str:
    schema = declared.properties()[name]
    secret = " Secret." if schema.get("secret") else ""
    default = declared.default_of(name)
    words = {"required": "Required.", "-": "No default."}
    default = words.get(default, f"Default: {default}.")
    kind = f"Type: {declared.type_of(name)}. {default}{secret}"
    parts = [f"### `{name}`\n", schema.get("description", "") + "\n", f"{kind}\n"]
    example = _example(name, uses)
    if example is not None:
        parts.append(f"```json\n{_pretty({name: example})}\n```\n")
    manual = [section for section in found if section.page.parent == DOCS]
    links = list(map(_link, best_sections(name, manual, _SECTIONS_PER_SETTING)))
    recipes = dict.fromkeys(use.page for use in uses if use.page.parent != DOCS)
    shown = list(recipes)[:_RECIPES_PER_SETTING]
    links += [_link(next(sections(page))) for page in shown]
    if links:
        parts.append(f"See {', '.join(links)}.\n")
    return "\n".join(parts)


def _example(name: str, uses: list[Use]) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value for a setting: the shortest one shown, or one of its type."""
    schema = declared.properties()[name]
    if "examples" in schema:
        return schema["examples"][0]
    if uses and len(json.dumps(uses[0].value)) <= _LONGEST_EXAMPLE:
        return uses[0].value
    default = schema.get("default")
    if "enum" in schema:
        return next(value for value in schema["enum"] if value != default)
    types = schema.get("type", ())
    types = {types} if isinstance(types, str) else set(types)
    if "boolean" in types and not types & {"object", "string"}:
        return not default
    if types & {"number", "integer"}:
        return default or 30
    return None


def _pretty(value: dict[str, Any]) -> str:
    """Return JSON on one line where it fits, as the other pages write it."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) <= _LINE:
        return line
    return json.dumps(value, indent=2, ensure_ascii=False)


def _link(section: Section) -> str:
    page = section.page.relative_to(DOCS).as_posix()
    return f"[{section.title}]({page}{section.anchor})"


def _pages() -> list[Path]:
    pages = [*sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("recipes/*.md"))]
    # What a benchmark measured explains no setting, and changes with each run; how the
    # tap is built explains none either.
    others = {_PAGE, DOCS / "benchmark.md", DOCS / "architecture.md"}
    return [page for page in pages if page not in others]


def configs(page: Path) -> Iterator[dict[str, Any]]:
    """Yield the configs, and parts of configs, that a page shows."""
    names = {*declared.properties(), "$schema"}
    for block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        value = _parsed(block)
        if isinstance(value, dict) and value and value.keys() <= names:
            yield value


def _parsed(block: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return what a block holds: a config, or settings without the braces around."""
    for text in (block, f"{{{block}}}"):
        try:
            return json.loads(text)
        except ValueError:
            # Several messages in one block, or one that is cut: no config.
            continue
    return None


def _uses() -> dict[str, list[Use]]:
    """Return what the documentation gives each setting, the shortest first."""
    found: dict[str, list[Use]] = {}
    for page in _pages():
        for config in configs(page):
            for name, value in config.items():
                found.setdefault(name, []).append(Use(value, page))
    for uses in found.values():
        uses.sort(key=lambda use: (len(json.dumps(use.value)), str(use.page)))
    return found


def counts_table() -> str:
    """Return a table of what a run counts, with what the code says of each count."""
    rows = ["| METRIC | in the line | what it counts |", "| --- | --- | --- |"]
    docstring = inspect.getdoc(Counts) or ""
    _, _, attributes = docstring.partition("Attributes:\n")
    # One entry a count: its name, a colon, and text that may go on indented deeper.
    entries = re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", attributes, re.MULTILINE)
    meanings = {name: re.sub(r"\s+", " ", text) for name, text in entries}
    for field in dataclasses.fields(Counts):
        metric = f"`{field.metadata['metric'] or 'record_count'}`"
        line = f"`{field.metadata['log']}`"
        rows.append(f"| {metric} | {line} | {meanings[field.name]} |")
    return "\n".join(rows) + "\n"


def config_schema() -> str:
    """Return the JSON Schema of a config file, for editors."""
    kept = {
        name: {key: value for key, value in schema.items() if _is_standard(key)}
        for name, schema in declared.properties().items()
    }
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": _SCHEMA_URL,
        "title": "Config of tap-websocket",
        "type": "object",
        "properties": {"$schema": {"type": "string"}, **kept},
        "required": declared.required(),
        "anyOf": [{"required": [end]} for end in ENDS],
        "additionalProperties": False,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _is_standard(key: str) -> bool:
    return not key.startswith("x-") and key != "secret"


def env_example() -> str:
    """Return a `.env` file with every setting, all but the needed ones as comments."""
    uses = _uses()
    lines = [
        "# Copy this file to .env: `tap-websocket --config=ENV` reads it. Objects and",
        "# arrays are JSON. docs/reference.md explains each setting.",
        "# Written by scripts/generate.py from tap_websocket/settings/.",
    ]
    for group, names in declared.groups().items():
        lines += ["", f"# {group}"]
        for name in names:
            value = _example(name, uses.get(name, []))
            if name == "max_duration":
                value = 3600
            comment = "" if name in {"url", "max_duration"} else "# "
            lines.append(f"{comment}TAP_WEBSOCKET_{name.upper()}={_assigned(value)}")
    return "\n".join(lines) + "\n"


def _assigned(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if "\n" in text:
        # Only between double quotes a .env file has escapes for line breaks.
        return json.dumps(text)
    # Single quotes keep what a .env file would read as an escape or a reference.
    return text if re.fullmatch(r"[\w.:/-]*", text) else f"'{_quoted(text)}'"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
