"""A run: all connections of a feed, and when it ends."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING

import msgspec

from tap_websocket.errors import ConnectionFailed
from tap_websocket.feed.inbound import BatchResult
from tap_websocket.feed.reconnector import Reconnector

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.counts import Counts
    from tap_websocket.feed.dialer import Dialer
    from tap_websocket.feed.inbound import BatchHandler
    from tap_websocket.feed.reconnector import Session
    from tap_websocket.settings import Settings

__all__ = ["Ending", "Feed"]

_LOGGER = logging.getLogger("tap-websocket")


class Ending(msgspec.Struct, frozen=True):
    """Why a run ended.

    Attributes:
        reason: In a few words, for the log.
        error: The failure, or None when the run ended as it should.
    """

    reason: str
    error: Exception | None = None


class Feed:
    """The state of a run. Lives on one event loop; nothing here is for threads."""

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        settings: Settings,
        *,
        dialer: Dialer,
        consume: BatchHandler,
        counts: Counts,
        subscribed: Callable[[], None] = lambda: None,
        max_messages: int | None = None,
    ) -> None:
        """Make a run that has not started.

        Args:
            settings: All settings.
            dialer: Opens connections.
            consume: Takes each batch of messages and answers what became of it.
            counts: Counts that the run keeps.
            subscribed: Called when the first connection's subscription is complete.
            max_messages: Overrides the setting of that name, for a trial.
        """
        self.settings = settings
        self.dialer = dialer
        self.counts = counts
        self.paused = False
        self._consume = consume
        self._subscribed: Callable[[], None] | None = subscribed
        self._max_messages = max_messages or settings.ends.max_messages
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Ending] = self._loop.create_future()
        self._sessions: set[Session] = set()
        self._connections = 0
        self._open_links = len(settings.connections)
        self._tasks: set[asyncio.Task[None]] = set()
        self._patience = (
            settings.connection.close_timeout if max_messages is None else 0.0
        )
        counts.last_inbound = self._loop.time()
        self._last_failure = "no connection was tried"

    async def run(self) -> Ending:
        """Receive until the run ends; its connections are still open then."""
        contexts = self.settings.connections
        self.counts.last_inbound = self._loop.time()
        timers = [
            self._loop.create_task(self._watch_duration()),
            self._loop.create_task(self._watch_idle()),
        ]
        links = [Reconnector(self, dict(context)) for context in contexts]
        self._tasks = {self._loop.create_task(self._keep(link)) for link in links}
        try:
            return await asyncio.shield(self._ended)
        finally:
            for timer in timers:
                timer.cancel()

    async def close(self) -> None:
        """Close every connection, each within `close_timeout`."""
        ending = await self._ended
        for session in list(self._sessions):
            session.end(ending)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._sessions:
            await asyncio.wait(
                [session.ended for session in self._sessions],
                timeout=self._patience,
            )
        for session in list(self._sessions):
            session.abort()

    def stop(self, reason: str) -> None:
        """End the run as it should: a signal, say."""
        self.end(reason)

    def skip_close_handshake(self) -> None:
        """Wait for no answer to a Close frame, now and later: nobody takes records."""
        self._patience = 0.0
        if self.ended:
            for session in list(self._sessions):
                session.abort()

    def end(self, reason: str, error: Exception | None = None) -> None:
        """End the run; the first call decides why."""
        if not self._ended.done():
            self._ended.set_result(Ending(reason, error))

    @property
    def ended(self) -> bool:
        """Whether the run is over, and nothing more is taken."""
        return self._ended.done()

    def pause(self) -> None:
        """Stop reading from every connection; the clocks stand still."""
        self.paused = True
        for session in self._sessions:
            session.pause()

    def resume(self) -> None:
        """Read again; the clocks start afresh."""
        self.paused = False
        self.counts.last_inbound = self._loop.time()
        for session in self._sessions:
            session.resume()

    def opened(self, session: Session) -> int:
        """Take notice of a connection; return its number within the run."""
        self._connections += 1
        self._sessions.add(session)
        self.inbound()
        return self._connections

    def closed(self, session: Session) -> None:
        """Take notice of the end of a connection."""
        self._sessions.discard(session)

    def failed(self, reason: str) -> None:
        """Keep the last failure, for an end without any connection."""
        self._last_failure = reason

    def complete(self) -> None:
        """Take notice that a connection's subscription is complete."""
        if self._subscribed is not None:
            subscribed, self._subscribed = self._subscribed, None
            subscribed()

    def inbound(self) -> None:
        """Take notice of an inbound frame that carries no data."""
        if self.settings.ends.idle_reset == "frame":
            self.counts.last_inbound = self._loop.time()

    def received(
        self,
        session: Session,
        payloads: list[bytes],
        *,
        binary: bool,
    ) -> BatchResult:
        """Take a batch of messages, up to the end of the run."""
        counts = self.counts
        most = self._max_messages
        room = None if most is None else most - counts.messages
        try:
            outcome = self._consume(session.source, payloads, binary, room)
        except Exception as error:  # noqa: BLE001 - raised in the main thread
            self.end("a message could not be handled", error)
            return BatchResult()
        counts.received_bytes += outcome.taken
        counts.messages += outcome.messages
        counts.records += outcome.records
        if outcome.messages or self.settings.ends.idle_reset == "frame":
            counts.last_inbound = self._loop.time()
        if outcome.error is not None:
            self.end("a message was fatal", outcome.error)
        elif most is not None and counts.messages >= most:
            self.end(f"max_messages: {most} messages were received")
        return outcome

    async def _keep(self, link: Reconnector) -> None:
        try:
            await link.run()
        except Exception as error:  # noqa: BLE001 - raised in the main thread
            self.end("a connection failed", error)
        self._open_links -= 1
        if self._open_links == 0:
            self.end("every connection is closed")

    async def _watch_duration(self) -> None:
        duration = self.settings.ends.max_duration
        if duration is not None:
            await asyncio.sleep(duration)
            self._time_out(f"max_duration: {duration:g} s have passed")

    async def _watch_idle(self) -> None:
        timeout = self.settings.ends.idle_timeout
        if timeout is None:
            return
        while True:
            left = self.counts.last_inbound + timeout - self._loop.time()
            if self.paused:
                left = timeout
            elif left <= 0:
                break
            await asyncio.sleep(max(left, math.ulp(self._loop.time())))
        self._time_out(f"idle_timeout: nothing was received for {timeout:g} s")

    def _time_out(self, reason: str) -> None:
        error: ConnectionFailed | None = None
        if self._connections == 0:
            error = ConnectionFailed(
                f"never connected ({reason}); the last try: {self._last_failure}",
            )
        self.end(reason, error)
