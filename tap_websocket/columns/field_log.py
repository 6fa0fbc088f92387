"""One line for each field that lost its place, as long as they are few."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tap_websocket.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ODD_VALUES_PAGE", "FieldLog", "quoted"]

ODD_VALUES_PAGE = (
    "https://github.com/tap-websocket/tap-websocket/blob/main/docs/cookbook.md"
    "#odd-values-in-a-column-of-their-own"
)
"""What to do about columns whose values are of several types."""

_LOGGER = logging.getLogger("tap-websocket")

_MAX_WARNINGS = 20
"""A feed whose every message has new fields would fill the log."""

_MAX_REMEMBERED = 100_000
"""Names that are counted, in some megabytes; a server may send any number of them."""

_MAX_QUOTED = 80
"""Characters of a name in a log line; JSON bounds none."""


def quoted(name: str) -> str:
    """Return a field's name for a log line: escaped, and cut where it is long."""
    if len(name) <= _MAX_QUOTED:
        return ascii(name)
    return f"{name[:_MAX_QUOTED]!a}… ({len(name)} characters)"


class FieldLog:
    """Says once of each field that something happens to.

    Args:
        what: What happens to it, as an end of "The field 'x' …".
        level: The level of the lines.
        page: Address of what to do about it.
    """

    def __init__(
        self, what: str, *, level: int = logging.WARNING, page: str = ""
    ) -> None:
        self._what = what
        self._level = level
        self._page = page
        # Hashes, since a server may send names of a megabyte.
        self._seen: set[int] = set()
        # Pages that were named: once is enough for each.
        self._addresses: set[str] = set()

    def note(
        self,
        name: str,
        why: Callable[[], str],
        *,
        page: Callable[[], str] = lambda: "",
    ) -> None:
        """Say it of a field, unless that was done, or was done of many others.

        Args:
            name: The field's name, as it was sent.
            why: Returns the reason, without any value.
            page: Returns the address of what to do about this one, in place of that
                of the log.
        """
        key = hash(name)
        if key in self._seen or len(self._seen) >= _MAX_REMEMBERED:
            return
        self._seen.add(key)
        if len(self._seen) <= _MAX_WARNINGS:
            address = page() or self._page
            is_new = address not in self._addresses
            self._addresses.add(address)
            _LOGGER.log(
                self._level,
                "The field %s %s: %s%s",
                quoted(name),
                self._what,
                why(),
                f"; see {address}" if address and is_new else "",
            )
        if len(self._seen) == _MAX_WARNINGS:
            _LOGGER.log(
                self._level,
                "%d fields were named; others are only counted, until the end of the "
                "run",
                _MAX_WARNINGS,
            )

    def close(self) -> None:
        """Say the number of fields that were not named, at the end of a run."""
        more = len(self._seen) - _MAX_WARNINGS
        if more > 0:
            at_least = "at least " if len(self._seen) >= _MAX_REMEMBERED else ""
            _LOGGER.log(
                self._level,
                "%s%s %s",
                at_least,
                counted(more, "more field", "more fields"),
                self._what,
            )
