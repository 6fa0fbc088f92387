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
from tap_websocket.errors import ParseError
from tap_websocket.expressions.path import MISSING
from tap_websocket.records.credits import Credits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_websocket.expressions.path import Path
    from tap_websocket.feed.inbound import Origin
    from tap_websocket.jsontext import JsonValue
    from tap_websocket.records.credits import CreditHolder
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

_HASH_BYTES = 16
"""128 bits: no two records of a run have the same hash."""

_SHORT = 32
"""Bytes of a name that is remembered as it is: it takes hardly more memory than its
hash, which takes longer than all the rest."""

_MAX_TEXT_BYTES, _MAX_TEXTS = 1024, 10_000
"""Bytes of a text that is known again as it stands, and how many: 10 MiB at most."""


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
        self._credits = Credits(
            seconds=settings.seconds or 0.0, overlap=overlap, clock=clock
        )
        self._clock = clock
        # The time of the last tick.
        self._now = float("-inf")
        self._limit = limit
        # How many make it forget some.
        self._max_kept = limit + _FORGOTTEN_AT_ONCE
        # Keyed, so that no feed can choose what collides.
        self._secret = os.urandom(_HASH_BYTES)
        # With `by`: hash to when it was last seen, the oldest first.
        self._seen: dict[bytes, float] = {}
        # The hashes of records by the texts that one connection brought of late:
        # another one mostly brings the same texts.
        self._texts: dict[bytes, bytes] = {}
        self._warned = False

    def dialing(self, origin: Origin) -> None:
        """Add a connection whose upgrade request is about to be sent.

        What two connections were sent at the same moment may be read from the old one
        before the new one's handshake is, so credits are given from here on.
        """
        self._credits.holder(origin)

    def dropped(self, origin: Origin) -> None:
        """Remove a connection; one that was not added is ignored."""
        self._credits.drop(origin)

    def is_idle(self, origin: Origin) -> bool:
        """Return whether every record of a connection is new, without a look at it."""
        if self._by:
            return False
        return self._credits.is_idle(origin)

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
        holder = self._credits.holder(origin)
        now = self._time()
        for record in records:
            if self._by:
                value = None if parse is None else parse(record)
                yield self._is_new(holder, origin.group, value, record, now)
            else:
                key = self._key_of(record, parse)
                yield self._is_uncredited(holder, origin.group, key, now)

    def _key_of(self, text: bytes, parse: Callable[[bytes], Any] | None) -> bytes:
        """Return the hash of a record; the one of a text again, without parsing it."""
        texts = self._texts
        key = texts.pop(text, None)
        if key is None:
            key = self._hash(text if parse is None else jsontext.canonical(parse(text)))
            if len(text) <= _MAX_TEXT_BYTES:
                if len(texts) == _MAX_TEXTS:
                    texts.clear()
                texts[text] = key
        return key

    def keeps_value(self, origin: Origin, value: JsonValue) -> bool:
        """Return whether a record is new.

        Args:
            origin: The connection that brought it.
            value: The record; bytes are a payload that is compared as it is.
        """
        holder = self._credits.holder(origin)
        payload = value if isinstance(value, bytes) else b""
        value = None if isinstance(value, bytes) else value
        return self._is_new(holder, origin.group, value, payload, self._time())

    def _time(self) -> float:
        """Return the time; records that come together share one number, in memory."""
        now = self._clock()
        if now - self._now >= _TICK_SECONDS:
            self._now = now
        return self._now

    def _is_new(
        self,
        holder: CreditHolder,
        group: int,
        value: JsonValue,
        payload: bytes,
        now: float,
    ) -> bool:
        if self._by and value is not None:
            try:
                named = [path.first(value) for path in self._by]
            except ParseError:
                # It takes too long to be searched, so it has no name.
                named = [MISSING]
            if not any(part is MISSING or part is None for part in named):
                (new,) = self._are_new(group, [jsontext.canonical(named)], now)
                return new
        key = self._hash(payload if value is None else jsontext.canonical(value))
        return self._is_uncredited(holder, group, key, now)

    def _is_uncredited(
        self, holder: CreditHolder, group: int, key: bytes, now: float
    ) -> bool:
        """Return whether a record is new by its hash; a credit for it is spent."""
        is_new = self._credits.is_new(holder, group, key, now)
        if self._credits.count + len(self._seen) > self._max_kept:
            self._forget(now)
        return is_new

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
        keys = self._keys(group, names)
        seen, seconds = self._seen, self._seconds
        given = dict.fromkeys(keys, now)
        if len(given) == len(keys) and seen.keys().isdisjoint(given):
            # The common case, without a look at each.
            seen.update(given)
            new = [True] * len(keys)
        else:
            new = []
            for key in keys:
                # Each sight counts anew, as the newest.
                last = seen.pop(key, None)
                seen[key] = now
                new.append(
                    last is None or (seconds is not None and now - last > seconds)
                )
        while len(seen) + self._credits.count > self._max_kept and seen:
            self._forget_seen(now)
        return new

    def _keys(self, group: int, names: Sequence[bytes]) -> Sequence[bytes]:
        """Return what names of a group are remembered as."""
        # A name is an array, and begins with no digit.
        keys = [b"%d%b" % (group, name) for name in names] if group else names
        if max(map(len, keys)) <= _SHORT:
            return keys
        return [key if len(key) <= _SHORT else self._hash(key) for key in keys]

    def _forget_seen(self, now: float) -> None:
        """Forget the names that were seen the longest time ago."""
        for key in list(itertools.islice(self._seen, _FORGOTTEN_AT_ONCE)):
            self._warn(now - self._seen.pop(key))

    def _forget(self, now: float) -> None:
        """Forget the oldest credits, or names where there are no credits."""
        age = self._credits.forget(_FORGOTTEN_AT_ONCE, now)
        if age is None:
            self._forget_seen(now)
        else:
            self._warn(age)

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
