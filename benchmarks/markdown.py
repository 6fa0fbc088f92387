"""Tables and figures in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["NONE", "decimal", "in_parts", "part", "part_of", "rounded", "rows", "table"]

NONE = "-"
"""Where there is no figure."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; all columns but the names are numbers."""
    marks = ["---" if not title else "---:" for title in header]
    lines = [header, marks, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rows(text: str, header: Sequence[str]) -> dict[str, Sequence[str]]:
    """Return the rows of a table of this header in a text, by their first cell.

    There are none where the text has no such table.
    """
    begin = table(header, [])
    body = text.partition(begin)[2] if begin in text else ""
    found: dict[str, Sequence[str]] = {}
    for line in body.lstrip("\n").splitlines():
        if not line.startswith("|"):
            break
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        found[cells[0]] = cells
    return found


def rounded(value: float | None) -> str:
    """Return a rate with three digits that say something."""
    if value is None:
        return NONE
    step = 10 ** max(0, len(str(int(value))) - 3)
    return f"{round(value / step) * step:,.0f}"


def decimal(value: float | None, digits: int) -> str:
    """Return a figure with this many digits behind its point."""
    return NONE if value is None else f"{value:,.{digits}f}"


def part(name: str, text: str) -> str:
    """Return a part of a page, with marks around it by which it is found again."""
    return f"<!-- {name} -->\n\n{text}\n\n<!-- /{name} -->\n"


def part_of(page: str, name: str) -> str:
    """Return what stands in a part of a page; nothing where it has no such part."""
    _, _, rest = page.partition(f"<!-- {name} -->\n")
    return rest.partition(f"<!-- /{name} -->\n")[0]


def in_parts(page: str, parts: Mapping[str, str]) -> str:
    """Return a page with these parts in place of those of the same names.

    A part that the page does not have comes behind its end.
    """
    for name, text in parts.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
        before, found, rest = page.partition(begin)
        after = rest.partition(end)[2]
        page = (
            f"{before}{part(name, text)}{after}"
            if found
            else f"{page.rstrip()}\n\n{part(name, text)}"
        )
    return page
