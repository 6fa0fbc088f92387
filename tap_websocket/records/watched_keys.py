"""Keys whose numbers are watched: so many at most, since a feed may name any number."""

from __future__ import annotations

import hashlib
import itertools
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping

__all__ = ["LIMIT", "Gap", "Watched", "WatchedKeys"]

_LOGGER = logging.getLogger("tap-websocket")

LIMIT = 50_000
"""Keys that are watched for all groups together, in 30 MiB at most."""

_FORGOTTEN_AT_ONCE = 1000
"""The first key of a dict is found behind the room of all that were deleted."""

_MAX_CHARACTERS = 200
"""Of a key; of a longer one a hash is kept. A server chooses how long it is."""


class Gap:
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


class Watched:
    """The numbers of one key.

    Attributes:
        key: The values of `by`, as a text for logs.
        last: The highest number so far.
        connections: Identities of the open connections that brought one.
        gaps: What was skipped and may still come, in order.
        missing: Numbers that were found missing since the last record.
        mark: What `last` was when it was last looked at whether the key is in use.
    """

    __slots__ = ("connections", "gaps", "key", "last", "mark", "missing")

    def __init__(self, key: str, last: int) -> None:
        self.key = key
        self.last = self.mark = last
        # Hardly ever more than two, and a set takes four times the memory.
        self.connections: tuple[int, ...] = ()
        self.gaps: list[Gap] = []
        self.missing = 0

    def brought_by(self, connection: int) -> None:
        """Add a connection."""
        if connection not in self.connections:
            self.connections += (connection,)

    def lost(self, connection: int) -> None:
        """Remove a connection."""
        self.connections = tuple(one for one in self.connections if one != connection)


class WatchedKeys:
    """The keys of each owner: a group, or one connection.

    Args:
        forgotten: Takes the numbers of a key that is watched no more.
        limit: Keys of all owners together.
    """

    def __init__(
        self, forgotten: Callable[[Watched], None], *, limit: int = LIMIT
    ) -> None:
        self._forgotten = forgotten
        self._limit = limit
        self._count = 0
        # By owner and key.
        self._keys: dict[int, dict[str, Watched]] = {}
        # The same by the values of the key, for keys of texts that were looked at.
        self._by_texts: dict[int, dict[Hashable, Watched]] = {}
        self._warned = False

    def find(self, owner: int, key: str) -> Watched | None:
        """Return the numbers of a key that is known."""
        return self._keys.get(owner, {}).get(_short(key))

    def add(self, owner: int, key: str, number: int) -> Watched:
        """Watch another key; those that were not in use of late may be forgotten."""
        if self._count >= self._limit:
            self._forget()
        self._count += 1
        key = _short(key)
        watched = self._keys.setdefault(owner, {})[key] = Watched(key, number)
        return watched

    def by_texts(self, owner: int) -> Mapping[Hashable, Watched]:
        """Return the keys that are known by the values of `by`: a text, or several."""
        return self._by_texts.get(owner, {})

    def know_texts(self, owner: int, texts: Hashable, watched: Watched) -> None:
        """Have a key known by the values of `by`, unless they are long."""
        if len(watched.key) <= _MAX_CHARACTERS:
            self._by_texts.setdefault(owner, {})[texts] = watched

    def forget_texts(self) -> None:
        """Have no key known by its values any more."""
        self._by_texts.clear()

    def of(self, owner: int) -> Iterable[Watched]:
        """Return the numbers of all keys of an owner."""
        return self._keys.get(owner, {}).values()

    def drop(self, owner: int) -> None:
        """Watch none of an owner's keys any more."""
        self._count -= len(self._keys.pop(owner, {}))

    def __iter__(self) -> Iterator[Watched]:
        """Yield the numbers of all keys."""
        return itertools.chain.from_iterable(
            keys.values() for keys in list(self._keys.values())
        )

    def _forget(self) -> None:
        """Forget keys of whoever has most, the oldest that are not in use."""
        owner, keys = max(self._keys.items(), key=lambda item: len(item[1]))
        before = len(keys)
        while len(keys) == before:
            for key in list(itertools.islice(keys, _FORGOTTEN_AT_ONCE)):
                watched = keys.pop(key)
                if watched.last == watched.mark:
                    self._forgotten(watched)
                else:
                    watched.mark = watched.last
                    keys[key] = watched
        self._count -= before - len(keys)
        self._by_texts.pop(owner, None)
        if not self._warned:
            self._warned = True
            _LOGGER.warning(
                "sequence watches %d keys (by) at most; what is missing before one "
                "that was forgotten and comes again is not seen",
                self._limit,
            )


def _short(key: str) -> str:
    if len(key) <= _MAX_CHARACTERS:
        return key
    digest = hashlib.blake2b(key.encode(errors="surrogatepass")).hexdigest()
    return f"{key[:_MAX_CHARACTERS]}…{digest}"
