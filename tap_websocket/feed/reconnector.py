"""One line to the feed: a connection at a time, opened again after a drop."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING

from tap_websocket.errors import ConnectionFailed, FeedError
from tap_websocket.expressions.placeholders import PlaceholderValues, TopicList
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
    from tap_websocket.feed.dialer import Dialer
    from tap_websocket.feed.run_state import RunState
    from tap_websocket.settings import ReconnectSettings, Settings
    from tap_websocket.settings.connections import PlannedConnection

__all__ = ["Reconnector", "backoff"]

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

_MAX_DOUBLINGS = 64
"""More doublings reach any `reconnect_backoff_max`, and floats end at 2^1024."""


class Reconnector:
    """Keeps one connection of the run open, as the reconnect settings say.

    Attributes:
        values: The values of placeholders; captured ones outlive a connection.
        context: Keys and values that are columns of the records.
        topics: What the connection asks for.
    """

    def __init__(
        self,
        run: RunState,
        dialer: Dialer,
        settings: Settings,
        planned: PlannedConnection,
    ) -> None:
        """Make one that is not connected yet, within the running loop."""
        self._run = run
        self._dialer = dialer
        self._settings = settings
        self.context = planned.context
        self.topics = planned.topics
        separator = settings.topics.topic_separator
        listed = {TOPICS: TopicList(self.topics, separator)} if self.topics else {}
        self.values = PlaceholderValues(
            settings.connection.placeholders,
            {**self.context, **planned.secrets, **listed},
        )
        self._loop = asyncio.get_running_loop()
        # Scheme, host and port of the last attempt, for logs.
        self._label = dialer.label
        # Retries since the last data message.
        self._attempts = 0
        # Connections in a row that ended with a message over max_message_bytes.
        self._too_big = 0
        # When the outage began, by the loop's clock; None while connected.
        self._down_since: float | None = None

    async def run(self) -> None:
        """Keep the connection open until it is closed for good.

        Raises:
            TapError: When it failed for good.
        """
        try:
            await self._keep_open()
        finally:
            self._count_outage()

    async def _keep_open(self) -> None:
        while True:
            session = Session(self._run, self._settings, self)
            try:
                await self._dialer.dial(
                    self.values,
                    session.builtins,
                    session,
                    session.dialing,
                )
            except HandshakeError as error:
                await self._retry_handshake(error)
                continue
            # The run's end cancels this task, and not the connection's end.
            await asyncio.shield(session.ended)
            if session.directive is CloseAction.STOP:
                return
            if await self._is_done_after(session):
                return

    def dialing(self, session: Session, label: str) -> None:  # noqa: ARG002 - protocol
        """Keep where the attempt goes to, for logs."""
        self._label = label

    def opened(self, session: Session) -> None:  # noqa: ARG002 - protocol
        """End the outage, if there was one."""
        if self._down_since is None:
            return
        seconds = self._count_outage()
        self._run.counts.reconnects += 1
        _LOGGER.info(
            "Connected again after %.1f s, at attempt %d; what the server sent in "
            "between is lost, unless the feed sends it again",
            seconds,
            self._attempts,
        )

    def produced(self, session: Session) -> None:  # noqa: ARG002 - protocol
        """Reset the count of retries: the connection is a good one."""
        self._attempts = 0
        self._too_big = 0

    def _count_outage(self) -> float:
        """Count the seconds of the outage that is over, if there was one."""
        if self._down_since is None:
            return 0.0
        seconds = self._loop.time() - self._down_since
        self._down_since = None
        self._run.counts.disconnected_seconds += seconds
        return seconds

    async def _retry_handshake(self, error: HandshakeError) -> None:
        """Wait before the next attempt.

        Raises:
            ConnectionFailed: When there is none.
        """
        where = self._label
        self._run.failed(f"{error} ({where})")
        if not is_retryable(error):
            raise ConnectionFailed(_advice(where, error)) from error
        if not self._settings.reconnect.reconnect:
            msg = f"{_advice(where, error)}; reconnect: true would try again"
            raise ConnectionFailed(msg) from error
        if self._down_since is None:
            _LOGGER.warning("Cannot connect to %s: %s; trying again", where, error)
            self._down_since = self._loop.time()
        await self._wait(str(error), retry_after(error, time.time()))

    async def _is_done_after(self, session: Session) -> bool:
        """Decide after the end of a connection; wait where another one follows.

        Returns:
            Whether there is none, and should be none.

        Raises:
            TapError: When there is none, and should be one.
        """
        settings = self._settings.reconnect
        closing, text, where = (
            session.ended.result(),
            session.describe_end(),
            self._label,
        )
        if closing.code in settings.fatal_close_codes:
            msg = f"{where} closed with {text}, which fatal_close_codes names"
            raise FeedError(msg)
        if not settings.reconnect:
            if session.ended_cleanly:
                return True
            msg = f"lost {where}: {text}; reconnect: true would go on"
            raise ConnectionFailed(msg)
        if closing.too_big or session.directive is CloseAction.TOO_BIG:
            self._count_too_big()
        _LOGGER.warning("Lost %s: %s; reconnecting", where, text)
        self._down_since = self._loop.time()
        self._run.failed(text)
        await self._wait(text, 0.0)
        return False

    def _count_too_big(self) -> None:
        """Count a connection that a large message ended.

        Raises:
            ConnectionFailed: At the second one without data in between: the same
                message would end every other connection, too.
        """
        self._too_big += 1
        if self._too_big > 1:
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
        if limit is not None and self._attempts > limit:
            msg = (
                f"gave up on {self._label} after {limit} retries "
                f"(max_reconnect_attempts); the last: {reason}"
            )
            raise ConnectionFailed(msg)
        jitter = random.random()  # noqa: S311 - no secret depends on it
        await asyncio.sleep(max(least, backoff(settings, self._attempts, jitter)))


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


def backoff(settings: ReconnectSettings, attempt: int, random: float) -> float:
    """Return the seconds to wait before a retry.

    Args:
        settings: `reconnect_backoff`, and `reconnect_backoff_max` where given.
        attempt: Number of this retry since the last data message, from 1.
        random: A number from 0 to 1, for the jitter.
    """
    if settings.reconnect_backoff_max is None:
        return settings.reconnect_backoff
    doubled = settings.reconnect_backoff * 2.0 ** min(attempt - 1, _MAX_DOUBLINGS)
    return min(doubled, settings.reconnect_backoff_max) * random
