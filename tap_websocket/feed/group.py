"""The lines of a group: connections that carry the same messages at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Protocol

from tap_websocket.transports.rfc6455 import NORMAL
from tap_websocket.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_websocket.feed.run_state import RunState
    from tap_websocket.feed.session import Session

__all__ = ["Group", "GroupedLine"]

_LOGGER = logging.getLogger("tap-websocket")

_COUNT_SECONDS = 1.0
"""How often the seconds of an outage are counted while it goes on."""

_WARN_SECONDS = 60.0
"""Seconds of an outage after which it is warned of again, each time."""


class GroupedLine(Protocol):
    """What a group asks of each of its lines."""

    def give_up(self) -> None:
        """Stop connecting: the group is complete."""


class Group:
    """What the lines of one context, or one chunk of topics, share.

    One line at least, `redundancy` of them. While one is up, the feed is received: what
    another line meets is no outage, and does not end the run.

    Made within the running loop.

    Args:
        number: Of the group within the run, from 0.
        run: The state of the run.
        overlap: Seconds that other lines go on for when one is complete.

    Attributes:
        number: Of the group within the run, from 0.
        lines: Its lines.
        open: Its open connections: one for each line that is up, and while one of them
            is replaced, two.
        captured: The placeholders that its lines share (`scope: group`).
        is_complete: Whether a message said that the feed is complete (`then: stop`).
        is_closed: Whether its connections were closed for that.
    """

    def __init__(self, run: RunState, number: int, overlap: float) -> None:
        self.number = number
        self.lines: list[GroupedLine] = []
        self.open: set[Session] = set()
        self.captured: dict[str, Any] = {}
        self.is_complete = False
        self.is_closed = False
        self._run = run
        self._overlap = overlap
        self._loop = asyncio.get_running_loop()
        # When the outage began, by the loop's clock; None while there is none.
        self._down_since: float | None = None
        # Up to when it is counted, by the loop's clock.
        self._counted_to = 0.0
        # When the next warning of it is due, by the loop's clock, and what it says.
        self._warns_at = 0.0
        self._failing = "the feed"
        # When the last open connection ended, by the loop's clock; None while there is
        # one, and before the first.
        self._gone_at: float | None = None
        # When the first attempt of lines failed, while the group never was up.
        self._failed: dict[GroupedLine, float] = {}
        self._was_up = False
        # The attempts under way, which may bring the group up.
        self._attempts: dict[GroupedLine, asyncio.Future[None]] = {}

    @property
    def is_up(self) -> bool:
        """Whether one of its connections is open."""
        return bool(self.open)

    def is_up_without(self, session: Session) -> bool:
        """Return whether a connection is open besides this one, and not refused."""
        return any(one is not session and not one.outcome.refused for one in self.open)

    @contextlib.contextmanager
    def attempt(self, line: GroupedLine) -> Iterator[None]:
        """Make an attempt known to the other lines while it is under way."""
        decided = self._attempts[line] = self._loop.create_future()
        try:
            yield
        finally:
            self._attempts.pop(line, None)
            decided.set_result(None)

    async def others_decided(self, line: GroupedLine) -> None:
        """Wait for the attempts of other lines that are under way.

        A server that allows one connection for each account refuses all but one of the
        attempts that come at once, and may answer the refused ones first.
        """
        others = [decided for of, decided in self._attempts.items() if of is not line]
        if others:
            await asyncio.wait(others)

    def opened(self, session: Session) -> float | None:
        """Add an open connection; return the seconds of the outage that it ends."""
        if self._gone_at is not None:
            # The line that was lost last may not have said so: what follows on its end
            # waits for the attempts of other lines, as this one.
            self._begin_outage(self._gone_at)
        self._gone_at, self._was_up = None, True
        self.open.add(session)
        return self.count_outage()

    def closed(self, session: Session) -> None:
        """Remove a connection."""
        if session in self.open:
            self.open.discard(session)
            session.outcome.was_alone = not self.open
            if not self.open:
                self._gone_at = session.outcome.at

    def went_stale(self) -> None:
        """Give open connections the time of `stale_timeout` anew: one was too silent.

        They are sent the same, and would be dropped together where the feed is quiet.
        """
        for session in self.open:
            session.expect_data()

    def lost(self, line: GroupedLine, at: float) -> bool:
        """Begin an outage when no connection is left; return whether there is one.

        At the start of a run there is none before the first attempt of each line has
        failed.

        Args:
            line: The line that is down.
            at: When its connection ended, or its first attempt failed.
        """
        if self.is_up:
            return False
        if not self._was_up:
            self._failed.setdefault(line, at)
            if len(self._failed) < len(self.lines):
                return False
            at = min(self._failed.values())
        self._begin_outage(at)
        return True

    def _begin_outage(self, at: float) -> None:
        if self._down_since is None:
            self._down_since = self._counted_to = at
            self._warns_at = at + _WARN_SECONDS
            self._run.counts.outages += 1
            self._count_on()

    def _count_on(self) -> None:
        """Count the outage up to now, and again each second: METRIC lines show it."""
        if self._down_since is not None and not self._run.is_over:
            self.count_so_far()
            self._loop.call_later(_COUNT_SECONDS, self._count_on)
            self._warn(self._loop.time() - self._down_since)

    def failing(self, where: str, attempts: int, reason: str) -> None:
        """Keep what became of the last attempt, for the log of an outage.

        Args:
            where: Scheme, host and port that it went to.
            attempts: How many have failed in a row.
            reason: Why it failed.
        """
        tried = counted(attempts, "attempt", "attempts")
        self._failing = f"{where}; {tried}; the last: {reason}"

    def _warn(self, seconds: float) -> None:
        """Warn of an outage that goes on, however long the next attempt takes."""
        if self._loop.time() >= self._warns_at:
            self._warns_at += _WARN_SECONDS
            self._run.outage_log(
                _LOGGER,
                "For %.0f s there has been no connection to %s. Nothing is received "
                "meanwhile: check the network, url and auth",
                seconds,
                self._failing,
            )

    def count_so_far(self) -> None:
        """Count the seconds of an outage up to now, if there is one; it goes on."""
        if self._down_since is not None:
            now = self._loop.time()
            self._run.counts.disconnected_seconds += now - self._counted_to
            self._counted_to = now

    def count_outage(self) -> float | None:
        """Count the seconds of the outage up to now, if there is one, and end it."""
        if self._down_since is None:
            return None
        self.count_so_far()
        seconds = self._loop.time() - self._down_since
        self._down_since = None
        self._run.outage_ended(self.number, seconds)
        return seconds

    def complete(self, session: Session) -> None:
        """End the group: a message on this connection said that its feed is complete.

        The other connections are closed after `overlap`, in which they may bring what
        came before that message and was missed here.
        """
        if self.is_complete:
            return
        self.is_complete = True
        if len(self.lines) > 1 or self.is_up_without(session):
            self._loop.call_later(self._overlap, self._close)

    def _close(self) -> None:
        if self._run.paused:
            # What they have not read yet would be lost.
            self._loop.call_later(self._overlap, self._close)
            return
        self.is_closed = True
        for session in list(self.open):
            session.end(NORMAL)
        for line in self.lines:
            line.give_up()
