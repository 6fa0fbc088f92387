"""A bound for a whole request: its sockets are shut down when it is over."""

from __future__ import annotations

import concurrent.futures
import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from urllib3.exceptions import TimeoutError as TooLate

from tap_websocket.daemon_threads import call_in_thread
from tap_websocket.http.interim import FinalResponse

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Watchdog"]


class Watchdog:
    """Ends a request after a time, as a context manager around it.

    Time-outs of `requests` are for each read: a server that sends a byte now and then,
    or interim answers without end, holds a request for ever.

    Attributes:
        has_expired: The time was over before the request was.
    """

    def __init__(self, seconds: float) -> None:
        self.has_expired = False
        self._lock = threading.Lock()
        # The request's sockets, of which there is one, or none yet.
        self._watched: list[socket.socket] = []
        self._end = time.monotonic() + seconds
        self._timer = self._make_timer(seconds)

    def _make_timer(self, seconds: float) -> threading.Timer:
        timer = threading.Timer(seconds, self._expire)
        timer.daemon = True
        return timer

    def __enter__(self) -> Self:
        """Start the time."""
        self._timer.start()
        return self

    def shorten(self, seconds: float) -> None:
        """End the request after this time, unless its own is over before."""
        if self._end - time.monotonic() > seconds:
            self._timer.cancel()
            self._timer = self._make_timer(seconds)
            self._timer.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the time."""
        self._timer.cancel()

    def watch(self, opened: socket.socket) -> None:
        """Take a socket that the request goes over, TLS included."""
        with self._lock:
            self._watched.append(opened)
            if self.has_expired:
                _shut_down(opened)

    def _expire(self) -> None:
        with self._lock:
            self.has_expired = True
            for opened in self._watched:
                _shut_down(opened)

    def connections(self, base: type[Any]) -> type[Any]:
        """Return a class of HTTP connections that are watched, for final answers.

        Args:
            base: urllib3's own, or the one of a kind of proxy.
        """
        watchdog = self

        class Watched(base):  # type: ignore[misc]  # urllib3 has one for each proxy
            response_class = FinalResponse

            def connect(self) -> None:
                watchdog.wait_for(super().connect, self.close)
                watchdog.watch(self.sock)

        return Watched

    def wait_for(self, connect: Callable[[], None], close: Callable[[], None]) -> None:
        """Make a connection, in a thread of its own: a look-up has no end of its own.

        Nothing interrupts it while no name server answers.

        Args:
            connect: Makes the connection, and raises what the caller is to see.
            close: Closes a connection that comes too late.

        Raises:
            TooLate: When the time of the request is over before.
        """
        future = call_in_thread(connect, name="tap-websocket-connect")
        concurrent.futures.wait([future], max(0.0, self._end - time.monotonic()))
        if not future.done():
            future.add_done_callback(lambda _: close())
            self._expire()
            raise TooLate
        try:
            future.result()
        finally:
            # The error knows this frame, and so would wait for the garbage collector.
            del future


def _shut_down(opened: socket.socket) -> None:
    # It may be closed by now.
    with contextlib.suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)
