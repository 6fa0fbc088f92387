"""Messages that came together, and how many of them are tried at once."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, TypeVar

from tap_websocket.feed.inbound import BatchResult, CloseAction

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.feed.inbound import Origin

__all__ = [
    "MAX_BATCH",
    "AdaptiveBatchSize",
    "Arrival",
    "Batch",
    "StoppedError",
    "take_fast",
]

MAX_BATCH = 1024
"""Items that are tried at once: enough that the try itself costs nothing, and few
enough that a pause of the loop's thread is not felt."""

_MAX_STRETCH = 256
"""Items that take the slow path before the fast path is tried again."""

T = TypeVar("T")


class StoppedError(Exception):
    """The run has ended, and so does the work on a large message, where it stands."""


class Arrival:
    """Where records came from, and when.

    Args:
        origin: Their connection.
        at: The time in nanoseconds since the epoch.
    """

    __slots__ = ("_at", "_stamp", "origin")

    def __init__(self, origin: Origin, at: int) -> None:
        self.origin = origin
        self._at = at
        # The text of the time; made when the first record wants it.
        self._stamp = ""

    @property
    def stamp(self) -> str:
        """The time as RFC 3339 in UTC, with microseconds."""
        if not self._stamp:
            seconds, rest = divmod(self._at, 1_000_000_000)
            time = dt.datetime.fromtimestamp(seconds, dt.UTC)
            self._stamp = f"{time:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"
        return self._stamp


class Batch:
    """Messages that were read together from one connection.

    Args:
        origin: Their connection.
        at: When they came, in nanoseconds since the epoch.
        room: Messages that may yield records before the run ends; None: all.
        binary: Whether they came in binary frames.

    Attributes:
        arrival: Where they came from, and when.
        result: What became of them so far.
        acted: Whether a rule acted on the kind of their frames, so that no other is
            asked.
    """

    __slots__ = ("_room", "acted", "arrival", "binary", "result")

    def __init__(
        self,
        origin: Origin,
        at: int,
        room: int | None,
        *,
        binary: bool,
    ) -> None:
        self.arrival = Arrival(origin, at)
        self.result = BatchResult()
        self._room = room
        self.binary = binary
        self.acted = False

    @property
    def left(self) -> int | None:
        """How many more messages the run has room for, or None for any number."""
        return None if self._room is None else self._room - self.result.messages

    @property
    def is_over(self) -> bool:
        """Whether nothing more of it may be taken."""
        return self.left == 0 or self.result.directive is CloseAction.STOP

    def go_on(self) -> None:
        """Go on with the next record of a message.

        Raises:
            StoppedError: When the run has ended.
        """
        if self.result.stopped:
            raise StoppedError


class AdaptiveBatchSize:
    """How many items the fast path tries at once, and how many go past it after a miss.

    The size is halved after a miss, since an item that cannot pass costs a second look
    at those in front of it, and doubled after a full pass. Where not even one passes,
    a growing stretch takes the slow path untried: a try for each costs more than it
    gains.

    Attributes:
        size: Number of items for the next try.
    """

    __slots__ = ("_stretch", "size")

    def __init__(self) -> None:
        self.size = MAX_BATCH
        # Items that went past the fast path at the last miss.
        self._stretch = 1

    def adjust(self, passed: int, tried: int) -> int:
        """Set the size for the next try.

        Returns:
            How many items go past the fast path now; 0 where all passed.
        """
        if passed == tried:
            self.size = min(2 * self.size, MAX_BATCH)
            self._stretch = 1
            return 0
        self._stretch = 1 if passed else min(2 * self._stretch, _MAX_STRETCH)
        self.size = max(self.size // 2, 1)
        return self._stretch


def take_fast(
    items: list[T],
    size: AdaptiveBatchSize,
    fast: Callable[[list[T]], int],
    slow: Callable[[list[T], int], bool],
) -> None:
    """Take items in order: many at once while they pass, one by one where not.

    Args:
        items: What is to be taken.
        size: How many are tried at once.
        fast: Takes items from the first on, and returns how many passed.
        slow: Takes items, given with the index of the first; returns whether to go on.
    """
    start = 0
    while start < len(items):
        part = items[start : start + size.size]
        passed = fast(part)
        start += passed
        past = size.adjust(passed, len(part))
        if past:
            if not slow(items[start : start + past], start):
                return
            start += past
