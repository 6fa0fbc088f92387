"""Pings, and finding a connection that is dead while its TCP lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.pages import Schedule, Timer
    from tap_websocket.settings import KeepaliveSettings

__all__ = ["Keepalive"]


class Keepalive:
    """Sends Pings, and calls the connection dead when no Pong comes in time.

    While reading is paused nothing can arrive: the clock of the Pong stands still
    then, and starts afresh when reading resumes.
    """

    def __init__(
        self,
        settings: KeepaliveSettings,
        *,
        schedule: Schedule,
        ping: Callable[[bytes], None],
        dead: Callable[[str], None],
    ) -> None:
        """Make one that is not running yet.

        Args:
            settings: `ping_interval` and `ping_timeout`, in seconds.
            schedule: Calls back after a number of seconds.
            ping: Sends a Ping frame with a payload.
            dead: Takes the reason when the connection is dead.
        """
        self._settings = settings
        self._schedule = schedule
        self._ping = ping
        self._dead = dead
        self._sent = 0
        self._paused = False
        self._next: Timer | None = None
        self._deadline: Timer | None = None

    def start(self) -> None:
        """Send the first Ping after one interval."""
        interval = self._settings.ping_interval
        if interval is not None:
            self._next = self._schedule(interval, self._beat)

    def stop(self) -> None:
        """Forget all timers."""
        for timer in (self._next, self._deadline):
            if timer is not None:
                timer.cancel()
        self._next = self._deadline = None

    def pong(self) -> None:
        """Take notice of a Pong: the connection lives."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def pause(self) -> None:
        """Let the clock stand still."""
        self._paused = True
        self.pong()

    def resume(self) -> None:
        """Start the clock afresh, with the next Ping."""
        self._paused = False

    def _beat(self) -> None:
        self._sent += 1
        self._ping(b"%d" % self._sent)
        timeout = self._settings.ping_timeout
        if self._deadline is None and not self._paused and timeout is not None:
            self._deadline = self._schedule(timeout, self._expired)
        self.start()

    def _expired(self) -> None:
        self._deadline = None
        self._dead(
            f"no Pong within {self._settings.ping_timeout:g} s (ping_timeout)",
        )
