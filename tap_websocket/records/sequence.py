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
from tap_websocket.records.watched_keys import LIMIT, Gap, WatchedKeys
from tap_websocket.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_websocket.expressions.path import Path
    from tap_websocket.feed.inbound import Origin
    from tap_websocket.jsontext import JsonValue
    from tap_websocket.records.watched_keys import Watched
    from tap_websocket.settings import SequenceSettings

__all__ = ["SequenceTracker"]

_LOGGER = logging.getLogger("tap-websocket")
_LOG_SECONDS = 10.0
"""Time between two log lines about gaps; those in between are counted."""

_SHOWN_CHARACTERS = 100
"""Of a number, and of what it is counted by, in a log line."""

_MAX_DIGITS = 30
"""More are an identifier, and no number that goes up."""

_MAX_MISSING = 2**63 - 1
"""More has no place in a column of a target."""


def _high(gap: Gap) -> int:
    return gap.high


class SequenceTracker:
    """Watches the numbers of a run. For the loop's thread alone.

    Args:
        settings: Where the numbers are, and how they go on.
        overlap: Seconds that another connection has to bring what one skipped.
        clock: The time in seconds, from any start.
        limit: Keys that are watched.

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
        limit: int = LIMIT,
    ) -> None:
        self._settings = settings
        self._overlap = overlap
        self._clock = clock
        self._is_shared = settings.scope == "feed"
        # Of a group, or with `scope: connection` of the identity of the connection.
        self._watched = WatchedKeys(self._count_gaps, limit=limit)
        # Identities of the open connections of each group. Their origins are kept, so
        # that no identity is used twice.
        self._open: dict[int, dict[int, Origin]] = {}
        self.missing = 0
        self.broken = False
        self._log = LogThrottle(_LOG_SECONDS, clock=clock)
        # The other paths that have matched beside no number of the run yet.
        self._unmatched = dict(_other_paths(settings))
        self._has_numbers = False

    def dialing(self, origin: Origin) -> None:
        """Add a connection."""
        self._open.setdefault(origin.group, {})[id(origin)] = origin

    def dropped(self, origin: Origin) -> None:
        """Remove a connection; one that was not added is ignored."""
        group = self._open.get(origin.group, {})
        if group.pop(id(origin), None) is None:
            return
        # The identity of this connection may be another's soon.
        self._watched.forget_texts()
        if not self._is_shared:
            self._watched.drop(id(origin))
            return
        for watched in self._watched.of(origin.group):
            watched.lost(id(origin))

    @property
    def unmatched(self) -> Sequence[str]:
        """The keys of `sequence` whose paths found nothing so far."""
        return tuple(self._unmatched) if self._has_numbers else ("path",)

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
        by_texts = self._watched.by_texts(self._owner(origin))
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
        self._has_numbers = True
        if self._unmatched:
            self._unmatched = {
                key: path
                for key, path in self._unmatched.items()
                if path.first(value) is MISSING
            }
        first = number
        if settings.first is not None:
            given = _whole(settings.first.first(value))
            first = number if given is None else min(given, number)
        parts = [path.first(value) for path in settings.by]
        key = _key(parts)
        owner = self._owner(origin)
        watched = self._watched.find(owner, key)
        if watched is None:
            watched = self._watched.add(owner, key, number)
            watched.brought_by(id(origin))
            return watched
        if all(isinstance(part, str) for part in parts):
            # Of other values some are equal that are not the same, such as 1 and true.
            texts = parts[0] if len(parts) == 1 else tuple(parts)
            self._watched.know_texts(owner, texts, watched)
        self._lapse(watched)
        is_new = id(origin) not in watched.connections
        if is_new and number < watched.last and not watched.connections:
            # The feed has begun to count anew.
            self._count_gaps(watched)
            watched.last = number
        elif settings.previous is not None:
            before = _whole(settings.previous.first(value))
            self._chain(watched, before, number, origin, is_new=is_new)
        else:
            self._step(watched, first, number, origin, is_new=is_new)
        watched.brought_by(id(origin))
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
        left: list[Gap] = []
        while end < len(gaps) and gaps[end].low <= number:
            gap = gaps[end]
            end += 1
            if gap.low < first:
                left.append(Gap(gap.low, first - step, gap.until, breaks=gap.breaks))
            if number < gap.high:
                left.append(Gap(number + step, gap.high, gap.until, breaks=gap.breaks))
        gaps[begin:end] = left

    def _skip(
        self, watched: Watched, low: int, high: int, origin: Origin, *, is_new: bool
    ) -> None:
        """Take numbers that did not come: they count now, or after `overlap`."""
        gap = Gap(low, high, self._clock() + self._overlap, breaks=not is_new)
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
        for watched in self._watched:
            self._count_gaps(watched)

    def _count_gaps(self, watched: Watched) -> None:
        """Count all that a key skipped."""
        self._count(watched, watched.gaps)
        watched.gaps = []

    def _count(self, watched: Watched, gaps: list[Gap]) -> None:
        for gap in gaps:
            count = self._size(gap)
            watched.missing = min(watched.missing + count, _MAX_MISSING)
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

    def _where(self, gap: Gap) -> str:
        """Return which numbers are missing, in words."""
        if self._settings.previous is not None:
            return f"after {gap.low}, up to {gap.high}"
        if gap.low == gap.high:
            return str(gap.low)
        return f"from {gap.low} to {gap.high}"

    def _size(self, gap: Gap) -> int:
        if self._settings.previous is not None:
            # What lies between two numbers that are not neighbours is not known.
            return 1
        return (gap.high - gap.low) // self._settings.step + 1


def _other_paths(settings: SequenceSettings) -> Iterator[tuple[str, Path]]:
    """Yield what else is looked up where a number is, by its key in the setting."""
    if settings.first is not None:
        yield "first", settings.first
    if settings.previous is not None:
        yield "previous", settings.previous
    for index, path in enumerate(settings.by):
        yield f"by[{index}]", path


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
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if abs(value) < 10**_MAX_DIGITS else None
