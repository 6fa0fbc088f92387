"""Why a run received nothing: what its connection attempts met, kept for its error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_websocket.errors import ConnectionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_websocket.settings import Item

__all__ = ["Diagnosis"]


class Diagnosis:
    """Says what is wrong where a run reaches a time limit and has nothing.

    Args:
        subscription: The items of `subscribe_messages`.
        clock: The time in seconds, from any start.
    """

    def __init__(
        self, subscription: Iterable[Item], clock: Callable[[], float]
    ) -> None:
        self._clock = clock
        # Whether a connection was ever open.
        self._connected = False
        self._last_failure = ""
        # Whether that failure came after a connection.
        self._lost = False
        # What the connection attempt that is under way waits for, since when.
        self._waiting: tuple[str, float] | None = None
        # Places of the items whose reply says that the server takes the subscription,
        # and whether none of these replies has come yet.
        self._proofs = _proofs(subscription)
        self._unanswered = bool(self._proofs)

    def waiting(self, what: str) -> None:
        """Keep what a connection attempt waits for, in words, and since when."""
        self._waiting = (what, self._clock())

    def opened(self) -> None:
        """Take that a connection is open."""
        self._connected = True

    def failed(self, reason: str) -> None:
        """Keep the last failure of an attempt, or of a connection."""
        self._last_failure = reason
        self._lost = self._connected

    def replied(self, item: Item) -> None:
        """Take that a reply came which an item of a subscription awaits."""
        if item.where in self._proofs:
            self._unanswered = False

    def error(self, reason: str, *, has_records: bool) -> ConnectionFailed | None:
        """Return the error of a run that ends at a time limit, if it is one.

        It is if the run never connected, or if no connection's subscription was ever
        answered and there is no record: servers that refuse credentials often close,
        or say nothing.

        Args:
            reason: Which limit it is.
            has_records: Whether the run has any.
        """
        if not self._connected:
            return ConnectionFailed(
                f"never connected ({reason}); the last try: {self._last_try()}",
            )
        if self._unanswered and not has_records:
            last = "no connection was closed"
            if self._lost:
                last = f"the last connection: {self._last_failure}"
            return ConnectionFailed(
                f"never subscribed ({reason}): the server sent no reply that "
                f"subscribe_messages awaits; check credentials and reply; {last}",
            )
        return None

    def _last_try(self) -> str:
        """Return why there is no connection, or what it is that it waits for."""
        if self._last_failure:
            return self._last_failure
        if self._waiting is None:
            return "no connection was tried"
        what, since = self._waiting
        return f"{what} after {self._clock() - since:.0f} s"


def _proofs(subscription: Iterable[Item]) -> frozenset[str]:
    """Return the places of the items whose reply shows that a subscription is taken.

    A greeting comes before anything was sent, and shows that only where nothing else
    is awaited.
    """
    awaited = [item for item in subscription if item.reply or item.step]
    answers = [item for item in awaited if item.message is not None or item.step]
    return frozenset(item.where for item in answers or awaited)
