"""The expression of `message_pattern`, searched in a document's text."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from tap_websocket.expressions.search import Search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["JSON_GROUP", "MessagePattern"]


JSON_GROUP = "json"
"""The group of `message_pattern` that is parsed in `json` format."""


class MessagePattern:
    """The setting `message_pattern`: what of a document's text is looked at.

    Args:
        pattern: A regular expression, searched in the text.
        parses: The format is `json`, so the group `json` is what gets parsed;
            else the named groups become columns.

    Attributes:
        names: Its named groups.
        at_once: Characters of a text that is searched within milliseconds.

    Raises:
        ValueError: When it is none, or lacks the group; the message says where.
    """

    def __init__(self, pattern: str, *, parses: bool) -> None:
        self._search = Search(pattern, "message_pattern")
        groups = self._search.numbers
        if parses and JSON_GROUP not in groups:
            msg = (
                f"{pattern!r} has no group (?P<{JSON_GROUP}>…), which says what is "
                "parsed; add it, or set message_format: raw_string"
            )
            raise ValueError(msg)
        if not groups:
            msg = f"{pattern!r} has no named group (?P<name>…); each becomes a column"
            raise ValueError(msg)
        self.names = tuple(groups)
        self.at_once = self._search.at_once
        self._numbers = groups
        self._parses = parses

    def groups(self, text: str) -> Mapping[str, str | None] | None:
        """Return the named groups of the first match, None for those not in it.

        Returns:
            None where the document is to be ignored: it does not match, or what is
            to be parsed is not in it.

        Raises:
            ParseError: When the search takes too long.
        """
        groups = self._search.groups(text)
        if groups is None or (self._parses and groups[JSON_GROUP] is None):
            return None
        return groups

    def finder(
        self, names: Sequence[str]
    ) -> Callable[[Iterable[str]], list[tuple[str, ...] | None]]:
        """Return what finds groups of many texts at once, none over `at_once`.

        It returns for each text what they hold, None where nothing matches; NUL stands
        for a group that is not in the match.

        Args:
            names: The groups, two at least.
        """
        pick = operator.itemgetter(*(self._numbers[name] - 1 for name in names))
        search = self._search.direct

        def find(texts: Iterable[str]) -> list[tuple[str, ...] | None]:
            return [
                None if found is None else pick(found.groups("\0"))
                for found in map(search, texts)
            ]

        return find
