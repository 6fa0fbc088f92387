"""The values that the tap adds to a record: where it came from, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_websocket import jsontext
from tap_websocket.columns.names import (
    CONNECTION,
    ENVELOPE_RECEIVED_AT,
    ENVELOPE_URL,
    MISSING_NUMBERS,
    OUTAGE_SECONDS,
    RECEIVED_AT,
    SEQUENCE,
)
from tap_websocket.records.plan import added_columns

if TYPE_CHECKING:
    from collections.abc import Collection

    from tap_websocket.jsontext import Record
    from tap_websocket.records.batch import Arrival
    from tap_websocket.settings import Settings

__all__ = ["AddedValues", "head_of"]

_NONE: Record = {}
"""Nothing is added; one object for all records, which nobody changes."""


class AddedValues:
    """Makes the values of the columns that the tap adds (`added_columns`).

    Args:
        settings: All settings.
        deselected: Properties that stay out.

    Attributes:
        missing: Numbers that were found missing before the next record.
        outage: How long no line was there before the next record, in seconds.
    """

    def __init__(self, settings: Settings, *, deselected: Collection[str]) -> None:
        self._decoding = settings.decoding
        self._watches = settings.continuity.sequence is not None
        self._deselected = frozenset(deselected)
        self._adds = bool(added_columns(settings))
        self.missing = 0
        self.outage: float | None = None

    @property
    def notes(self) -> bool:
        """Whether the next record says what was missing before it."""
        return self.missing > 0 or self.outage is not None

    def note_nothing(self) -> None:
        """Take that a record has said what was missing before it."""
        self.missing = 0
        self.outage = None

    def of(self, arrival: Arrival) -> Record:
        """Return the values of the next record; not to be changed where it is empty."""
        if not self._adds:
            return _NONE
        origin = arrival.origin
        added: Record = {}
        if self._decoding.envelope:
            added[ENVELOPE_RECEIVED_AT] = arrival.stamp
            added[ENVELOPE_URL] = origin.url
        if self._decoding.record_metadata:
            added[RECEIVED_AT] = arrival.stamp
            added[CONNECTION] = origin.number
            added[SEQUENCE] = origin.sequence
            added[MISSING_NUMBERS] = self.missing if self._watches else None
            added[OUTAGE_SECONDS] = self.outage and round(self.outage, 3)
        added.update(origin.context)
        for name in self._deselected & added.keys():
            del added[name]
        return added


def head_of(added: Record) -> bytes:
    """Return the added columns as the beginning of a line, with a comma behind them."""
    return jsontext.dumps(added)[1:-1] + b"," if added else b""
