"""What a feed's own numbers tell: which of them are missing (docs/continuity.md).

Numbers are watched for each key. Where several connections bring them, they are looked
at together (`scope: feed`), and what one connection skipped counts when no other one
has brought it within `overlap`.
"""

from __future__ import annotations

import bisect
import logging
from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext
from tap_websocket.expressions.path import MISSING
from tap_websocket.logs import LogThrottle
from tap_websocket.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_websocket.feed.inbound import Origin
    from tap_websocket.jsontext import JsonValue
    from tap_websocket.settings import SequenceSettings

__all__ = ["SequenceTracker", "Watched"]

_LOGGER = logging.getLogger("tap-websocket")
_LOG_SECONDS = 10.0
"""Time between two log lines about gaps; those in between are counted."""

_SHOWN_CHARACTERS = 100
"""Of a number, and of what it is counted by, in a log line."""

_MAX_DIGITS = 30
"""Longer texts of digits are identifiers, and no numbers that go up."""


class _Gap:
    """Numbers that were skipped, and may still come.

    Attributes:
        low: The first of them; with `previous`, the number before them.
        high: The last of them.
        until: When they count as missing, by the clock.
        breaks: Whether `on_gap` acts: not where a new connection began behind them.
    """

    __slots__ = ("breaks", "high", "low", "until")

    def __init__(self, low: int, high: int, until: float, *, breaks: bool) -> None:
        self.low = low
        self.high = high
        self.until = until
        self.breaks = breaks


def _high(gap: _Gap) -> int:
    return gap.high


class Watched:
    """The numbers of one key.

    Attributes:
        key: The values of `by`, as a text for logs.
        last: The highest number so far.
        connections: Identities of the open connections that brought one.
        gaps: What was skipped and may still come, in order.
        missing: Numbers that were found missing since the last record.
    """

    __slots__ = ("connections", "gaps", "key", "last", "missing")

    def __init__(self, key: str, last: int) -> None:
        self.key = key
        self.last = last
        self.connections: set[int] = set()
        self.gaps: list[_Gap] = []
        self.missing = 0


class SequenceTracker:
    """Watches the numbers of a run. For the loop's thread alone.

    Args:
        settings: Where the numbers are, and how they go on.
        overlap: Seconds that another connection has to bring what one skipped.
        clock: The time in seconds, from any start.

    Attributes:
        missing: Numbers that are missing, over all keys.
        broken: Whether numbers were found missing, on a connection that had brought
            earlier ones, since this was last set to False.
    """

    def __init__(
        self,
        settings: SequenceSettings,
        *,
        overlap: float,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._overlap = overlap
        self._clock = clock
        self._is_shared = settings.scope == "feed"
        # By group (or, with `scope: connection`, identity of the connection) and key.
        self._watched: dict[int, dict[str, Watched]] = {}
        # Identities of the open connections of each group. Their origins are kept, so
        # that no identity is used twice.
        self._open: dict[int, dict[int, Origin]] = {}
        # The same by the values of the key, for keys of texts that were looked at.
        self._by_texts: dict[int, dict[Any, Watched]] = {}
        self.missing = 0
        self.broken = False
        self._log = LogThrottle(_LOG_SECONDS, clock=clock)

    def dialing(self, origin: Origin) -> None:
        """Add a connection."""
        self._open.setdefault(origin.group, {})[id(origin)] = origin

    def dropped(self, origin: Origin) -> None:
        """Remove a connection; one that was not added is ignored."""
        group = self._open.get(origin.group, {})
        if group.pop(id(origin), None) is None:
            return
        # The identity of this connection may be another's soon.
        self._by_texts.clear()
        if not self._is_shared:
            self._watched.pop(id(origin), None)
            return
        for watched in self._watched.get(origin.group, {}).values():
            watched.connections.discard(id(origin))

    def takes(
        self, origin: Origin, found: Sequence[tuple[Any, Any]], start: int = 0
    ) -> int:
        """Take numbers as long as each is the next one, with nothing else to do.

        Args:
            origin: The connection that brought them.
            found: What stands at `path`, and at those of `by`: one value, or a tuple of
                another number of them. There is no `first` and no `previous`.
            start: Those before it are left out.

        Returns:
            Where it stopped: that document has to be observed.
        """
        identity, step = id(origin), self._settings.step
        by_texts = self._by_texts.get(self._owner(origin), {})
        for at in range(start, len(found)):
            number, key = found[at]
            try:
                watched = by_texts.get(key)
            except TypeError:
                # An array or an object is no key.
                return at
            if (
                watched is None
                or type(number) is not int
                or number != watched.last + step
                or watched.gaps
                or watched.missing
                or identity not in watched.connections
            ):
                return at
            watched.last = number
        return len(found)

    def _owner(self, origin: Origin) -> int:
        """Return by whom a connection's numbers are counted."""
        return origin.group if self._is_shared else id(origin)

    def observe(self, origin: Origin, value: JsonValue) -> Watched | None:
        """Take a document, or a record, which may have a number.

        Args:
            origin: The connection that brought it.
            value: Its JSON value.

        Returns:
            The numbers of its key; None where it has no number.
        """
        settings = self._settings
        number = _whole(settings.path.first(value))
        if number is None:
            return None
        first = number
        if settings.first is not None:
            given = _whole(settings.first.first(value))
            first = number if given is None else min(given, number)
        parts = [path.first(value) for path in settings.by]
        key = _key(parts)
        owner = self._owner(origin)
        watched_keys = self._watched.setdefault(owner, {})
        watched = watched_keys.get(key)
        if watched is None:
            watched = watched_keys[key] = Watched(key, number)
            watched.connections.add(id(origin))
            return watched
        if all(isinstance(part, str) for part in parts):
            # Of other values some are equal that are not the same, such as 1 and true.
            texts = parts[0] if len(parts) == 1 else tuple(parts)
            self._by_texts.setdefault(owner, {})[texts] = watched
        self._lapse(watched)
        is_new = id(origin) not in watched.connections
        if is_new and number < watched.last and not watched.connections:
            # The feed has begun to count anew.
            self._count(watched, watched.gaps)
            watched.gaps = []
            watched.last = number
        elif settings.previous is not None:
            before = _whole(settings.previous.first(value))
            self._chain(watched, before, number, origin, is_new=is_new)
        else:
            self._step(watched, first, number, origin, is_new=is_new)
        watched.connections.add(id(origin))
        return watched

    def _step(
        self, watched: Watched, first: int, number: int, origin: Origin, *, is_new: bool
    ) -> None:
        """Take a number, or a range, of numbers that go up by `step`."""
        step = self._settings.step
        due = watched.last + step
        # All gaps are below the last number: what is above it fills none.
        if watched.gaps and first <= watched.last:
            self._fill(watched, first, number)
        if first > due:
            self._skip(watched, due, first - step, origin, is_new=is_new)
        watched.last = max(watched.last, number)

    def _chain(
        self,
        watched: Watched,
        before: int | None,
        number: int,
        origin: Origin,
        *,
        is_new: bool,
    ) -> None:
        """Take a number that names the one before it."""
        if before is None or before < 0:
            # The first one of a snapshot, which follows on nothing.
            watched.last = number
        elif before == watched.last:
            watched.last = number
        elif before > watched.last:
            self._skip(watched, watched.last, before, origin, is_new=is_new)
            watched.last = number
        else:
            for gap in watched.gaps:
                if gap.low == before:
                    gap.low = number
            watched.gaps = [gap for gap in watched.gaps if gap.low < gap.high]
            watched.last = max(watched.last, number)

    def _fill(self, watched: Watched, first: int, number: int) -> None:
        """Take numbers that another connection skipped out of the gaps."""
        step, gaps = self._settings.step, watched.gaps
        # There may be thousands, where a line that lost nothing is behind one that did.
        begin = end = bisect.bisect_left(gaps, first, key=_high)
        left: list[_Gap] = []
        while end < len(gaps) and gaps[end].low <= number:
            gap = gaps[end]
            end += 1
            if gap.low < first:
                left.append(_Gap(gap.low, first - step, gap.until, breaks=gap.breaks))
            if number < gap.high:
                left.append(_Gap(number + step, gap.high, gap.until, breaks=gap.breaks))
        gaps[begin:end] = left

    def _skip(
        self, watched: Watched, low: int, high: int, origin: Origin, *, is_new: bool
    ) -> None:
        """Take numbers that did not come: they count now, or after `overlap`."""
        gap = _Gap(low, high, self._clock() + self._overlap, breaks=not is_new)
        others = self._open.get(origin.group, {}).keys() - {id(origin)}
        if self._is_shared and others:
            watched.gaps.append(gap)
            return
        self._count(watched, [gap])

    def _lapse(self, watched: Watched) -> None:
        """Count what no connection has brought in time."""
        gaps = watched.gaps
        if not gaps:
            return
        now, lapsed = self._clock(), 0
        while lapsed < len(gaps) and gaps[lapsed].until < now:
            lapsed += 1
        self._count(watched, gaps[:lapsed])
        del gaps[:lapsed]

    def settle(self) -> None:
        """Count what is still missing, at the end of a run."""
        for keys in self._watched.values():
            for watched in keys.values():
                self._count(watched, watched.gaps)
                watched.gaps = []

    def _count(self, watched: Watched, gaps: list[_Gap]) -> None:
        for gap in gaps:
            count = self._size(gap)
            watched.missing += count
            self.missing += count
            self.broken = self.broken or gap.breaks
            of = f" of {watched.key[:_SHOWN_CHARACTERS]}" if watched.key else ""
            self._log(
                _LOGGER,
                "sequence: %s%s missing, %s",
                "at least " if self._settings.previous is not None else "",
                counted(count, f"number{of} is", f"numbers{of} are"),
                self._where(gap),
            )

    def _where(self, gap: _Gap) -> str:
        """Return which numbers are missing, in words."""
        if self._settings.previous is not None:
            return f"after {gap.low}, up to {gap.high}"
        if gap.low == gap.high:
            return str(gap.low)
        return f"from {gap.low} to {gap.high}"

    def _size(self, gap: _Gap) -> int:
        if self._settings.previous is not None:
            # What lies between two numbers that are not neighbours is not known.
            return 1
        return (gap.high - gap.low) // self._settings.step + 1


def _key(parts: Sequence[Any]) -> str:
    """Return the values of a key as a text."""
    if not parts:
        return ""
    return jsontext.dumps(
        [None if part is MISSING else part for part in parts]
    ).decode()


def _whole(value: JsonValue) -> int | None:
    """Return a whole number, which some feeds send as a text, or None."""
    if isinstance(value, str):
        text = value.removeprefix("-")
        if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
            return None
        return int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number else None
