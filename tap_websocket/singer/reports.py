"""What a run says of itself while it goes on: a live line, and METRIC lines."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tap_websocket.singer.metrics import CountsLog
from tap_websocket.singer.progress import Progress

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

    from tap_websocket.counts import Counts

__all__ = ["RunReports"]


class RunReports:
    """Shows and logs the counts of a run.

    Args:
        counts: What the run counts.
        metrics_logger: The SDK's logger of metrics.
        stream: The stream's name.
        idle_seconds: Returns the seconds since the idle clock was last reset.
    """

    def __init__(
        self,
        counts: Counts,
        metrics_logger: logging.Logger,
        stream: str,
        *,
        idle_seconds: Callable[[], float],
    ) -> None:
        self._progress = Progress(counts, idle_seconds=idle_seconds)
        self._counts_log = CountsLog(metrics_logger, stream, counts)

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show the live line within the context, from the first update on."""
        with self._progress:
            yield

    def update(self, records: int = 0) -> None:
        """Show the counts as they are now; log them where a minute has passed.

        Args:
            records: Records that were handed on since the last time.
        """
        self._progress.update(records)
        self._counts_log.update()

    def write_counts(self) -> None:
        """Log the counts, at the end of the run."""
        self._counts_log.write()
