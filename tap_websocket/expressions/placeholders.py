"""Where placeholders take their values.

Some are always there: the time, a UUID, a counter. The others belong to a connection:
what the config gives, what `auth` offers, and what rules capture.
"""

from __future__ import annotations

import collections
import datetime as dt
import itertools
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from tap_websocket.jsontext import JsonValue

__all__ = [
    "BUILTINS",
    "ConnectionBuiltins",
    "MessageBuiltins",
    "PlaceholderValues",
    "TopicList",
    "iso_time",
]


class MessageBuiltins:
    """The values that are always there, for one message: each is made once.

    `ConnectionBuiltins.moment` makes them. `{$counter}` counts this message only if it
    is looked up.
    """

    def __init__(self, live: ConnectionBuiltins) -> None:
        self._live = live
        # None before they are asked for: most messages ask for none.
        self._now: float | None = None
        self._made: dict[str, Any] = {}

    @property
    def now(self) -> float:
        """The wall clock, in seconds since the epoch."""
        if self._now is None:
            self._now = self._live.clock()
        return self._now

    def value(self, name: str) -> JsonValue:
        """Return the value of one of `BUILTINS`."""
        if name not in self._made:
            self._made[name] = _MAKERS[name](self)
        return self._made[name]

    def count(self) -> int:
        """Count this message among those of its connection that say their number."""
        return self._live.count()

    def unique(self) -> str:
        """Return a fresh UUID."""
        return self._live.unique()


_MAKERS: dict[str, Callable[[MessageBuiltins], Any]] = {
    "$now_s": lambda moment: int(moment.now),
    "$now_ms": lambda moment: int(moment.now * 1000),
    "$now_iso": lambda moment: iso_time(moment.now),
    "$uuid": MessageBuiltins.unique,
    "$counter": MessageBuiltins.count,
}

BUILTINS = frozenset(_MAKERS)
"""The placeholders that are always there."""


class ConnectionBuiltins:
    """Makes the values that are always there, for one connection.

    Args:
        clock: The wall clock, in seconds since the epoch.
        unique: Makes UUIDs.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        unique: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self.clock = clock
        self.unique = unique
        # Messages that were counted so far (`{$counter}`).
        # Two threads may count: a large message's replies are made beside the loop.
        self._numbers = itertools.count(1)

    def count(self) -> int:
        """Return the number of one more message, from 1."""
        return next(self._numbers)

    def moment(self) -> MessageBuiltins:
        """Return the values for one message."""
        return MessageBuiltins(self)


def iso_time(seconds: float) -> str:
    """Return a time since the epoch like 2026-11-24T12:00:00.000Z."""
    moment = dt.datetime.fromtimestamp(int(seconds * 1000) / 1000, dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class TopicList(msgspec.Struct, frozen=True):
    """The value of `{topics}`: an array in a JSON message, a joined text elsewhere.

    Attributes:
        topics: Those of one message, or of a connection.
        separator: What stands between them in a text (`topic_separator`).
    """

    topics: tuple[str, ...]
    separator: str

    def text(self, transform: Callable[[str], str]) -> str:
        """Return the topics as a text, each transformed, the separator as it is."""
        return self.separator.join(map(transform, self.topics))


_NONE: Mapping[str, Any] = {}

Mint = Callable[[MessageBuiltins], Mapping[str, Any]]
"""Makes what `auth` offers, for one message."""


class _Minted(dict[str, Any]):
    """What `auth` offers for one message, made when one of it is looked up.

    Args:
        offered: Name to an earlier value.
        make: Makes the values.
    """

    def __init__(
        self, offered: Mapping[str, Any], make: Callable[[], Mapping[str, Any]]
    ) -> None:
        super().__init__(offered)
        self._make = make
        # None before the first look-up: to make them may cost a signature.
        self._made: Mapping[str, Any] | None = None

    def __getitem__(self, name: str) -> JsonValue:
        if name not in self:
            raise KeyError(name)
        if self._made is None:
            self._made = self._make()
        return self._made[name]


class PlaceholderValues(collections.ChainMap[str, Any]):
    """Name to value, for a connection and those that replace it after a drop.

    Of several values for a name, the later of these sources wins: `placeholders`, the
    connection's context, what `auth` offers, and what rules captured, which outlives a
    reconnect.

    Args:
        placeholders: Fixed values, and first values of what rules capture.
        context: The values of the connection's context.
        shared: What was captured for all lines of the group.
        shared_names: Names that are captured for all of them.
    """

    def __init__(
        self,
        placeholders: Mapping[str, Any] | None = None,
        context: Mapping[str, Any] | None = None,
        *,
        shared: MutableMapping[str, Any] | None = None,
        shared_names: frozenset[str] = frozenset(),
    ) -> None:
        common = {} if shared is None else shared
        super().__init__({}, common, {}, dict(context or {}), dict(placeholders or {}))
        self._shared_names = shared_names
        # Makes those of `auth` for one message, where each needs its own.
        self._mint: Mint | None = None

    @property
    def offered(self) -> Mapping[str, Any]:
        """What `auth` offered for the last handshake."""
        return self.maps[2]

    @property
    def captured(self) -> Mapping[str, Any]:
        """What rules captured, and requests took from their replies."""
        own, shared = self.maps[:2]
        return collections.ChainMap(own, shared)

    def authenticate(
        self, offered: Mapping[str, Any], mint: Mint | None = None
    ) -> None:
        """Replace the values of earlier credentials by those of fresh ones.

        Args:
            offered: What `auth` offers, for the handshake.
            mint: Makes the same for one message; None where they stay as they are.
        """
        self.maps[2] = dict(offered)
        self._mint = mint

    def at(
        self, moment: MessageBuiltins, own: Mapping[str, Any] = _NONE
    ) -> Mapping[str, Any]:
        """Return the values for one message: what `auth` signs is signed anew.

        Args:
            moment: The built-in placeholders of the message.
            own: Values of the message itself, which win.
        """
        captured, shared, offered, *fixed = self.maps
        mint = self._mint
        if mint is not None:
            offered = _Minted(offered, lambda: mint(moment))
        return collections.ChainMap({**own}, captured, shared, offered, *fixed)

    def capture(self, captured: Mapping[str, Any]) -> None:
        """Keep what a rule captured; None forgets what was captured earlier."""
        own, shared = self.maps[:2]
        for name, value in captured.items():
            values = shared if name in self._shared_names else own
            if value is None:
                values.pop(name, None)
            else:
                values[name] = value

    @property
    def fixed(self) -> list[MutableMapping[str, Any]]:
        """The values that the config gives: the context's, and `placeholders`."""
        return self.maps[3:]

    def forget(self, names: Iterable[str]) -> None:
        """Forget what rules captured under these names."""
        self.capture(dict.fromkeys(names))

    def branch(self) -> PlaceholderValues:
        """Return the values for one more connection of the line.

        What it captures, and the credentials that it was opened with, do not change
        the values of a connection that is still open.
        """
        values = PlaceholderValues()
        captured, shared, offered, *fixed = self.maps
        values.maps[:] = [dict(captured), shared, dict(offered), *fixed]
        values._shared_names = self._shared_names
        values._mint = self._mint
        return values
