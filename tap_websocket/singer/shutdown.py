"""SIGINT and SIGTERM: end the run with everything received delivered."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from tap_websocket.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.delivery.bridge import Bridge

__all__ = ["Shutdown"]

_STDERR = 2

_PASSED_ON_SECONDS = 2.0
"""Within this time another signal is the same request, passed on by a supervisor:
Meltano 4.4 sends SIGTERM 18 ms after the SIGINT of a Ctrl-C."""


class Shutdown:
    """What a signal does, at every stage of a run.

    The first one ends the run, with everything received delivered. A second one exits
    at once: any that came before, or another one at least two seconds after the first.

    Args:
        clock: Seconds, for the time between two signals.
        leave: Ends the process with an exit code, without any clean-up.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        leave: Callable[[int], None] = os._exit,
    ) -> None:
        self._clock = clock
        self._leave = leave
        # The signals that came, and when the first one did.
        self._signals: set[int] = set()
        self._first_at = 0.0
        # Set while there is something to deliver, with the seconds that it may take.
        self._bridge: Bridge | None = None
        self._drain_timeout = 0.0
        # Runs from the first signal until the target took everything.
        self._watchdog: threading.Timer | None = None

    def watch(self, bridge: Bridge, drain_timeout: float) -> None:
        """End the run of this bridge at the next signal.

        Args:
            bridge: The bridge whose pages are being written.
            drain_timeout: Seconds that the target has to take what was received.
        """
        self._bridge = bridge
        self._drain_timeout = drain_timeout

    def done(self) -> None:
        """Stop watching: everything was delivered, and the target has no deadline."""
        self._bridge = None
        if self._watchdog is not None:
            self._watchdog.cancel()

    def signalled(self, signum: int) -> None:
        """Act on a signal, in the main thread.

        Raises:
            SystemExit: At the first signal, with code 0, where no run is watched.
        """
        now = self._clock()
        if not self._signals:
            self._signals.add(signum)
            self._first_at = now
            self._begin(signum)
        elif signum in self._signals or now - self._first_at >= _PASSED_ON_SECONDS:
            self._exit("a second signal: exiting at once")
        else:
            self._signals.add(signum)

    def _begin(self, signum: int) -> None:
        bridge = self._bridge
        if bridge is None:
            sys.exit(0)
        bridge.stop(f"{signal.Signals(signum).name} was received")
        # Python waits for 292 years at most.
        seconds = min(self._drain_timeout, threading.TIMEOUT_MAX)
        self._watchdog = threading.Timer(seconds, self._expired, [bridge])
        self._watchdog.daemon = True
        self._watchdog.start()

    def _expired(self, bridge: Bridge) -> None:
        left = counted(bridge.buffer.undelivered, "record was", "records were")
        self._exit(
            f"the target did not take what was received within "
            f"{self._drain_timeout:g} s (drain_timeout): "
            f"{left} not delivered",
        )

    def _exit(self, text: str) -> None:
        """Write why to stderr, and leave with code 1."""
        # Not by logging, which could wait for a lock that nobody releases any more.
        # Whoever read stderr may be gone, or may not read what is in its pipe.
        with contextlib.suppress(OSError):
            _, ready, _ = select.select([], [_STDERR], [], 0)
            if ready:
                os.write(_STDERR, f"tap-websocket: {text}\n".encode())
        self._leave(1)
