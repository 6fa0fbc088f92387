"""Write what is made from the tap's own settings, or check that it is current.

`python -m scripts.generate` writes the README's settings tables, `docs/reference.md`,
the counts in `docs/production.md`, the config's JSON Schema, `.env.example`,
`meltano.yml` and the Meltano Hub definition; with `--check` it writes nothing and fails
if one is stale.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from scripts import reference
from scripts.declared import ROOT
from scripts.plugin import hub_definition, meltano_project, settings
from scripts.reference import settings_tables

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["hub_definition", "meltano_project", "settings", "settings_tables"]

README = ROOT / "README.md"
PRODUCTION = ROOT / "docs" / "production.md"


def _with(path: Path, part: str, written: str) -> str:
    """Return a page with what is written between its two marks.

    Raises:
        ValueError: When the page has no such marks.
    """
    begin = f"<!-- {part}: written by scripts/generate.py -->\n"
    end = f"<!-- /{part} -->\n"
    text = path.read_text(encoding="utf-8")
    if text.count(begin) != 1 or text.count(end) != 1:
        message = f"{path.name} needs the marks of {part}, once each"
        raise ValueError(message)
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{written}\n{end}{after}"


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` say which are stale."""
    wanted = {
        README: _with(README, "settings", settings_tables()),
        PRODUCTION: _with(PRODUCTION, "counts", reference.counts_table()),
        ROOT / "docs" / "reference.md": reference.reference(),
        ROOT / "tap_websocket" / "config.schema.json": reference.config_schema(),
        ROOT / ".env.example": reference.env_example(),
        ROOT / "hub" / "tap-websocket.yml": hub_definition(),
        ROOT / "meltano.yml": meltano_project(),
    }
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
