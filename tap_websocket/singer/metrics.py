"""What a run counts, as Singer METRIC lines."""

from __future__ import annotations

import enum
import time
from typing import TYPE_CHECKING

from singer_sdk import metrics

from tap_websocket.counts import Counts

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

__all__ = ["CountsLog"]

# SDK 0.54 asks a metric for its `value`, as its own enum has one. The members are
# those of `Counts`, which mypy cannot know.
_FeedMetric = enum.StrEnum(  # type: ignore[misc]
    "_FeedMetric", {name.upper(): name for name, _ in Counts().metrics()}
)

_INTERVAL_SECONDS = 60.0
"""As the SDK's own counters are logged."""


class CountsLog:
    """Logs the counts of a run every minute and at its end.

    A line has what was counted since the one before, as the SDK's own counters have.

    Args:
        logger: The SDK's logger of metrics.
        stream: The stream's name.
        counts: What the run counts.
        clock: Seconds, from any start.
    """

    def __init__(
        self,
        logger: logging.Logger,
        stream: str,
        counts: Counts,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._tags = {metrics.Tag.STREAM: stream}
        self._counts = counts
        self._clock = clock
        # What was logged so far, by the name of the metric.
        self._logged: dict[str, float] = {}
        self._next = clock() + _INTERVAL_SECONDS

    def update(self) -> None:
        """Log the counts, where a minute has passed."""
        if self._clock() >= self._next:
            self._next = self._clock() + _INTERVAL_SECONDS
            self.write()

    def write(self) -> None:
        """Log the counts, each as a METRIC line."""
        for name, value in self._counts.metrics():
            added = round(value - self._logged.get(name, 0), 3)
            self._logged[name] = value
            point = metrics.Point("counter", _FeedMetric(name), added, self._tags)  # type: ignore[arg-type]
            metrics.log(self._logger, point)
