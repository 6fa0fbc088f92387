"""SIGINT and SIGTERM: end the run with everything received delivered."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.delivery.bridge import Bridge

__all__ = ["Shutdown"]

_PASSED_ON_SECONDS = 2.0


class Shutdown:
    """What a signal does, at every stage of a run.

    A second signal exits at once: the same one again, or another one at least two
    seconds after the first. A supervisor passes Ctrl-C on as SIGINT and SIGTERM
    within milliseconds, which is one wish and not two (contract, "Ends").
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        leave: Callable[[int], None] = os._exit,
    ) -> None:
        """Make one; no bridge runs yet.

        Args:
            clock: Seconds, for the time between two signals.
            leave: Ends the process with an exit code, without any clean-up.
        """
        self._clock = clock
        self._leave = leave
        self._first: tuple[int, float] | None = None
        self._bridge: Bridge | None = None
        self._drain_timeout = 0.0
        self._watchdog: threading.Timer | None = None

    def watch(self, bridge: Bridge, drain_timeout: float) -> None:
        """From now on a signal ends the run of this bridge.

        Args:
            bridge: The bridge whose pages are being written.
            drain_timeout: Seconds that the target has to take what was received.
        """
        self._bridge = bridge
        self._drain_timeout = drain_timeout

    def done(self) -> None:
        """The run was delivered: the target needs no deadline any more."""
        self._bridge = None
        if self._watchdog is not None:
            self._watchdog.cancel()

    def signalled(self, signum: int) -> None:
        """Take a signal, in the main thread."""
        now = self._clock()
        if self._first is None:
            self._first = signum, now
            self._begin(signum)
            return
        first, at = self._first
        if signum == first or now - at >= _PASSED_ON_SECONDS:
            self._exit("a second signal: exiting at once")

    def _begin(self, signum: int) -> None:
        bridge = self._bridge
        if bridge is None:
            sys.exit(0)
        bridge.stop(f"{signal.Signals(signum).name} was received")
        self._watchdog = threading.Timer(self._drain_timeout, self._expired, [bridge])
        self._watchdog.daemon = True
        self._watchdog.start()

    def _expired(self, bridge: Bridge) -> None:
        self._exit(
            f"the target did not take what was received within "
            f"{self._drain_timeout:g} s (drain_timeout): "
            f"{bridge.buffer.undelivered} records were not delivered",
        )

    def _exit(self, text: str) -> None:
        """Say why and leave; logging could wait for a lock that nobody gives back."""
        os.write(2, f"tap-websocket: {text}\n".encode())
        self._leave(1)
