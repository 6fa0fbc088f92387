"""The recipes of `docs/recipes`, read from their pages.

A page has a section of the second level for each recipe: one that begins with its
config, a block of JSON. Below it, at the third level:

- "What arrives": a block with a message on each line, which a server sends;
- "What you get": the table. Several streams have a table each, below a line that is
  the stream's name as code and a colon. A cell that is JSON is that value, `…` is
  any value, an empty one is null, and any other one is the text that it shows; code
  marks are taken off. `_rescued_data` is null where the table does not show it;
- "When it goes wrong", where it is not said elsewhere on the page: blocks with the
  line that the run ends with.
"""

from __future__ import annotations

import dataclasses
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "ANYTHING",
    "PAGES",
    "SCHEMES",
    "Recipe",
    "Table",
    "located",
    "recipe",
    "urls",
]

PAGES = Path(__file__).parents[1] / "docs" / "recipes"

Table = list[dict[str, Any]]
"""Rows of records, as a page shows them."""

SCHEMES = {"wss": "ws", "https": "http"}
"""A scheme with TLS, and the one without."""


class _Anything:
    """Equal to whatever it is compared with."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True

    def __repr__(self) -> str:
        return "…"


ANYTHING = _Anything()


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a page says of one config."""

    config: dict[str, Any]
    arrives: list[str]
    tables: dict[str, Table]
    failures: list[str]

    @property
    def table(self) -> Table:
        """The rows of the only stream."""
        (table,) = self.tables.values()
        return table


def recipe(page: str, section: str) -> Recipe:
    """Read a recipe from its page.

    Args:
        page: The file's name without its ending.
        section: The heading of the recipe.
    """
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    body = _section(text, f"## {section}")
    (config,) = _blocks(body.partition("\n### ")[0], "json")
    given = json.loads(config)
    stream = given.get("stream_name", "messages")
    return Recipe(
        given,
        "\n".join(_blocks(_section(body, "### What arrives"))).splitlines(),
        _tables(_section(body, "### What you get"), stream),
        [line.strip() for line in _blocks(_section(body, "### When it goes wrong"))],
    )


def _section(text: str, heading: str) -> str:
    """Return what stands below a heading, up to the next one of its level or above.

    That is nothing where the heading is missing.
    """
    level = len(heading.partition(" ")[0])
    below = re.split(rf"^{re.escape(heading)}$", text, flags=re.MULTILINE)
    if len(below) == 1:
        return ""
    _, after = below  # a heading that is there twice is an error
    return re.split(rf"^#{{1,{level}}} ", after, flags=re.MULTILINE)[0]


def _blocks(text: str, language: str = r"\w*") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _tables(text: str, stream: str) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    columns: list[str] = []
    for line in text.splitlines():
        if named := re.fullmatch(r"`(\w+)`:", line):
            stream = named[1]
        elif not line.startswith("|"):
            columns = []
        elif not columns:
            columns = _cells(line)
            tables[stream] = []
        elif not re.fullmatch(r"[|: -]+", line):
            values = map(_value, _cells(line))
            tables[stream].append(dict(zip(columns, values, strict=True)))
    return tables


def _cells(line: str) -> list[str]:
    cells = re.split(r"(?<!\\)\|", line.strip())[1:-1]
    return [cell.strip().strip("`").replace("\\|", "|") for cell in cells]


def _value(cell: str) -> object:
    if cell == "…":
        return ANYTHING
    try:
        return json.loads(cell, parse_float=Decimal) if cell else None
    except ValueError:
        return cell


def located(config: Mapping[str, Any], port: int) -> dict[str, Any]:
    """Return a config whose URLs lead to a port of this machine, without TLS."""
    moved: dict[str, Any] = json.loads(json.dumps(config))
    for holder, key in urls(moved):
        parts = urlsplit(holder[key])
        scheme = SCHEMES.get(parts.scheme, parts.scheme)
        there = parts._replace(scheme=scheme, netloc=f"localhost:{port}")
        holder[key] = there.geturl()
    return moved


def urls(config: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    """Yield where a config holds URLs that begin with a host."""
    topics = config.get("topics", {})
    request = topics if isinstance(topics, dict) else {}
    items = config.get("subscribe_messages", [])
    steps = (item.get("request", {}) for item in items if isinstance(item, dict))
    for holder in (config, config.get("auth", {}), request, *steps):
        for key in ("url", "token_url"):
            if "://" in holder.get(key, ""):
                yield holder, key
    placeholders = config.get("placeholders", {})
    for name, value in placeholders.items():
        if "://" in str(value):
            yield placeholders, name
