"""What a run counted, as Singer METRIC lines."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from singer_sdk import metrics

if TYPE_CHECKING:
    import logging

    from tap_websocket.counts import Counts

__all__ = ["FeedMetric", "log_counts"]


class FeedMetric(enum.StrEnum):
    """The metrics of a feed, beside the SDK's own."""

    MESSAGES = "message_count"
    BYTES = "byte_count"
    IGNORED = "ignored_count"
    SKIPPED = "skipped_count"
    RESCUED = "rescued_count"
    RECONNECTS = "reconnect_count"
    DISCONNECTED = "disconnected_seconds"


def log_counts(logger: logging.Logger, stream: str, counts: Counts) -> None:
    """Log the counts of a run, each as a METRIC line.

    Args:
        logger: The SDK's logger of metrics.
        stream: The stream's name.
        counts: What the run counted.
    """
    values: dict[FeedMetric, float] = {
        FeedMetric.MESSAGES: counts.messages,
        FeedMetric.BYTES: counts.received_bytes,
        FeedMetric.IGNORED: counts.ignored,
        FeedMetric.SKIPPED: counts.skipped,
        FeedMetric.RESCUED: counts.rescued,
        FeedMetric.RECONNECTS: counts.reconnects,
        FeedMetric.DISCONNECTED: round(counts.disconnected_seconds, 3),
    }
    for metric, value in values.items():
        tags = {metrics.Tag.STREAM: stream}
        metrics.log(logger, metrics.Point("counter", metric, value, tags))  # type: ignore[arg-type]
