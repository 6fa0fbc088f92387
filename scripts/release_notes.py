"""Print the notes of a release: `python -m scripts.release_notes v1.2.0`.

They are the section of `CHANGELOG.md` for that version.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

__all__ = ["NotesError", "notes", "version"]

ROOT = Path(__file__).resolve().parent.parent
_VERSION = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)
_SECTION = re.compile(r"^## \[?([^\]\s]+)\]?", re.MULTILINE)
_LINK = re.compile(r"^\[[^\]]+\]: ", re.MULTILINE)


class NotesError(Exception):
    """The tag, the package and the changelog do not fit together."""


def version(root: Path = ROOT) -> str:
    """Return the package's version."""
    text = (root / "tap_websocket" / "__init__.py").read_text(encoding="utf-8")
    found = _VERSION.search(text)
    if found is None:
        message = "tap_websocket/__init__.py has no __version__"
        raise NotesError(message)
    return found[1]


def notes(tag: str, changelog: str, package: str) -> str:
    """Return the section of a changelog that belongs to a tag.

    Args:
        tag: The tag, `v` and the version.
        changelog: The text of the changelog.
        package: The package's version.

    Raises:
        NotesError: When the package has another version, or the changelog has no
            section for it or an empty one.
    """
    if tag != f"v{package}":
        message = f"the tag is {tag}, but the package is {package}: expected v{package}"
        raise NotesError(message)
    sections = list(_SECTION.finditer(changelog))
    for index, section in enumerate(sections):
        if section[1] != package:
            continue
        rest = sections[index + 1 :]
        end = rest[0].start() if rest else len(changelog)
        _, _, body = changelog[section.start() : end].partition("\n")
        link = _LINK.search(body)
        text = body[: link.start()] if link else body
        if text.strip():
            return text.strip() + "\n"
        message = f"the section of {package} in CHANGELOG.md is empty"
        raise NotesError(message)
    message = f'CHANGELOG.md has no section "## [{package}] - YYYY-MM-DD"'
    raise NotesError(message)


def main(arguments: list[str]) -> int:
    """Print the notes of the tag that is given; return 1 when there are none."""
    if len(arguments) != 1:
        print("usage: python -m scripts.release_notes TAG", file=sys.stderr)
        return 1
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    try:
        print(notes(arguments[0], changelog, version()), end="")
    except NotesError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
