"""Filters of placeholders: `{name|lower}` inserts the value in another form.

Several may follow each other, the first one acting first: `{symbol|lower|json}`.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from tap_websocket import jsontext

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["FILTERS", "Filters", "parse_filters"]


def _url(text: str) -> str:
    return quote(text, safe="", errors="replace")


def _json(text: str) -> str:
    return jsontext.dumps(text).decode()[1:-1]


def _base64(text: str) -> str:
    return base64.b64encode(text.encode(errors="replace")).decode()


def _base64url(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode(errors="replace")).decode().rstrip("=")


FILTERS: Mapping[str, Callable[[str], str]] = {
    "raw": str,
    "url": _url,
    "json": _json,
    "base64": _base64,
    "base64url": _base64url,
    "lower": str.lower,
    "upper": str.upper,
}
"""Name to what it does with a text. `raw` only keeps a URL from encoding the value."""

_ENCODED = frozenset({"raw", "url"})
"""After one of these a URL inserts the value as it is."""


class Filters(NamedTuple):
    """The filters of one placeholder, in order."""

    names: tuple[str, ...] = ()

    @property
    def unknown(self) -> str | None:
        """The first name that is no filter."""
        return next((name for name in self.names if name not in FILTERS), None)

    @property
    def change_values(self) -> bool:
        """Whether a value becomes a text; without, it keeps its JSON type."""
        return any(name != "raw" for name in self.names)

    def apply(self, text: str, *, in_url: bool = False) -> str:
        """Return the text, filtered.

        Args:
            text: The value's text.
            in_url: Percent-encode it at the end, unless a filter says otherwise.
        """
        for name in self.names:
            text = FILTERS[name](text)
        if in_url and not _ENCODED & set(self.names):
            return _url(text)
        return text


def parse_filters(text: str) -> Filters:
    """Return the filters of a placeholder.

    Args:
        text: What follows the name, each name after a `|`; or nothing.
    """
    return Filters(tuple(text.split("|")[1:]))
