"""How often a line has tried in vain, and how long it waits before the next try."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_websocket.feed.backoff import MAX_REFUSED_SECONDS, backoff, refused_backoff

if TYPE_CHECKING:
    from tap_websocket.settings import ReconnectSettings

__all__ = ["Retries"]


class Retries:
    """Counts what went wrong in a row on one line. It does not wait itself.

    Args:
        settings: Backoff, and how many retries there may be.
        addresses: How many addresses the line has.

    Attributes:
        attempts: Retries since the last data message; they set the wait.
        refusals: Times in a row that the server refused this line while another one
            was up; a connection that lasts begins a new row.
    """

    def __init__(self, settings: ReconnectSettings, addresses: int) -> None:
        self._settings = settings
        self._addresses = addresses
        self.attempts = 0
        self.refusals = 0
        # Those of `attempts` while no line of the group was up, for
        # `max_reconnect_attempts`.
        self._counted = 0
        # Attempts since the last open connection that failed, each at another address,
        # and those at the end of them that trying again would not help.
        self._failures = 0
        self._finals = 0
        # Connections since the last data message that ended with a message over
        # `max_message_bytes`.
        self._too_big = 0

    def opened(self) -> None:
        """Begin anew with the addresses: one has let us in."""
        self._failures = self._finals = 0

    def produced(self) -> None:
        """Begin anew: the connection brings data."""
        self.attempts = self._counted = self._too_big = 0

    def lasted(self, seconds: float) -> None:
        """Take for how long a connection was open."""
        if seconds > MAX_REFUSED_SECONDS:
            self.refusals = 0

    def failed(self, *, final: bool) -> bool:
        """Count an attempt; return whether another address may take us at once.

        Args:
            final: Trying again would not help.
        """
        self._failures += 1
        self._finals = self._finals + 1 if final else 0
        waits = self._settings.reconnect and not final
        tried = self._finals if self._settings.reconnect else self._failures
        return not waits and tried < self._addresses

    def was_too_big(self) -> bool:
        """Count a connection that a large message ended.

        Returns:
            Whether it is the second one without data in between: the same message
            would end every other connection, too.
        """
        self._too_big += 1
        return self._too_big > 1

    def count(self, *, redundant: bool) -> bool:
        """Count a retry; return whether there may be one.

        Args:
            redundant: Another line of the group is up.
        """
        self.attempts += 1
        limit = self._settings.max_reconnect_attempts
        if limit is None or redundant:
            return True
        self._counted += 1
        return self._counted <= limit

    def wait(self, least: float, random: float) -> float:
        """Return the seconds before the retry that was counted.

        Args:
            least: Seconds that the server wants to be left alone.
            random: A number from 0 to 1, for the jitter.
        """
        return max(least, backoff(self._settings, self.attempts, random))

    def wait_refused(self) -> float:
        """Count a refusal; return the seconds before the server is asked again."""
        self.attempts += 1
        self.refusals += 1
        return refused_backoff(self._settings, self.refusals)
