"""Write what is made from the tap's own settings, or check that it is current.

`python -m scripts.generate` writes the README's settings tables, `docs/reference.md`,
the config's JSON Schema, `.env.example`, `meltano.yml` and the Meltano Hub definition;
with `--check` it writes nothing and fails if one is stale.
"""

from __future__ import annotations

import sys

from scripts import reference
from scripts.declared import ROOT
from scripts.plugin import hub_definition, meltano_project, settings
from scripts.reference import settings_tables

__all__ = ["hub_definition", "meltano_project", "settings", "settings_tables"]

README = ROOT / "README.md"

_BEGIN = "<!-- settings: written by scripts/generate.py -->\n"
_END = "<!-- /settings -->\n"


def _readme() -> str:
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{settings_tables()}\n{_END}{after}"


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` say which are stale."""
    wanted = {
        README: _readme(),
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
