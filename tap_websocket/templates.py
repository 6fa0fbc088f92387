"""Placeholders: what is sent, and where to, filled in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["NAME", "fill", "fill_url", "undeclared"]

NAME = re.compile(r"[A-Za-z0-9_]+")
_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9_]+)\}")


def undeclared(text: str, declared: Collection[str]) -> list[str]:
    """Return the names of placeholders that nobody declares, in order."""
    return [name for name in _PLACEHOLDER.findall(text) if name not in declared]


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return a text with its placeholders filled in, raw; unknown ones stay."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def fill_url(text: str, values: Mapping[str, str]) -> str:
    """Return a URL with its placeholders filled in.

    A value is inserted raw at the very start and percent-encoded elsewhere.
    """

    def value(match: re.Match[str]) -> str:
        raw = values.get(match[1], match[0])
        return raw if match.start() == 0 else quote(raw, safe="")

    return _PLACEHOLDER.sub(value, text)
