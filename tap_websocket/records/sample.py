"""The first records, which the columns are inferred from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_websocket.jsontext import Record
    from tap_websocket.records.extractor import Extracted
    from tap_websocket.settings import Settings

__all__ = ["Sample"]

_DECODED_SIZE = 16
"""Memory that decoded JSON takes, in multiples of its bytes, at worst."""

_RECORD_SIZE = 320
"""Memory of a record without fields, which takes three bytes of a message."""


class Sample:
    """The records that the columns will be inferred from.

    Args:
        settings: `infer_messages` and `buffer_bytes`, within which it stays.

    Attributes:
        records: The records, each with the values that the tap adds to it.
    """

    def __init__(self, settings: Settings) -> None:
        self.records: list[tuple[Extracted, Record]] = []
        # Records that were counted.
        self._count = 0
        self._messages = settings.stream.infer_messages
        self._bytes = settings.delivery.buffer_bytes // _DECODED_SIZE

    def end(self) -> None:
        """Let the next message that has a record complete the sample."""
        self._messages = 0

    def took(self, size: int) -> bool:
        """Count a message of this many bytes; return whether the sample is complete."""
        added = len(self.records) - self._count
        self._count += added
        self._messages -= 1
        self._bytes -= max(size, added * _RECORD_SIZE // _DECODED_SIZE)
        return self._messages <= 0 or self._bytes <= 0
