"""Pings and heartbeats, and finding a connection that is dead while its TCP lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_websocket.timers import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.settings import SubscriptionSettings
    from tap_websocket.timers import Schedule, Timer

__all__ = ["Keepalive"]


class Keepalive:
    """Sends Pings and heartbeats, and calls a connection dead that is too silent.

    Args:
        settings: Intervals and time-outs, in seconds.
        schedule: Calls back after a number of seconds.
        clock: The time in seconds, from any start.
        ping: Sends a Ping frame with a payload.
        heartbeat: Sends the heartbeat message.
        on_dead: Takes the reason when a Ping was not answered in time.
        on_stale: Takes the reason when no data came in time.
        has_unread: Whether something that has arrived is not read yet.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        settings: SubscriptionSettings,
        *,
        schedule: Schedule,
        clock: Callable[[], float],
        ping: Callable[[bytes], None],
        heartbeat: Callable[[], None],
        on_dead: Callable[[str], None],
        on_stale: Callable[[str], None],
        has_unread: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._schedule = schedule
        self._ping = ping
        self._heartbeat = heartbeat
        # Pings sent; the payload of each is its number.
        self._sent = 0
        self._paused = False
        # What repeats, and the timer of its next time.
        self._timers: dict[Callable[[], None], Timer] = {}
        self._pong = self._stale = None
        if settings.ping_interval is not None:
            timeout = settings.ping_timeout
            reason = f"no Pong within {timeout:g} s (ping_timeout)"
            self._pong = Deadline(
                timeout,
                lambda: on_dead(reason),
                schedule=schedule,
                clock=clock,
                behind=has_unread,
            )
        if (stale := settings.stale_timeout) is not None:
            silence = f"no data message for {stale:g} s (stale_timeout)"
            self._stale = Deadline(
                stale, lambda: on_stale(silence), schedule=schedule, clock=clock
            )

    @property
    def _deadlines(self) -> list[Deadline]:
        return [deadline for deadline in (self._pong, self._stale) if deadline]

    def start(self) -> None:
        """Begin to send Pings, at the handshake; the first comes after one interval."""
        self._repeat(self._beat, self._settings.ping_interval)

    def expect_data(self) -> None:
        """Begin to count the seconds of `stale_timeout`."""
        if self._stale is not None:
            self._stale.restart()

    def start_heartbeats(self, interval: float) -> None:
        """Begin to send heartbeats.

        Args:
            interval: Seconds between two, and before the first.
        """
        self._repeat(self._heartbeat, interval)

    def stop(self) -> None:
        """Forget all timers."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for deadline in self._deadlines:
            deadline.stop()

    def pong(self) -> None:
        """Stop waiting for a Pong: the connection lives."""
        if self._pong is not None:
            self._pong.stop()

    def data(self) -> None:
        """Put `stale_timeout` off: a data message came."""
        if self._stale is not None and self._stale.running:
            self._stale.restart()

    def pause(self) -> None:
        """Stop the clocks, and send no Ping: its Pong would not be read."""
        self._paused = True
        for deadline in self._deadlines:
            deadline.pause()

    def resume(self) -> None:
        """Start the clocks afresh."""
        self._paused = False
        for deadline in self._deadlines:
            deadline.resume()

    def _repeat(self, act: Callable[[], None], interval: float | None) -> None:
        """Act once every interval, in seconds, the first time after one of them."""
        if interval is None:
            return

        def again() -> None:
            self._timers[act] = self._schedule(interval, again)
            act()

        self._timers[act] = self._schedule(interval, again)

    def _beat(self) -> None:
        if self._paused:
            return
        self._sent += 1
        self._ping(b"%d" % self._sent)
        if self._pong is not None and not self._pong.running:
            self._pong.restart()
