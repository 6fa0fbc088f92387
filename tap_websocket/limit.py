"""A limit for log lines whose pace the server sets."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RateLimit"]


class RateLimit:
    """Lets one line through in each interval, and says how many it held back."""

    def __init__(
        self,
        interval: float,
        *,
        level: int = logging.WARNING,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a limit.

        Args:
            interval: Seconds between two lines.
            level: The level of the lines.
            clock: Seconds, from any start.
        """
        self._interval = interval
        self._level = level
        self._clock = clock
        self._next = float("-inf")
        self._held = 0

    def __call__(self, logger: logging.Logger, message: str, *args: object) -> None:
        """Log the line, unless one was logged within the interval."""
        now = self._clock()
        if now < self._next:
            self._held += 1
            return
        more = f" ({self._held} more such lines were held back)" if self._held else ""
        self._held = 0
        self._next = now + self._interval
        logger.log(self._level, "%s%s", message % args, more)
