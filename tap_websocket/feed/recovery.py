"""What follows when a line has no connection: an error, its end, or another try."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING

from tap_websocket.errors import ConnectionFailed, FeedError
from tap_websocket.feed.advice import cannot_connect
from tap_websocket.feed.inbound import CloseAction
from tap_websocket.feed.retries import Retries
from tap_websocket.network.errors import is_retryable, retry_after
from tap_websocket.wording import counted

if TYPE_CHECKING:
    from tap_websocket.errors import TapError
    from tap_websocket.feed.group import Group, GroupedLine
    from tap_websocket.feed.run_state import RunState
    from tap_websocket.feed.session import Session
    from tap_websocket.network.errors import HandshakeError
    from tap_websocket.settings import Settings

__all__ = ["Recovery"]

_LOGGER = logging.getLogger("tap-websocket")
_REFUSING_CODES = frozenset({1008, *range(4000, 5000)})
"""With these a server says what it thinks of a connection: a policy violation
(RFC 6455, section 7.4.1), and private codes."""


class Recovery:
    """Judges each failure of one line, waits where another try follows, and logs it.

    Made within the running loop.

    Args:
        run: The state of the run.
        settings: All settings.
        line: The line that recovers.
        group: The lines that bring the same messages.
        number: Of the line within the group, from 0.
        label: What logs call the feed before the first attempt.

    Attributes:
        label: Scheme, host and port of the last attempt, for logs; each attempt sets
            it, since placeholders and redirects may change it.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        run: RunState,
        settings: Settings,
        *,
        line: GroupedLine,
        group: Group,
        number: int,
        label: str,
    ) -> None:
        self.label = label
        self._run = run
        self._settings = settings
        self._line = line
        self._group = group
        self._loop = asyncio.get_running_loop()
        self._urls = (settings.connection.url, *settings.continuity.alternate_urls)
        # Index of the line's own address, and of the one that the next attempt goes to:
        # a failure moves it on.
        self._url = self._home = number % len(self._urls)
        # The last connection that was opened, until it brings data; else None.
        self._unproven: Session | None = None
        # What went wrong in a row.
        self._retries = Retries(settings.reconnect, len(self._urls))
        self._is_numbered = settings.continuity.sequence is not None
        # When the last connection was opened, by the loop's clock; None before it.
        self._opened_at: float | None = None
        # When the line went down, by the loop's clock; None while it is up, and until
        # its first attempt has failed.
        self._down_since: float | None = None

    @property
    def is_down(self) -> bool:
        """Whether the line has no connection, and that was logged."""
        return self._down_since is not None

    def address(self, *, announced: bool) -> str:
        """Return where the next attempt goes to, placeholders as they are.

        Args:
            announced: A server has said where, in values that `url` holds; alternate
                addresses do not.
        """
        return self._urls[0 if announced else self._url]

    def skip_address(self) -> None:
        """Have the next attempt go to the next address."""
        self._url = (self._url + 1) % len(self._urls)

    def opened(self, session: Session) -> None:
        """End the outage, if there was one."""
        down_since, self._down_since = self._down_since, None
        self._retries.opened()
        if self._opened_at is not None or down_since is not None:
            self._run.counts.reconnects += 1
        self._opened_at = self._loop.time()
        self._unproven = session
        outage = self._group.opened(session)
        if down_since is None and outage is None:
            return
        if down_since is not None and outage is None:
            _LOGGER.info(
                "The line to %s is back after %.1f s, at attempt %d",
                session.label,
                self._loop.time() - down_since,
                self._retries.attempts,
            )
            return
        _LOGGER.info(
            "Connected again after %.1f s, at attempt %d; what the server sent in "
            "between %s, unless the feed sends it again",
            outage,
            self._retries.attempts,
            "counts as missing (sequence)" if self._is_numbered else "is lost",
        )

    def produced(self, session: Session) -> None:
        """Reset the count of retries: the connection is a good one."""
        self._retries.produced()
        if session is self._unproven:
            # The next one is tried at the line's own address again: lines that stay
            # where they fled to would all be lost together.
            self._unproven, self._url = None, self._home

    def log_lost(self, session: Session, then: str) -> None:
        """Log that the line is down, once; it may be the beginning of an outage.

        Args:
            session: The connection that has ended.
            then: What follows.
        """
        if self._down_since is not None:
            return
        self._down_since = session.outcome.at
        where, text = session.label, session.outcome.describe()
        if self._group.lost(self._line, session.outcome.at):
            _LOGGER.warning("Lost %s: %s; %s", where, text, then)
        elif not session.outcome.refused:
            _LOGGER.info(
                "Lost a line to %s: %s; %s, while another one is up", where, text, then
            )

    async def after_refusal(self, error: HandshakeError) -> None:
        """Wait before the attempt that follows a failed one, at the next address.

        Raises:
            ConnectionFailed: When none follows.
        """
        where = self.label
        self._run.diagnosis.failed(f"{error} ({where})")
        self.skip_address()
        retryable = is_retryable(error)
        if self._retries.failed(final=not retryable):
            _LOGGER.warning("Cannot connect to %s: %s; trying the next", where, error)
            return
        if not retryable:
            if await self._is_redundant():
                await self._wait_refused(where, cannot_connect(where, error))
                return
            raise ConnectionFailed(cannot_connect(where, error)) from error
        if not self._settings.reconnect.reconnect:
            msg = f"{cannot_connect(where, error)}; reconnect: true would try again"
            raise ConnectionFailed(msg) from error
        if self._down_since is None:
            self._down_since = self._loop.time()
            is_outage = self._group.lost(self._line, self._down_since)
            log = _LOGGER.warning if is_outage else _LOGGER.info
            log("Cannot connect to %s: %s; trying again", where, error)
        await self._wait(where, str(error), retry_after(error, time.time()))

    async def after_error(self, error: TapError) -> None:
        """Wait after an attempt without credentials or URL, if another line is up.

        Raises:
            TapError: When none is: this error.
        """
        if not await self._is_redundant():
            raise error
        await self._wait_refused(self.label, f"cannot connect: {error}")

    async def is_done_after(self, session: Session) -> bool:
        """Decide after the end of a connection.

        Returns:
            Whether no other one follows, and none should.

        Raises:
            TapError: When none follows, and one should.
        """
        if session.directive is CloseAction.STOP or self._group.is_complete:
            return True
        closing, text = session.ended.result(), session.outcome.describe()
        await self._judge_code(session, closing.code)
        if not self._settings.reconnect.reconnect:
            if session.ended_cleanly:
                return True
            msg = f"lost {session.label}: {text}; reconnect: true would go on"
            raise ConnectionFailed(msg)
        if closing.too_big or session.directive is CloseAction.TOO_BIG:
            self._judge_too_big(session)
        if not session.has_data:
            # It brought nothing: an attempt that failed, as it were.
            self.skip_address()
        self._run.diagnosis.failed(text)
        self.log_lost(session, "reconnecting")
        return False

    async def wait_after(self, session: Session) -> None:
        """Wait before the attempt that follows the end of a connection.

        Raises:
            ConnectionFailed: When `max_reconnect_attempts` are used up.
        """
        if session.outcome.refused:
            await self._wait_refused(session.label, session.outcome.describe())
        else:
            text = session.outcome.describe()
            await self._wait(session.label, text, session.outcome.retry_after)

    async def _is_redundant(self) -> bool:
        """Return whether another line of the group is up, so that this one may fail."""
        if not self._group.is_up:
            await self._group.others_decided(self._line)
        return self._group.is_up

    async def _judge_code(self, session: Session, code: int) -> None:
        """Decide what a close code means beside the end of the connection.

        Raises:
            FeedError: When `fatal_close_codes` names it and no other line is up.
        """
        self._retries.lasted(session.outcome.at - (self._opened_at or 0.0))
        if code in self._settings.reconnect.fatal_close_codes:
            if session.outcome.was_alone and not await self._is_redundant():
                text = session.outcome.describe()
                msg = (
                    f"{session.label} closed with {text}, which fatal_close_codes names"
                )
                raise FeedError(msg)
            session.outcome.refused = True
        elif self._group.is_up and code in _REFUSING_CODES:
            # One connection for each account, it may be: to come back at once would
            # cost the other line its own.
            session.outcome.refused = True

    def _judge_too_big(self, session: Session) -> None:
        """Decide whether a connection may follow one that a large message ended.

        Raises:
            ConnectionFailed: When large messages end one after the other.
        """
        if self._retries.was_too_big() and not self._group.is_up:
            limit = self._settings.connection.max_message_bytes
            msg = (
                f"{session.label} keeps sending messages over max_message_bytes "
                f"({limit}); set it higher"
            )
            raise ConnectionFailed(msg)

    async def _wait(self, where: str, reason: str, least: float) -> None:
        """Wait before a retry, at least this many seconds.

        Raises:
            ConnectionFailed: When `max_reconnect_attempts` are used up.
        """
        limit = self._settings.reconnect.max_reconnect_attempts
        redundant = limit is not None and await self._is_redundant()
        if not self._retries.count(redundant=redundant):
            retries = counted(limit or 0, "retry", "retries")
            msg = (
                f"gave up on {where} after {retries} "
                f"(max_reconnect_attempts); the last: {reason}"
            )
            raise ConnectionFailed(msg)
        self._group.failing(where, self._retries.attempts, reason)
        jitter = random.random()  # noqa: S311 - no secret depends on it
        await asyncio.sleep(self._retries.wait(least, jitter))

    async def _wait_refused(self, where: str, reason: str) -> None:
        """Wait before a server is asked again that refused this line alone."""
        if self._down_since is None:
            self._down_since = self._loop.time()
        seconds = self._retries.wait_refused()
        self._group.failing(where, self._retries.attempts, reason)
        log = _LOGGER.warning if self._retries.refusals == 1 else _LOGGER.info
        log(
            "A line to %s is refused while another one is up: %s; the next attempt is "
            "in %.1f s",
            where,
            reason,
            seconds,
        )
        await asyncio.sleep(seconds)
