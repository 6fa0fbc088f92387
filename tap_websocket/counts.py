"""What a run counts, and how it says so."""

from __future__ import annotations

import msgspec

__all__ = ["Counts"]


class Counts(msgspec.Struct):
    """The counts of a run, so far.

    Attributes:
        messages: Messages that yielded at least one record.
        records: Records.
        received_bytes: Bytes of the payloads of all messages.
        ignored: Messages and documents that are no data.
        skipped: Documents that `on_parse_error: skip` dropped.
        rescued: Records with a value in `_rescued_data`.
        reconnects: Handshakes that succeeded after an outage.
        disconnected_seconds: Time without a connection, over all connections.
        last_inbound: When the idle clock was last reset, in seconds of the event
            loop's clock (`time.monotonic`).
    """

    messages: int = 0
    records: int = 0
    received_bytes: int = 0
    ignored: int = 0
    skipped: int = 0
    rescued: int = 0
    reconnects: int = 0
    disconnected_seconds: float = 0.0
    last_inbound: float = 0.0

    def summary(self) -> str:
        """Return the counts in one line."""
        return (
            f"messages={self.messages} records={self.records} "
            f"bytes={self.received_bytes} ignored={self.ignored} "
            f"skipped={self.skipped} rescued={self.rescued} "
            f"reconnects={self.reconnects} "
            f"disconnected_seconds={self.disconnected_seconds:.1f}"
        )
