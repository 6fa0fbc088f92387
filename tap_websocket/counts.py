"""What a run counts: each count once, with its names in the log and in METRIC lines."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Counts"]


def _count(default: float, log: str, metric: str | None) -> Any:  # noqa: ANN401 - as `dataclasses.field`
    """Declare a count.

    Args:
        default: Where it begins.
        log: Its name in the line that ends a run.
        metric: Its name in a METRIC line; None where the SDK writes one.
    """
    return dataclasses.field(default=default, metadata={"log": log, "metric": metric})


@dataclasses.dataclass
class Counts:
    """The counts of a run, so far.

    Attributes:
        messages: Messages that yielded at least one record.
        records: Records.
        received_bytes: Bytes of the payloads of all messages.
        ignored: Messages and documents that are no data.
        skipped: Documents that `on_parse_error: skip` dropped.
        rescued: Records with a value in `_rescued_data`.
        deduplicated: Records that were dropped since another message had brought them.
        missing: Numbers of the feed that did not come (`sequence`).
        reconnects: Connections that were opened after a failure, or in place of
            another one.
        outages: Times that a context, or a chunk of topics, had no connection, a start
            whose first attempt failed included.
        disconnected_seconds: How long these were, together.
    """

    messages: int = _count(0, "messages", "message_count")
    records: int = _count(0, "records", None)
    received_bytes: int = _count(0, "bytes", "byte_count")
    ignored: int = _count(0, "ignored", "ignored_count")
    skipped: int = _count(0, "skipped", "skipped_count")
    rescued: int = _count(0, "rescued", "rescued_count")
    deduplicated: int = _count(0, "deduplicated", "deduplicated_count")
    missing: int = _count(0, "missing", "missing_count")
    reconnects: int = _count(0, "reconnects", "reconnect_count")
    outages: int = _count(0, "outages", "outage_count")
    disconnected_seconds: float = _count(
        0.0, "disconnected_seconds", "disconnected_seconds"
    )

    def summary(self) -> str:
        """Return the counts in one line."""
        return " ".join(
            f"{field.metadata['log']}={_text(value)}" for field, value in self._items()
        )

    def metrics(self) -> Iterator[tuple[str, float]]:
        """Yield the name and value of each METRIC line."""
        for field, value in self._items():
            if field.metadata["metric"] is not None:
                yield field.metadata["metric"], round(value, 3)

    def _items(self) -> Iterator[tuple[dataclasses.Field[Any], float]]:
        for field in dataclasses.fields(self):
            yield field, getattr(self, field.name)


def _text(value: float) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
