"""The connections of a run: started, watched by its clocks, and closed."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING

from tap_websocket.errors import ConnectionFailed
from tap_websocket.feed.group import Group
from tap_websocket.feed.line import Line
from tap_websocket.feed.run_state import RunState
from tap_websocket.feed.topics import plan_connections
from tap_websocket.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_websocket.counts import Counts
    from tap_websocket.feed.dialer import Dialer
    from tap_websocket.feed.inbound import BatchHandler, ConnectionObserver
    from tap_websocket.feed.run_state import Ending
    from tap_websocket.settings import Settings
    from tap_websocket.settings.connections import PlannedConnection

__all__ = ["Feed"]

_LOGGER = logging.getLogger("tap-websocket")

_TRIAL_SECONDS = 30.0
"""Seconds that a trial waits for data, behind those of `connect_timeout`: with a wrong
records_path it would wait for all of `max_duration`, a month where that is set."""

_SAMPLE_CLOSE_SECONDS = 0.5
"""Seconds that a discovery or trial waits for the answer to its Close, if it may wait
as long: a server that only sends gives none, and somebody sits in front of it."""

_DECISION_SECONDS = 0.05
"""Between two looks at what becomes of connections that end."""


class Feed:
    """Receives from all connections of a run. Lives on one event loop.

    Args:
        settings: All settings.
        dialer: Opens connections.
        handle: Takes each batch of messages and returns what became of it.
        observer: Is told of each connection.
        counts: Counts that the run keeps.
        subscribed: Called when the first connection's subscription is complete.
        max_messages: Overrides the setting of that name, for a trial.
        only_one: Open only the first of the connections that topics are spread
            over, and hardly wait for its closing handshake: enough for a look at the
            feed.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        settings: Settings,
        *,
        dialer: Dialer,
        handle: BatchHandler,
        observer: ConnectionObserver | None = None,
        counts: Counts,
        subscribed: Callable[[], None] = lambda: None,
        max_messages: int | None = None,
        only_one: bool = False,
    ) -> None:
        self._settings = settings
        self._dialer = dialer
        self._run = RunState(
            settings.ends,
            handle=handle,
            observer=observer,
            counts=counts,
            subscribed=subscribed,
            max_messages=max_messages,
            subscription=settings.subscription.subscribe_messages,
        )
        self._loop = asyncio.get_running_loop()
        # Lines that are not closed for good, once it is known how many there are.
        self._lines: set[Line] = set()
        self._groups: list[Group] = []
        self._only_one = only_one
        self._is_trial = max_messages is not None
        self._tasks: set[asyncio.Task[None]] = set()
        # Seconds that the answers to Close frames are waited for at the end.
        self._close_timeout = settings.connection.close_timeout
        if only_one:
            self._close_timeout = min(self._close_timeout, _SAMPLE_CLOSE_SECONDS)

    @property
    def last_inbound(self) -> float:
        """When the idle clock was last reset, by `time.monotonic`, in seconds."""
        return self._run.last_inbound

    async def run(self) -> Ending:
        """Receive until the run ends; its connections are still open then."""
        run = self._run
        run.restart_idle_clock()
        timers = [
            self._loop.create_task(self._watch_duration()),
            self._loop.create_task(self._watch_idle()),
        ]
        self._tasks = {self._loop.create_task(self._open())}
        try:
            ending = await asyncio.shield(run.ended)
        finally:
            for timer in timers:
                timer.cancel()
            # The line that ends the run has the counts before connections are closed.
            for group in self._groups:
                group.count_so_far()
        await run.backlog.finish()
        return ending

    def _make_lines(self, planned: Iterable[PlannedConnection]) -> Iterator[Line]:
        continuity = self._settings.continuity
        for number, one in enumerate(planned):
            group = Group(self._run, number, continuity.overlap)
            self._groups.append(group)
            for line in range(continuity.redundancy):
                yield Line(
                    self._run,
                    self._dialer,
                    self._settings,
                    group=group,
                    planned=one,
                    number=line,
                )

    def in_turn(self, act: Callable[[], None]) -> None:
        """Call what touches the handler of messages, once no message is worked on."""
        self._run.backlog.in_turn(act)

    @property
    def has_connected(self) -> bool:
        """Whether any connection was ever open."""
        return self._run.has_connected

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, and nothing more is taken."""
        return self._run.is_over

    async def close(self) -> None:
        """Close every connection, each within `close_timeout`."""
        ending = await self._run.ended
        sessions = self._run.sessions
        for session in list(sessions):
            session.end(ending.close_code)
        for task in list(self._tasks):
            task.cancel()
        # Cancelled attempts end here; their failures no longer matter.
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if sessions:
            await asyncio.wait(
                [session.ended for session in sessions],
                timeout=self._close_timeout,
            )
        for session in list(sessions):
            session.abort()

    def stop(self, reason: str, close_code: int) -> None:
        """End the run from outside: at a signal, or when nobody takes records."""
        self._run.stop(reason, close_code=close_code)

    def fail(self, reason: str, error: Exception) -> None:
        """End the run with an error, after everything received was delivered."""
        self._run.end(reason, error)

    def skip_close_handshake(self) -> None:
        """Wait for no answer to a Close frame, now and later: nobody takes records."""
        self._close_timeout = 0.0
        if self._run.is_over:
            for session in list(self._run.sessions):
                session.abort()

    def pause(self) -> None:
        """Stop reading from every connection; the clocks stand still."""
        self._run.pause()

    def resume(self) -> None:
        """Read again; the clocks start afresh."""
        self._run.resume()

    async def _open(self) -> None:
        """Find out which connections the run has, and open them."""
        try:
            planned = await plan_connections(
                self._settings, self._run, self._dialer.learn
            )
        except Exception as error:  # noqa: BLE001 - raised in the main thread
            self._run.end("the topics could not be fetched", error)
            return
        if self._only_one and self._settings.topics.topics is not None:
            planned = planned[:1]
        if not planned:
            self._run.end(f"{self._settings.topics.shard} has nothing to do")
            return
        lines = list(self._make_lines(planned))
        self._dialer.expect(len(lines))
        self._lines = set(lines)
        self._tasks |= {self._loop.create_task(self._keep(line)) for line in lines}

    async def _keep(self, line: Line) -> None:
        try:
            await line.run()
        except Exception as error:  # noqa: BLE001 - raised in the main thread
            self._run.end("a connection failed", error)
        self._lines.discard(line)
        if not self._lines:
            self._run.end(self._why_closed())

    def _why_closed(self) -> str:
        """Return why no connection is open, and none is to be opened."""
        complete = [group.is_complete for group in self._groups]
        if all(complete):
            return "the feed is complete (then: stop)"
        if any(complete):
            return "every connection is closed"
        which = "the connection" if len(complete) == 1 else "every connection"
        return f"the server closed {which}, and reconnect is off"

    async def _watch_duration(self) -> None:
        duration, name = self._settings.ends.max_duration, "max_duration"
        if self._is_trial:
            bound = _TRIAL_SECONDS + self._settings.connection.connect_timeout
            if duration is None or bound < duration:
                duration, name = bound, "--test"
        if duration is not None:
            await asyncio.sleep(duration)
            await self._hear_out()
            silence = self._silence(duration, name)
            if silence and not self._is_trial:
                _LOGGER.warning("%s", silence)
            self._time_out(f"{name}: {duration:g} s have passed", silence)

    def _time_out(self, reason: str, silence: str) -> None:
        """End the run at a time limit; for a trial without data that is an error."""
        if silence and (first := self._run.first_ignored()):
            _LOGGER.debug("The first document that was ignored: %s", first)
        failed = ConnectionFailed(silence) if silence and self._is_trial else None
        self._run.time_out(reason, failed)

    async def _hear_out(self) -> None:
        """Wait for connections that end already: how they do may end the run first.

        A server may leave TCP open behind its Close frame for all of `close_timeout`.
        """
        patience = self._settings.connection.close_timeout + _DECISION_SECONDS
        for _ in range(math.ceil(patience / _DECISION_SECONDS)):
            if not any(line.is_undecided for line in self._lines):
                return
            await asyncio.sleep(_DECISION_SECONDS)

    def _silence(self, seconds: float, limit: str) -> str:
        """Return what a run that waited for its end received in place of data.

        Args:
            seconds: How long it waited.
            limit: What ends it.

        Returns:
            A line for the log; empty where data came, or the run is over.
        """
        counts = self._run.counts
        if self._run.is_over or counts.messages:
            return ""
        ignored = counted(counts.ignored, "document was", "documents were")
        skipped = counted(counts.skipped, "was", "were")
        return (
            f"No data message came in {seconds:g} s ({limit}): {ignored} ignored "
            "(message_rules, or without a match of message_pattern or "
            "records_path; TAP_WEBSOCKET_LOGLEVEL=DEBUG shows the first), "
            f"{skipped} skipped (on_parse_error)"
        )

    async def _watch_idle(self) -> None:
        timeout = self._settings.ends.idle_timeout
        if timeout is None:
            return
        while True:
            left = self._run.last_inbound + timeout - self._loop.time()
            if self._run.stands_still:
                left = timeout
            elif left <= 0:
                heard = self._run.last_inbound
                await self._hear_out()
                if self._run.last_inbound == heard:
                    break
                continue
            # At least one step of the clock: a shorter sleep could end before it
            # moves, again and again.
            await asyncio.sleep(max(left, math.ulp(self._loop.time())))
        reason = f"idle_timeout: nothing was received for {timeout:g} s"
        silence = self._silence(timeout, "idle_timeout") if self._is_trial else ""
        self._time_out(reason, silence)
