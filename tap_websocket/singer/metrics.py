"""What a run counted, as Singer METRIC lines."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from singer_sdk import metrics

from tap_websocket.counts import Counts

if TYPE_CHECKING:
    import logging

__all__ = ["log_counts"]

# SDK 0.54 asks a metric for its `value`, as its own enum has one. The members are
# those of `Counts`, which mypy cannot know.
_FeedMetric = enum.StrEnum(  # type: ignore[misc]
    "_FeedMetric", {name.upper(): name for name, _ in Counts().metrics()}
)


def log_counts(logger: logging.Logger, stream: str, counts: Counts) -> None:
    """Log the counts of a run, each as a METRIC line.

    Args:
        logger: The SDK's logger of metrics.
        stream: The stream's name.
        counts: What the run counted.
    """
    for name, value in counts.metrics():
        tags = {metrics.Tag.STREAM: stream}
        point = metrics.Point("counter", _FeedMetric(name), value, tags)  # type: ignore[arg-type]
        metrics.log(logger, point)
