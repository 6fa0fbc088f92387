"""Columns on their way into the file of `schema_location`, without a wait for it.

The event loop answers pings and must not stand still while a store of objects is slow
or another process holds the lock. So a save runs in a thread of its own, and the loop
waits for it no longer than a moment.
"""

from __future__ import annotations

import concurrent.futures
import logging
from typing import TYPE_CHECKING

from tap_websocket.daemon_threads import call_in_thread
from tap_websocket.errors import LocationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_websocket.columns.stored_columns import Column, StoredColumns

    Save = Callable[[Sequence[Column]], StoredColumns]
    """Saves columns; returns all that are stored then. It raises `LocationError`."""

__all__ = ["ColumnSaver"]

_LOGGER = logging.getLogger("tap-websocket")

_PATIENCE_SECONDS = 1.0
"""Longest standstill of the loop; servers wait for a Pong some twenty seconds."""

_RETRY_SECONDS = 10.0
"""Time between two tries where columns cannot be saved: meanwhile they are rescued."""

_MAX_NAMES = 5
"""Names in one warning."""


class ColumnSaver:
    """Saves columns one after another, and keeps at it where that fails.

    Args:
        save: Saves columns.
        clock: Seconds, from any start.
        patience: Seconds that a call waits for its save.
        retry: Seconds from a failure to the next try.
    """

    def __init__(
        self,
        save: Save,
        *,
        clock: Callable[[], float],
        patience: float = _PATIENCE_SECONDS,
        retry: float = _RETRY_SECONDS,
    ) -> None:
        self._save = save
        self._clock = clock
        self._patience = patience
        self._retry = retry
        # The save that is under way, and the columns that it is of.
        self._pending: concurrent.futures.Future[StoredColumns] | None = None
        self._wanted: Sequence[Column] = ()
        # Before this time nothing is tried, after a failure.
        self._next_try = float("-inf")

    def offer(self, wanted: Sequence[Column]) -> StoredColumns | None:
        """Save columns, where no save is under way and none has just failed.

        Returns:
            All columns that are stored, once they are; None while these columns are not
            saved. They may be offered again at any time.
        """
        if self._pending is not None or self._clock() < self._next_try:
            return self.finished()
        self._wanted = tuple(wanted)
        # The end of the process need not wait for it: the file is replaced in one step.
        self._pending = call_in_thread(
            lambda: self._save(self._wanted), name="schema_location"
        )
        # The exception is looked at by `finished`.
        concurrent.futures.wait([self._pending], self._patience)
        stored = self.finished()
        if self._pending is not None:
            self._warn("are still being saved")
        return stored

    def finished(self) -> StoredColumns | None:
        """Return all stored columns, where a save has ended since the last call."""
        pending = self._pending
        if pending is None or not pending.done():
            return None
        self._pending = None
        try:
            return pending.result()
        except LocationError as error:
            self._next_try = self._clock() + self._retry
            self._warn(f"could not be saved and are tried again: {error}")
            return None

    def _warn(self, what: str) -> None:
        names = ", ".join(ascii(column.sent_as) for column in self._wanted[:_MAX_NAMES])
        more = len(self._wanted) - _MAX_NAMES
        _LOGGER.warning(
            "The new columns %s%s %s; until then their values go to _rescued_data",
            names,
            f" and {more} more" if more > 0 else "",
            what,
        )
