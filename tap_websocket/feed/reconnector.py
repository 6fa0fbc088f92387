"""One line to the feed: a connection at a time, opened again or replaced."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, Any

from tap_websocket.errors import ConnectionFailed, FeedError, TapError
from tap_websocket.expressions.placeholders import PlaceholderValues, TopicList
from tap_websocket.feed.backoff import (
    MAX_REFUSED_SECONDS,
    backoff,
    refused_backoff,
)
from tap_websocket.feed.inbound import CloseAction
from tap_websocket.feed.session import Session
from tap_websocket.network.errors import (
    HandshakeError,
    HandshakeRefused,
    is_retryable,
    retry_after,
)
from tap_websocket.settings.topics import TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_websocket.feed.dialer import Dialer
    from tap_websocket.feed.lines import Group
    from tap_websocket.feed.run_state import RunState
    from tap_websocket.settings import Settings
    from tap_websocket.settings.connections import PlannedConnection

__all__ = ["Reconnector"]

_LOGGER = logging.getLogger("tap-websocket")
_REFUSED = "the credentials are refused: check auth, headers and url"
_BAD_REQUEST = 400
_ADVICE = {
    200: "that is a web page and not a WebSocket: check url",
    _BAD_REQUEST: (
        "the server does not take the request: check url, headers (some servers want "
        "an Origin) and subprotocols"
    ),
    401: _REFUSED,
    403: f"{_REFUSED}; some servers want a header Origin",
    404: "there is nothing at the path of url: check it",
    426: "the server wants another protocol: check the path of url and subprotocols",
}
"""What to do about an HTTP status."""

_NORMAL = 1000
_REFUSING_CODES = frozenset({1008, *range(4000, 5000)})
"""With these a server says what it thinks of a connection: a policy violation
(RFC 6455, section 7.4.1), and private codes."""

_LIFETIME_JITTER = 0.05
"""Share of `connection_lifetime` that is left out at random, so that lines are not
replaced together."""


class Reconnector:
    """Keeps one line of a group connected, as the reconnect settings say.

    A connection that ends is opened again; one that is to be replaced goes on until
    the next one has taken its place.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        run: RunState,
        dialer: Dialer,
        settings: Settings,
        *,
        group: Group,
        planned: PlannedConnection,
        number: int = 0,
    ) -> None:
        """Make a line that is not connected yet, within the running loop.

        Args:
            run: The state of the run.
            dialer: Opens connections.
            settings: All settings.
            group: The lines that bring the same messages.
            planned: What its connections are for.
            number: Of the line within the group, from 0.
        """
        self._run = run
        self._dialer = dialer
        self._settings = settings
        self._group = group
        self._planned = planned
        self._loop = asyncio.get_running_loop()
        self._urls = (settings.connection.url, *settings.continuity.alternate_urls)
        # Index of the address that the next attempt goes to.
        self._url = number % len(self._urls)
        separator = settings.topics.topic_separator
        topics = planned.topics
        listed = {TOPICS: TopicList(topics, separator)} if topics else {}
        # The values of placeholders; those of the current connection.
        self._values = PlaceholderValues(
            settings.connection.placeholders,
            {**planned.context, **planned.secrets, **listed},
            shared=group.captured,
            shared_names=settings.subscription.message_rules.shared_names,
        )
        # The task that keeps the line connected.
        self._work: asyncio.Task[None] | None = None
        # Scheme, host and port of the last attempt, for logs.
        self._label = dialer.label
        # Retries since the last data message, for the wait; and those of them while no
        # line of the group was up, for max_reconnect_attempts.
        self._attempts = 0
        self._counted = 0
        # Attempts in a row that failed, each at another address, and those of them
        # that trying again would not help.
        self._failures = 0
        self._finals = 0
        # Times in a row that the server refused this line while another one was up.
        self._refusals = 0
        # Connections in a row that ended with a message over max_message_bytes.
        self._too_big = 0
        # The connection that the line follows; None while it has none.
        self._current: Session | None = None
        # When the last connection was opened, by the loop's clock; None before it.
        self._opened_at: float | None = None
        # When the line went down, by the loop's clock; None while it is up.
        self._down_since: float | None = None
        group.lines.append(self)

    async def run(self) -> None:
        """Keep the line connected until it is closed for good.

        Raises:
            TapError: When it failed for good.
        """
        self._work = self._loop.create_task(self._keep_open())
        try:
            await self._work
        except asyncio.CancelledError:
            # Either the group is complete, or the run is over and cancels this, too.
            if not self._group.is_complete:
                raise
        finally:
            if not self._group.is_up:
                self._group.count_outage()

    def give_up(self) -> None:
        """Stop connecting: the group is complete, and its connections are closed."""
        current = self._current
        if self._work is not None and (current is None or current.ended.done()):
            self._work.cancel()

    async def _keep_open(self) -> None:
        session: Session | None = await self._connect()
        while session is not None:
            session = await self._next(session)

    async def _connect(self, announced: frozenset[str] = frozenset()) -> Session:
        """Open a connection; try until there is one.

        Args:
            announced: Names of captured values that serve the first attempt alone.

        Raises:
            TapError: When it failed for good.
        """
        self._current = None
        while True:
            session = self._make_session()
            serves, announced = announced, frozenset()
            try:
                await self._dial(session, self._urls[0] if serves else None)
            except HandshakeError as error:
                if serves:
                    # Whatever is wrong with what was announced, `url` is as it was.
                    _LOGGER.info("Cannot connect to %s: %s", self._label, error)
                else:
                    await self._retry(error)
            except TapError as error:
                # No credentials are to be had, or no URL.
                if not await self._is_redundant():
                    raise
                await self._wait_refused(f"cannot connect: {error}")
            else:
                return session
            finally:
                for values in (self._values, session.values):
                    values.forget(serves)

    async def _connect_after(
        self, error: Exception, old: Session, *, announced: frozenset[str]
    ) -> Session:
        """Go on after a failed replacement, whose old connection has ended meanwhile.

        Raises:
            TapError: When the line failed for good.
        """
        if isinstance(error, HandshakeError) and not announced:
            await self._retry(error)
        return await self._connect(old.forgotten)

    def _make_session(self) -> Session:
        return Session(
            self._run,
            self._settings,
            self,
            values=self._values.branch(),
            planned=self._planned,
            group=self._group.number,
        )

    async def _dial(self, session: Session, url: str | None = None) -> None:
        """Make one connection attempt; what it changes in the line comes with success.

        Raises:
            HandshakeError: When it failed.
            TapError: When there are no credentials to be had, or no URL.
        """
        with self._group.attempt(self):
            try:
                await self._dialer.dial(
                    self._urls[self._url] if url is None else url,
                    session.values,
                    session.builtins,
                    session,
                    session.dialing,
                )
            except BaseException:
                # It may be open: an attempt is cancelled at any moment.
                session.abort()
                self._run.dropped(session.origin)
                raise

    async def _next(self, session: Session) -> Session | None:
        """Wait until another connection is the line's; return it, or None for none.

        Raises:
            TapError: When the line failed for good.
        """
        self._current, self._values = session, session.values
        if self._group.is_closed:
            session.end(_NORMAL)
        await _first(session.ended, session.replacement)
        if not session.ended.done():
            _LOGGER.info(
                "Replacing the connection to %s: %s",
                self._label,
                session.replacement.result(),
            )
            return await self._replace(session)
        return await self._reconnect(session)

    async def _reconnect(self, session: Session) -> Session | None:
        """Return the connection that follows one that has ended, or None."""
        # Where the group is complete it may still be open, for `overlap`.
        await _first(session.ended)
        if await self._is_done_after(session):
            return None
        if session.refused:
            await self._wait_refused(session.describe_end())
        else:
            await self._wait(session.describe_end(), session.retry_after)
        return await self._connect(session.forgotten)

    async def _replace(self, old: Session) -> Session | None:
        """Open a connection in place of one that is still open.

        The old one is as good as it was until the new one is subscribed; an attempt
        that fails is followed by another one for as long as it lives.

        Returns:
            The line's next connection, or None for none.
        """
        attempt = 0
        while not old.ended.done():
            attempt += 1
            # Another announcement may come while this attempt is made.
            announced, old.forgotten = old.forgotten, frozenset()
            new = self._make_session()
            error = await self._attempt_replacement(old, new, announced)
            if error is not None and self._group.is_complete:
                break
            if error is None:
                failure = await self._take_over(old, new)
                if failure is None:
                    return new
            elif self._down_since is not None:
                # The old connection has ended meanwhile: this was the next one's.
                if await self._is_done_after(old):
                    return None
                return await self._connect_after(error, old, announced=announced)
            else:
                failure = str(error)
                self._url = (self._url + 1) % len(self._urls)
            if self._group.is_complete or old.ended.done():
                break
            await self._wait_to_replace(old, attempt, failure)
        return await self._reconnect(old)

    async def _attempt_replacement(
        self, old: Session, new: Session, announced: frozenset[str]
    ) -> Exception | None:
        """Open a connection beside another one; return why it could not be opened.

        Args:
            old: The connection that is open, which may end meanwhile.
            new: The one to be opened.
            announced: Names of captured values that serve this attempt alone.
        """
        dialing = self._loop.create_task(
            self._dial(new, self._urls[0] if announced else None)
        )
        try:
            await _first(old.ended, dialing)
            if not dialing.done() and not self._group.is_complete:
                # The attempt under way is that of the next connection. How the old one
                # ended counts only where this fails: the server may close it for the
                # new one's sake.
                self._log_lost(old, "its replacement is under way")
                await _first(dialing)
            if not dialing.done():
                msg = "the feed is complete"
                return ConnectionFailed(msg)
            await dialing
        except (HandshakeError, TapError) as error:
            return error
        finally:
            dialing.cancel()
            for values in (old.values, new.values):
                values.forget(announced)
        return None

    async def _take_over(self, old: Session, new: Session) -> str | None:
        """Wait until a new connection has taken an old one's place.

        Returns:
            Why it did not, or None: the old one is closed then.
        """
        await _first(new.ended, new.subscribed, old.ended)
        # The first of 200 topics may bring data before the last one is in force, so
        # the old connection is kept for a while, always.
        while not new.ended.done() and not old.ended.done():
            await _first(
                new.ended, old.ended, seconds=self._settings.continuity.overlap
            )
            if not new.ended.done() and not self._run.paused:
                break
        if new.ended.done() and not old.ended.done():
            return new.describe_end()
        # While reading is paused nothing is closed: what is not read would be lost.
        old.end(_NORMAL)
        return None

    async def _wait_to_replace(self, old: Session, attempt: int, reason: str) -> None:
        """Wait before another attempt at a replacement, while the old one lives."""
        seconds = refused_backoff(self._settings.reconnect, attempt)
        log = _LOGGER.warning if attempt == 1 else _LOGGER.info
        log(
            "The connection to %s could not be replaced: %s; it goes on, and the next "
            "attempt is in %.1f s",
            self._label,
            reason,
            seconds,
        )
        await _first(old.ended, seconds=seconds)

    def dialing(self, session: Session, label: str) -> None:
        """Keep where the attempt goes to, for logs."""
        self._label = label
        # From here on the connection may bring what another line brings.
        self._run.dialing(session.origin)

    def opened(self, session: Session) -> None:
        """End the outage, if there was one."""
        down_since, self._down_since = self._down_since, None
        self._failures = self._finals = 0
        if self._opened_at is not None or down_since is not None:
            self._run.counts.reconnects += 1
        self._opened_at = self._loop.time()
        lifetime = self._settings.continuity.connection_lifetime
        if lifetime is not None:
            jitter = random.random()  # noqa: S311 - no secret depends on it
            session.replace_after(lifetime * (1 - _LIFETIME_JITTER * jitter))
        outage = self._group.opened(session)
        if down_since is None:
            return
        if outage is None:
            _LOGGER.info(
                "The line to %s is back after %.1f s, at attempt %d",
                self._label,
                self._loop.time() - down_since,
                self._attempts,
            )
            return
        _LOGGER.info(
            "Connected again after %.1f s, at attempt %d; what the server sent in "
            "between is lost, unless the feed sends it again",
            outage,
            self._attempts,
        )

    def produced(self, session: Session) -> None:  # noqa: ARG002 - protocol
        """Reset the count of retries: the connection is a good one."""
        self._attempts = self._counted = 0
        self._too_big = 0

    def completed(self, session: Session) -> None:
        """End the group: its feed is complete."""
        self._group.complete(session)

    def learn(self, secrets: Iterable[str]) -> None:
        """Take what must not show in any output."""
        self._dialer.learn(secrets)

    async def refresh_credentials(self, session: Session) -> bool:
        """Replace credentials that were refused; return whether there are others."""
        return await self._dialer.refresh(session.values, session.builtins)

    def outlives(self, session: Session) -> bool:
        """Return whether what is fatal ends this connection alone.

        It does while its subscription is not complete and another connection of the
        group is open: the feed is received there.
        """
        return not session.subscribed.done() and self._group.is_up_without(session)

    def closed(self, session: Session) -> None:
        """Count the connection as gone."""
        self._group.closed(session)
        self._run.dropped(session.origin)

    async def _is_redundant(self) -> bool:
        """Return whether another line of the group is up, so that this one may fail."""
        await self._group.others_decided(self)
        return self._group.is_up

    async def _retry(self, error: HandshakeError) -> None:
        """Wait before the next attempt, at the next address.

        Raises:
            ConnectionFailed: When there is none.
        """
        where = self._label
        self._run.failed(f"{error} ({where})")
        self._url = (self._url + 1) % len(self._urls)
        self._failures += 1
        retryable = is_retryable(error)
        self._finals = 0 if retryable else self._finals + 1
        reconnects = self._settings.reconnect.reconnect
        tried = self._failures if not reconnects else self._finals
        if not (retryable and reconnects) and tried < len(self._urls):
            # Another address may take us.
            _LOGGER.warning("Cannot connect to %s: %s; trying the next", where, error)
            return
        if not retryable:
            if await self._is_redundant():
                await self._wait_refused(_advice(where, error))
                return
            raise ConnectionFailed(_advice(where, error)) from error
        if not reconnects:
            msg = f"{_advice(where, error)}; reconnect: true would try again"
            raise ConnectionFailed(msg) from error
        if self._down_since is None:
            self._down_since = self._loop.time()
            is_outage = self._group.lost(self._down_since)
            log = _LOGGER.warning if is_outage else _LOGGER.info
            log("Cannot connect to %s: %s; trying again", where, error)
        await self._wait(str(error), retry_after(error, time.time()))

    async def _is_done_after(self, session: Session) -> bool:
        """Decide after the end of a connection.

        Returns:
            Whether no other one follows, and none should.

        Raises:
            TapError: When none follows, and one should.
        """
        if session.directive is CloseAction.STOP or self._group.is_complete:
            return True
        settings = self._settings.reconnect
        closing, text = session.ended.result(), session.describe_end()
        where = self._label
        await self._judge_code(session, closing.code)
        if not settings.reconnect:
            if session.ended_cleanly:
                return True
            msg = f"lost {where}: {text}; reconnect: true would go on"
            raise ConnectionFailed(msg)
        if closing.too_big or session.directive is CloseAction.TOO_BIG:
            self._count_too_big()
        if not session.origin.sequence:
            # It brought nothing: an attempt that failed, as it were.
            self._url = (self._url + 1) % len(self._urls)
        self._run.failed(text)
        self._log_lost(session, "reconnecting")
        return False

    def _log_lost(self, session: Session, then: str) -> None:
        """Log that the line is down, once; it may be the beginning of an outage."""
        if self._down_since is not None:
            return
        self._down_since = session.ended_at
        where, text = self._label, session.describe_end()
        if self._group.lost(session.ended_at):
            _LOGGER.warning("Lost %s: %s; %s", where, text, then)
        elif not session.refused:
            _LOGGER.info(
                "Lost a line to %s: %s; %s, while another one is up", where, text, then
            )

    async def _judge_code(self, session: Session, code: int) -> None:
        """Decide what a close code means beside the end of the connection.

        Raises:
            FeedError: When `fatal_close_codes` names it and no other line is up.
        """
        opened_at = self._opened_at or 0.0
        if session.ended_at - opened_at > MAX_REFUSED_SECONDS:
            self._refusals = 0
        if code in self._settings.reconnect.fatal_close_codes:
            if not await self._is_redundant():
                text = session.describe_end()
                msg = f"{self._label} closed with {text}, which fatal_close_codes names"
                raise FeedError(msg)
            session.refused = True
        elif self._group.is_up and code in _REFUSING_CODES:
            # One connection for each account, it may be: to come back at once would
            # cost the other line its own.
            session.refused = True

    def _count_too_big(self) -> None:
        """Count a connection that a large message ended.

        Raises:
            ConnectionFailed: At the second one without data in between: the same
                message would end every other connection, too.
        """
        self._too_big += 1
        if self._too_big > 1 and not self._group.is_up:
            limit = self._settings.connection.max_message_bytes
            msg = (
                f"{self._label} keeps sending messages over max_message_bytes "
                f"({limit}); set it higher"
            )
            raise ConnectionFailed(msg)

    async def _wait(self, reason: str, least: float) -> None:
        """Wait before a retry, at least this many seconds.

        Raises:
            ConnectionFailed: When `max_reconnect_attempts` are used up.
        """
        settings = self._settings.reconnect
        self._attempts += 1
        limit = settings.max_reconnect_attempts
        if limit is not None and not await self._is_redundant():
            self._counted += 1
            if self._counted > limit:
                msg = (
                    f"gave up on {self._label} after {limit} retries "
                    f"(max_reconnect_attempts); the last: {reason}"
                )
                raise ConnectionFailed(msg)
        jitter = random.random()  # noqa: S311 - no secret depends on it
        await asyncio.sleep(max(least, backoff(settings, self._attempts, jitter)))

    async def _wait_refused(self, reason: str) -> None:
        """Wait before a server is asked again that refused this line alone."""
        self._attempts += 1
        self._refusals += 1
        if self._down_since is None:
            self._down_since = self._loop.time()
        seconds = refused_backoff(self._settings.reconnect, self._refusals)
        log = _LOGGER.warning if self._refusals == 1 else _LOGGER.info
        log(
            "A line to %s is refused while another one is up: %s; the next attempt is "
            "in %.1f s",
            self._label,
            reason,
            seconds,
        )
        await asyncio.sleep(seconds)


async def _first(*futures: asyncio.Future[Any], seconds: float | None = None) -> None:
    """Wait for one of several futures, or for a number of seconds; cancel none."""
    await asyncio.wait(futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)


def _advice(where: str, error: HandshakeError) -> str:
    hint = _ADVICE.get(error.status) if isinstance(error, HandshakeRefused) else None
    text = f"cannot connect to {where}: {error}{f'; {hint}' if hint else ''}"
    if (
        isinstance(error, HandshakeRefused)
        and error.status == _BAD_REQUEST
        and where.startswith("ws:")
    ):
        # What nginx answers on a port that speaks TLS.
        text += "; if the port speaks TLS, write wss://"
    return text
