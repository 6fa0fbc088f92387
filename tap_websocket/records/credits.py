"""Credits: what a connection may bring that another one has brought before it.

Each emitted record gives the other connections of its group a credit for the same
record, by its hash. A connection that brings the record spends the credit.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.feed.inbound import Origin

__all__ = ["CreditHolder", "Credits"]

_LAPSE_SECONDS = 1.0
"""Time between two looks for credits that have lapsed: such a look finds the first key
of a dict behind the room of all that were deleted."""

_STAMP_SECONDS = 1.0
"""Credits that one connection gives within this time share a stamp, to save memory."""


class _Stamp:
    """When credits were given, and by whom.

    Attributes:
        until: When they lapse at the latest, by the clock.
        giver: The connection whose record they were given for.
    """

    __slots__ = ("giver", "until")

    def __init__(self, until: float, giver: CreditHolder) -> None:
        self.until = until
        self.giver = giver


class CreditHolder:
    """A connection that may bring records.

    Attributes:
        credits: What it may bring that was emitted already, the oldest first: hash to
            the stamp of the credit, or to those of several.
        ended_at: When it ended, by the clock; None while it is open.
        stamp: The latest of those that it gives.
        lapsed_at: When it was last looked for credits that have lapsed.
    """

    __slots__ = ("credits", "ended_at", "lapsed_at", "stamp")

    def __init__(self) -> None:
        self.credits: dict[bytes, _Stamp | list[_Stamp]] = {}
        self.lapsed_at = 0.0
        self.ended_at: float | None = None
        self.stamp: _Stamp | None = None


class Credits:
    """The credits of all connections of a run.

    Args:
        seconds: How long one is valid.
        overlap: Seconds after which those of a connection that ended lapse.
        clock: The time in seconds, from any start.

    Attributes:
        count: Credits that are not spent.
    """

    def __init__(
        self, *, seconds: float, overlap: float, clock: Callable[[], float]
    ) -> None:
        self._seconds = seconds
        self._overlap = overlap
        self._clock = clock
        # The open connections of each group, by the identity of their origin.
        self._groups: dict[int, dict[int, CreditHolder]] = {}
        # Origins of the open connections: their identities are not used again.
        self._origins: dict[int, Origin] = {}
        self.count = 0

    def holder(self, origin: Origin) -> CreditHolder:
        """Return a connection; it is added the first time."""
        identity = id(origin)
        group = self._groups.setdefault(origin.group, {})
        connection = group.get(identity)
        if connection is None:
            connection = group[identity] = CreditHolder()
            self._origins[identity] = origin
        return connection

    def drop(self, origin: Origin) -> None:
        """Remove a connection; one that was not added is ignored."""
        if self._origins.pop(id(origin), None) is None:
            return
        group = self._groups[origin.group]
        connection = group.pop(id(origin))
        connection.ended_at = self._clock()
        self.count -= sum(map(_count, connection.credits.values()))
        connection.credits.clear()
        if not group:
            del self._groups[origin.group]

    def is_idle(self, origin: Origin) -> bool:
        """Return whether a connection has no credit, and is alone in its group."""
        connection = self.holder(origin)
        return not connection.credits and len(self._groups[origin.group]) == 1

    def is_new(self, holder: CreditHolder, group: int, key: bytes, now: float) -> bool:
        """Return whether a record is new; if not, the credit for it is spent.

        Args:
            holder: The connection that brought it.
            group: Its group.
            key: The record's hash.
            now: The time, by the clock.
        """
        if self._spends(holder, key, now):
            return False
        self._give(holder, group, key, now)
        return True

    def _spends(self, connection: CreditHolder, key: bytes, now: float) -> bool:
        """Return whether a connection had a credit, which it has no longer."""
        found = connection.credits.pop(key, None)
        if found is None:
            return False
        # The oldest valid one is spent; one feed may bring the same record thousands of
        # times before another line does, so the others are not looked at.
        stamps = found if isinstance(found, list) else [found]
        lapsed = 0
        while lapsed < len(stamps) and not self._is_valid(stamps[lapsed], now):
            lapsed += 1
        is_valid = lapsed < len(stamps)
        del stamps[: lapsed + 1]
        self.count -= lapsed + is_valid
        if stamps:
            connection.credits[key] = stamps
        return is_valid

    def _is_valid(self, stamp: _Stamp, now: float) -> bool:
        ended_at = stamp.giver.ended_at
        return now <= stamp.until and (
            ended_at is None or now <= ended_at + self._overlap
        )

    def _give(self, giver: CreditHolder, group: int, key: bytes, now: float) -> None:
        """Give the other connections of a group a credit for an emitted record."""
        connections = self._groups[group]
        if len(connections) == 1:
            return
        seconds = self._seconds
        stamp = giver.stamp
        if stamp is None or stamp.until < now + seconds:
            stamp = giver.stamp = _Stamp(now + seconds + _STAMP_SECONDS, giver)
        for other in connections.values():
            if other is not giver:
                self._lapse(other, now)
                had = other.credits.get(key)
                if had is None:
                    other.credits[key] = stamp
                else:
                    more = had if isinstance(had, list) else [had]
                    more.append(stamp)
                    other.credits[key] = more
                self.count += 1

    def _lapse(self, connection: CreditHolder, now: float) -> None:
        """Take a connection's oldest credits away that are not valid any more."""
        if now < connection.lapsed_at + _LAPSE_SECONDS:
            return
        connection.lapsed_at = now
        stored = connection.credits
        lapsed = []
        for key, found in stored.items():
            newest = found[-1] if isinstance(found, list) else found
            if self._is_valid(newest, now):
                break
            lapsed.append(key)
        for key in lapsed:
            self.count -= _count(stored.pop(key))

    def forget(self, number: int, now: float) -> float | None:
        """Take the oldest credits away, as there are too many.

        Args:
            number: How many; one connection may have less.
            now: The time, by the clock.

        Returns:
            The least age of those that were taken away; None where there is none.
        """
        oldest = min(
            (
                connection
                for group in self._groups.values()
                for connection in group.values()
                if connection.credits
            ),
            key=lambda connection: _until(next(iter(connection.credits.values()))),
            default=None,
        )
        if oldest is None:
            return None
        latest = 0.0
        for key in list(itertools.islice(oldest.credits, number)):
            found = oldest.credits.pop(key)
            self.count -= _count(found)
            latest = max(latest, _until(found))
        return self._seconds - (latest - now)


def _count(found: _Stamp | list[_Stamp]) -> int:
    return len(found) if isinstance(found, list) else 1


def _until(found: _Stamp | list[_Stamp]) -> float:
    return found[0].until if isinstance(found, list) else found.until
