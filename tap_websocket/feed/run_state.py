"""What the connections of a run share: its counts, its idle clock, and its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import msgspec

from tap_websocket.feed.backlog import Backlog
from tap_websocket.feed.body_room import BodyRoom
from tap_websocket.feed.diagnosis import Diagnosis
from tap_websocket.feed.inbound import BatchResult
from tap_websocket.logs import LogThrottle
from tap_websocket.transports.rfc6455 import NORMAL
from tap_websocket.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_websocket.counts import Counts
    from tap_websocket.feed.inbound import BatchHandler, ConnectionObserver, Origin
    from tap_websocket.settings import EndSettings, Item
    from tap_websocket.transports.base import Closing

__all__ = [
    "Ending",
    "OpenSession",
    "RunState",
]

_OUTAGE_LOG_SECONDS = 50.0
"""Seconds between two warnings that outages go on, for all groups together; a little
less than the minute that each waits, so that one group's is always said."""

_UNHANDLED = "a message could not be handled"


class Ending(msgspec.Struct, frozen=True):
    """Why a run ended.

    Attributes:
        reason: In a few words, for the log.
        error: The failure, or None when the run ended as it should.
        close_code: The close code that open connections are closed with.
    """

    reason: str
    error: Exception | None = None
    close_code: int = NORMAL


class OpenSession(Protocol):
    """What a run asks of each of its open connections.

    Attributes:
        ended: Is given how the connection ended.
    """

    ended: asyncio.Future[Closing]

    def follow_run(self) -> None:
        """Read, and let the clocks run, as far as the run says (`reads`)."""

    def flush(self) -> None:
        """Take what was kept back for the time of a pause."""

    def end(self, close_code: int) -> None:
        """Start the closing handshake, at the end of the run."""

    def abort(self) -> None:
        """Drop the connection at once."""


class RunState:
    """The state of a run that its connections share. Lives on one event loop.

    The first call of `end` decides why the run ended; nothing is taken after it.

    Args:
        settings: `max_messages` and `idle_reset`.
        handle: Takes each batch of messages and returns what became of it.
        observer: Is told of each connection.
        counts: Counts that the run keeps.
        subscribed: Called when the first connection's subscription is complete.
        max_messages: Overrides the setting of that name, for a trial.
        subscription: Its items.

    Attributes:
        counts: What the run counts.
        paused: Whether reading is paused, since the target is slower than the feed.
        backlog: Works on large messages, and keeps the order of what comes meanwhile.
        body_room: For replies over HTTP that came while reading was paused.
        sessions: The open connections.
        last_inbound: When the idle clock was last reset, by the loop's clock.
        ended: Is given why the run ended.
        diagnosis: Says why the run has nothing, if it has nothing at its end.
        outage_log: Logs now and then that an outage goes on, for all groups together.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        settings: EndSettings,
        *,
        handle: BatchHandler,
        observer: ConnectionObserver | None = None,
        counts: Counts,
        subscribed: Callable[[], None] = lambda: None,
        max_messages: int | None = None,
        subscription: Iterable[Item] = (),
    ) -> None:
        self.counts = counts
        self.paused = False
        self.backlog = Backlog(changed=self._follow_backlog)
        self.body_room = BodyRoom()
        self.sessions: set[OpenSession] = set()
        self._loop = asyncio.get_running_loop()
        self.last_inbound = self._loop.time()
        self.ended: asyncio.Future[Ending] = self._loop.create_future()
        self.diagnosis = Diagnosis(subscription, self._loop.time)
        self.outage_log = LogThrottle(_OUTAGE_LOG_SECONDS, clock=self._loop.time)
        self._handle = handle
        self._observer = observer
        # None once a subscription is complete.
        self._subscribed: Callable[[], None] | None = subscribed
        self._max_messages = max_messages or settings.max_messages
        self._limit_name = "--test" if max_messages else "max_messages"
        self._any_frame_resets = settings.idle_reset == "frame"
        # Connections that were ever open; their numbers.
        self._connections = 0

    @property
    def has_connected(self) -> bool:
        """Whether any connection was ever open."""
        return self._connections > 0

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, and nothing more is taken."""
        return self.ended.done()

    def end(
        self,
        reason: str,
        error: Exception | None = None,
        *,
        close_code: int = NORMAL,
    ) -> None:
        """End the run; the first call decides why.

        Args:
            reason: In a few words, for the log.
            error: The failure, or None when the run ends as it should.
            close_code: What open connections are closed with (RFC 6455, 7.4.1).
        """
        if not self.ended.done():
            self.ended.set_result(Ending(reason, error, close_code))

    def time_out(self, reason: str, error: Exception | None = None) -> None:
        """End the run at one of its time limits, once what has come is taken.

        It is an error where the run has nothing (see `Diagnosis`).

        Args:
            reason: Which limit it is.
            error: The failure, where the diagnosis knows of none.
        """
        self.backlog.once_taken(lambda: self._time_out(reason, error))

    def _time_out(self, reason: str, error: Exception | None) -> None:
        has_records = bool(self.counts.records)
        self._stop(
            reason, self.diagnosis.error(reason, has_records=has_records) or error
        )

    def stop(
        self,
        reason: str,
        error: Exception | None = None,
        *,
        close_code: int = NORMAL,
    ) -> None:
        """End the run from outside of its messages, once what has come is taken.

        The arguments are those of `end`.
        """
        self.backlog.once_taken(
            lambda: self._stop(reason, error, close_code=close_code)
        )

    def _stop(
        self,
        reason: str,
        error: Exception | None = None,
        *,
        close_code: int = NORMAL,
    ) -> None:
        """End the run; what a pause kept back is taken."""
        if self.paused:
            for session in list(self.sessions):
                session.flush()
        self.end(reason, error, close_code=close_code)

    def pause(self) -> None:
        """Stop reading from every connection; the clocks stand still."""
        self.paused = True
        self._tell_sessions()

    def resume(self) -> None:
        """Read again; the clocks start afresh."""
        self.paused = False
        self.restart_idle_clock()
        self._tell_sessions()

    @property
    def reads(self) -> bool:
        """Whether connections are read."""
        return not (self.paused or self.backlog.is_full)

    @property
    def stands_still(self) -> bool:
        """Whether the clocks stand still: what has come was not looked at yet."""
        return self.paused or self.backlog.busy

    def _follow_backlog(self) -> None:
        if not self.stands_still:
            self.restart_idle_clock()
        self._tell_sessions()

    def _tell_sessions(self) -> None:
        if self._observer is not None:
            if self.stands_still:
                self._observer.paused()
            else:
                self._observer.resumed()
        # One of them may deliver at once what was kept back: that may end connections,
        # or fill the buffer again.
        for session in list(self.sessions):
            session.follow_run()

    def restart_idle_clock(self) -> None:
        """Count the seconds of `idle_timeout` from now."""
        self.last_inbound = self._loop.time()

    def opened(self, session: OpenSession) -> int:
        """Add a connection; return its number within the run, from 1."""
        self._connections += 1
        self.diagnosis.opened()
        self.sessions.add(session)
        self.inbound()
        return self._connections

    def closed(self, session: OpenSession) -> None:
        """Remove a connection."""
        self.sessions.discard(session)

    def dialing(self, origin: Origin) -> None:
        """Report a connection whose upgrade request is about to be sent."""
        self._in_turn(lambda observer: observer.dialing(origin))

    def dropped(self, origin: Origin) -> None:
        """Report the end of a connection, or of the attempt to open it."""
        self._in_turn(lambda observer: observer.dropped(origin))

    def outage_ended(self, group: int, seconds: float) -> None:
        """Report how long a group had no connection."""
        self._in_turn(lambda observer: observer.outage_ended(group, seconds))

    def _in_turn(self, act: Callable[[ConnectionObserver], None]) -> None:
        """Tell the observer something, behind the messages that came before."""
        observer = self._observer
        if observer is not None:
            self.backlog.in_turn(lambda: act(observer))

    def first_ignored(self) -> str:
        """Return the first document that was ignored, or nothing."""
        return "" if self._observer is None else self._observer.first_ignored()

    def subscribed(self) -> None:
        """Report that a connection's subscription is complete; the first one counts."""
        if self._subscribed is not None:
            subscribed, self._subscribed = self._subscribed, None
            subscribed()

    def inbound(self) -> None:
        """Reset the idle clock for a frame without data, as `idle_reset` says."""
        if self._any_frame_resets:
            self.restart_idle_clock()

    def received(
        self,
        origin: Origin,
        payloads: list[bytes],
        *,
        binary: bool,
        done: Callable[[BatchResult], None],
    ) -> BatchResult | None:
        """Take a batch of messages, up to the end of the run.

        Args:
            origin: Their connection.
            payloads: The messages.
            binary: Whether they came in binary frames.
            done: Called with what became of it, where that takes a while.

        Returns:
            What became of it; a fatal message is left to the connection. None where
            that is not known yet.
        """
        counts = self.counts
        limit = self._max_messages
        room = None if limit is None else limit - counts.messages
        try:
            result = self._handle(origin, payloads, binary, room)
        except Exception as error:  # noqa: BLE001 - raised in the main thread
            self.end(_UNHANDLED, error)
            return BatchResult()
        if result.rest is not None:
            self._begin(result, done)
            return None
        self._count(result)
        return result

    def _begin(self, result: BatchResult, done: Callable[[BatchResult], None]) -> None:
        """Have the rest of a batch taken beside the loop."""
        rest = result.rest
        assert rest is not None  # noqa: S101 - the caller has looked

        def finished(error: Exception | None) -> None:
            if error is not None:
                self.end(_UNHANDLED, error)
            self._count(result)
            done(result)

        self.backlog.start(rest, stop=result.stop, done=finished)

    def _count(self, result: BatchResult) -> None:
        """Count what became of a batch; the run may end with it."""
        counts, limit = self.counts, self._max_messages
        counts.received_bytes += result.taken
        counts.messages += result.messages
        counts.records += result.records
        counts.deduplicated += result.deduplicated
        if result.messages or result.deduplicated or self._any_frame_resets:
            self.restart_idle_clock()
        if result.error is None and limit is not None and counts.messages >= limit:
            received = counted(limit, "message was", "messages were")
            self.end(f"{self._limit_name}: {received} received")
