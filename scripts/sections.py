"""The sections of the documentation's pages, and which of them write of a setting."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Section", "best_sections", "sections"]

# Within a block of code a line with a hash is a comment.
_HEADING = re.compile(
    r"^```.*?^```$|^#{1,2} (?P<title>[^\n]+)$", re.MULTILINE | re.DOTALL
)


class Section(NamedTuple):
    """What stands below a heading of the first or second level.

    Attributes:
        page: The page.
        title: That of the page, and the section's behind it.
        anchor: What leads to it within the page; empty for a page's beginning.
        text: Its text.
    """

    page: Path
    title: str
    anchor: str
    text: str


def sections(page: Path) -> Iterator[Section]:
    """Yield the sections of a page in order."""
    text = page.read_text(encoding="utf-8")
    headings = [found for found in _HEADING.finditer(text) if found["title"]]
    name = headings[0]["title"]
    ends = [heading.start() for heading in headings[1:]]
    for heading, end in zip(headings, [*ends, len(text)], strict=True):
        title, anchor = name, ""
        if heading is not headings[0]:
            title = f"{name}: {heading['title']}"
            bare = re.sub(r"[^\w\- ]", "", heading["title"].lower())
            anchor = "#" + bare.replace(" ", "-")
        yield Section(page, title, anchor, text[heading.end() : end])


def best_sections(setting: str, found: list[Section], most: int) -> list[Section]:
    """Return the sections that write most of a setting, one of each page at most."""
    marks = (f"`{setting}`", f"`{setting}: ", f'"{setting}": ')
    best: dict[Path, tuple[int, Section]] = {}
    for section in found:
        count = sum(map(section.text.count, marks))
        if count > best.get(section.page, (0, section))[0]:
            best[section.page] = count, section
    ranked = sorted(best.values(), key=lambda one: -one[0])
    return [section for _, section in ranked[:most]]
