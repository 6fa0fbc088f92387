"""Connections that are subscribed alike, and have no record in common."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.feed.inbound import BatchResult, Origin

__all__ = ["CommonRecordsCheck"]

_LOGGER = logging.getLogger("tap-websocket")

_RECORDS = 100
_SECONDS = 10.0
"""New records of each connection, and seconds after these, without one that came twice:
what one of them is sent, or has read, ahead of the other is less than that."""


class CommonRecordsCheck:
    """Warns once where connections of a group are open at once, and share no record.

    Then each record may be in the table once for each line: `deduplicate` compares
    what differs from connection to connection (docs/continuity.md, "The same record").

    Args:
        clock: The time in seconds, from any start; it stands still in pauses.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # The records of each open connection since all of its group are there, by the
        # number of the group and the identity of the origin; the origin is kept, so
        # that its identity is not used again.
        self._groups: dict[int, dict[int, tuple[Origin, int]]] = {}
        # When two connections of a group had brought enough, by its number.
        self._since: dict[int, float] = {}
        # Whether a record came twice, or that none did was said.
        self._is_over = False

    def dialing(self, origin: Origin) -> None:
        """Add a connection; what others of its group brought is forgotten."""
        group = self._groups.setdefault(origin.group, {})
        group[id(origin)] = (origin, 0)
        for key, (other, _) in group.items():
            group[key] = (other, 0)
        self._since.pop(origin.group, None)

    def dropped(self, origin: Origin) -> None:
        """Remove a connection; one that was not added is ignored."""
        if self._groups.get(origin.group, {}).pop(id(origin), None) is not None:
            self._since.pop(origin.group, None)

    def took(self, origin: Origin, result: BatchResult) -> None:
        """Count what became of a batch of messages of a connection."""
        if self._is_over:
            return
        self._is_over = result.deduplicated > 0
        group = self._groups.get(origin.group, {})
        if self._is_over or id(origin) not in group:
            return
        group[id(origin)] = (origin, group[id(origin)][1] + result.records)
        if sum(count >= _RECORDS for _, count in group.values()) > 1:
            now = self._clock()
            if now - self._since.setdefault(origin.group, now) >= _SECONDS:
                self._warn()

    def _warn(self) -> None:
        self._is_over = True
        _LOGGER.warning(
            "Two connections brought %d records and more each, and none in common, so "
            "that each row may be there twice: let deduplicate.by name fields that are "
            "the same on both, or set redundancy: 1; see %s",
            _RECORDS,
            "https://github.com/tap-websocket/tap-websocket/blob/main/docs/"
            "continuity.md#the-same-record",
        )
