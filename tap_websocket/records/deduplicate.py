"""A record that several connections bring is emitted once.

Records are compared in two ways. Without `deduplicate.by` each emitted record gives the
other connections of its group a *credit* for the same record; a connection that brings
it spends the credit, and the record is dropped. So two equal records on one connection
are two, and what one connection alone brings is kept. With `by` a record is dropped
whose values at these paths were seen before, on whatever connection.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext
from tap_websocket.expressions.path import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_websocket.expressions.path import Path
    from tap_websocket.feed.inbound import Origin
    from tap_websocket.settings import Deduplicate

__all__ = ["LIMIT", "Deduplicator"]

_LOGGER = logging.getLogger("tap-websocket")

LIMIT = 250_000
"""Records that are remembered for all groups together, in 70 MiB at most."""

_FORGOTTEN_AT_ONCE = 1000
"""A plain dict takes half the memory of an `OrderedDict`, but its first key is found
behind the room of all that were deleted: so that is done for many at once."""

_TICK_SECONDS = 0.05
"""Records that come within this time share one number, their time, in memory."""

_LAPSE_SECONDS = 1.0
"""Time between two looks for credits that have lapsed, for the same reason."""

_STAMP_SECONDS = 1.0
"""Credits that one connection gives within this time share a stamp, to save memory."""

_HASH_BYTES = 16

"""128 bits: no two records of a run have the same hash."""

_SHORT = 32
"""Bytes of a name that is remembered as it is: it takes hardly more memory than its
hash, which takes longer than all the rest."""

_LONGEST_TEXT, _MOST_TEXTS = 1024, 10_000
"""Bytes of a text that is known again as it stands, and how many: 10 MiB at most."""


class _Stamp:
    """When credits were given, and by whom.

    Attributes:
        until: When they lapse at the latest, by the clock.
        giver: The connection whose record they were given for.
    """

    __slots__ = ("giver", "until")

    def __init__(self, until: float, giver: _Connection) -> None:
        self.until = until
        self.giver = giver


class _Connection:
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


class Deduplicator:
    """Decides which records were emitted before. For the loop's thread alone.

    Args:
        settings: What makes two records the same.
        overlap: Seconds after which the credits of a connection that ended lapse.
        clock: The time in seconds, from any start.
        limit: Records that are remembered.
    """

    def __init__(
        self,
        settings: Deduplicate,
        *,
        overlap: float,
        clock: Callable[[], float],
        limit: int = LIMIT,
    ) -> None:
        self._by: tuple[Path, ...] = settings.by
        self._seconds = settings.seconds
        self._overlap = overlap
        self._clock = clock
        # The time of the last tick.
        self._now = float("-inf")
        self._limit = limit
        # Keyed, so that no feed can choose what collides.
        self._secret = os.urandom(_HASH_BYTES)
        # The open connections of each group, by the identity of their origin.
        self._groups: dict[int, dict[int, _Connection]] = {}
        # Origins of the open connections: their identities are not used again.
        self._origins: dict[int, Origin] = {}
        # With `by`: hash to when it was last seen, the oldest first.
        self._seen: dict[bytes, float] = {}
        # The hashes of records by the texts that one connection brought of late:
        # another one mostly brings the same texts.
        self._texts: dict[bytes, bytes] = {}
        # Credits that are not spent.
        self._credits = 0
        self._warned = False

    def dialing(self, origin: Origin) -> None:
        """Add a connection whose upgrade request is about to be sent.

        What two connections were sent at the same moment may be read from the old one
        before the new one's handshake is, so credits are given from here on.
        """
        self._connection(origin)

    def dropped(self, origin: Origin) -> None:
        """Remove a connection; one that was not added is ignored."""
        if self._origins.pop(id(origin), None) is None:
            return
        group = self._groups[origin.group]
        connection = group.pop(id(origin))
        connection.ended_at = self._clock()
        self._credits -= sum(map(_count, connection.credits.values()))
        connection.credits.clear()
        if not group:
            del self._groups[origin.group]

    def _connection(self, origin: Origin) -> _Connection:
        identity = id(origin)
        group = self._groups.setdefault(origin.group, {})
        connection = group.get(identity)
        if connection is None:
            connection = group[identity] = _Connection()
            self._origins[identity] = origin
        return connection

    def is_idle(self, origin: Origin) -> bool:
        """Return whether every record of a connection is new, without a look at it."""
        if self._by:
            return False
        connection = self._connection(origin)
        return not connection.credits and len(self._groups[origin.group]) == 1

    def keeps(
        self,
        origin: Origin,
        records: Sequence[bytes],
        parse: Callable[[bytes], Any] | None,
    ) -> Iterator[bool]:
        """Yield for each of several records whether it is new.

        Args:
            origin: The connection that brought them.
            records: Their texts, or payloads.
            parse: Returns the JSON value of a text; None where equal records have equal
                payloads.
        """
        connection = self._connection(origin)
        now = self._time()
        for record in records:
            if self._by:
                value = None if parse is None else parse(record)
                yield self._is_new(connection, origin.group, value, record, now)
            else:
                key = self._key_of(record, parse)
                yield self._is_uncredited(connection, origin.group, key, now)

    def _key_of(self, text: bytes, parse: Callable[[bytes], Any] | None) -> bytes:
        """Return the hash of a record; the one of a text again, without parsing it."""
        texts = self._texts
        key = texts.pop(text, None)
        if key is None:
            key = self._hash(text if parse is None else jsontext.canonical(parse(text)))
            if len(text) <= _LONGEST_TEXT:
                if len(texts) == _MOST_TEXTS:
                    texts.clear()
                texts[text] = key
        return key

    def keeps_value(self, origin: Origin, value: Any) -> bool:  # noqa: ANN401 - any JSON
        """Return whether a record is new.

        Args:
            origin: The connection that brought it.
            value: The record; bytes are a payload that is compared as it is.
        """
        connection = self._connection(origin)
        payload = value if isinstance(value, bytes) else b""
        value = None if isinstance(value, bytes) else value
        return self._is_new(connection, origin.group, value, payload, self._time())

    def _time(self) -> float:
        """Return the time; records that come together share one number, in memory."""
        now = self._clock()
        if now - self._now >= _TICK_SECONDS:
            self._now = now
        return self._now

    def _is_new(
        self,
        connection: _Connection,
        group: int,
        value: Any,  # noqa: ANN401 - any JSON
        payload: bytes,
        now: float,
    ) -> bool:
        if self._by and value is not None:
            named = [path.first(value) for path in self._by]
            if not any(part is MISSING or part is None for part in named):
                (new,) = self._are_new(group, [jsontext.canonical(named)], now)
                return new
        key = self._hash(payload if value is None else jsontext.canonical(value))
        return self._is_uncredited(connection, group, key, now)

    def _is_uncredited(
        self, connection: _Connection, group: int, key: bytes, now: float
    ) -> bool:
        """Return whether a record is new by its hash; a credit for it is spent."""
        if self._spends(connection, key, now):
            return False
        self._give(connection, group, key, now)
        return True

    def _hash(self, text: bytes) -> bytes:
        return hashlib.blake2b(text, digest_size=_HASH_BYTES, key=self._secret).digest()

    def are_new(self, origin: Origin, names: Sequence[bytes]) -> list[bool]:
        """Return for each of several records whether it is new (`deduplicate.by`).

        Args:
            origin: The connection that brought them.
            names: The canonical JSON of the values at the paths of each, in an array.
        """
        return self._are_new(origin.group, names, self._time())

    def _are_new(self, group: int, names: Sequence[bytes], now: float) -> list[bool]:
        """Return which of several names were not seen in time."""
        prefix = b"%d" % group
        seen, seconds = self._seen, self._seconds
        new: list[bool] = []
        for name in names:
            key = prefix + name
            if len(key) > _SHORT:
                key = self._hash(key)
            last = seen.get(key)
            if last is not None:
                # Each sight counts anew, as the newest.
                del seen[key]
            seen[key] = now
            new.append(last is None or (seconds is not None and now - last > seconds))
        while len(seen) + self._credits > self._limit + _FORGOTTEN_AT_ONCE and seen:
            self._forget_seen(now)
        return new

    def _forget_seen(self, now: float) -> None:
        """Forget the names that were seen the longest time ago."""
        for key in list(itertools.islice(self._seen, _FORGOTTEN_AT_ONCE)):
            self._warn(now - self._seen.pop(key))

    def _spends(self, connection: _Connection, key: bytes, now: float) -> bool:
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
        self._credits -= lapsed + is_valid
        if stamps:
            connection.credits[key] = stamps
        return is_valid

    def _is_valid(self, stamp: _Stamp, now: float) -> bool:
        ended_at = stamp.giver.ended_at
        return now <= stamp.until and (
            ended_at is None or now <= ended_at + self._overlap
        )

    def _give(self, giver: _Connection, group: int, key: bytes, now: float) -> None:
        """Give the other connections of a group a credit for an emitted record."""
        connections = self._groups[group]
        if len(connections) == 1:
            return
        seconds = self._seconds or 0.0
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
                self._credits += 1
        if self._credits + len(self._seen) > self._limit + _FORGOTTEN_AT_ONCE:
            self._forget(now)

    def _lapse(self, connection: _Connection, now: float) -> None:
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
            self._credits -= _count(stored.pop(key))

    def _forget(self, now: float) -> None:
        """Take the oldest credits of all connections away: there are too many."""
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
            self._forget_seen(now)
            return
        for key in list(itertools.islice(oldest.credits, _FORGOTTEN_AT_ONCE)):
            found = oldest.credits.pop(key)
            self._credits -= _count(found)
            self._warn((self._seconds or 0.0) - (_until(found) - now))

    def _warn(self, age: float) -> None:
        """Warn once, when a record is forgotten that the settings would remember."""
        if self._warned or (self._seconds is not None and age > self._seconds):
            return
        self._warned = True
        # Without a limit in time this is the way of every busy feed.
        level = logging.INFO if self._seconds is None else logging.WARNING
        _LOGGER.log(
            level,
            "deduplicate remembers the last %d records; one that comes again after "
            "these is emitted again",
            self._limit,
        )


def _count(found: _Stamp | list[_Stamp]) -> int:
    return len(found) if isinstance(found, list) else 1


def _until(found: _Stamp | list[_Stamp]) -> float:
    return found[0].until if isinstance(found, list) else found.until
