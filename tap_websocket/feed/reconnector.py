"""One link to the feed: a connection at a time, opened again after a drop."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING

from tap_websocket.errors import ConnectionFailed, FeedError
from tap_websocket.expressions.placeholders import ConnectionBuiltins, PlaceholderValues
from tap_websocket.feed.inbound import CloseAction, Origin
from tap_websocket.feed.keepalive import Keepalive
from tap_websocket.feed.subscription import Subscription
from tap_websocket.network.errors import (
    HandshakeError,
    HandshakeRefused,
    is_retryable,
    retry_after,
)
from tap_websocket.transports.base import (
    ABNORMAL,
    LINGER_SECONDS,
    NO_CODE,
    Closing,
    Connection,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_websocket.expressions.templates import Template
    from tap_websocket.feed.dialer import Address
    from tap_websocket.feed.feed import Ending, Feed
    from tap_websocket.settings import ReconnectSettings

__all__ = ["Reconnector", "Session", "backoff"]

_LOGGER = logging.getLogger("tap-websocket")
_NORMAL = 1000
_GOING_AWAY = 1001
_MESSAGE_TOO_BIG = 1009
_CLOSE = 0x8
_PONG = 0xA
_REFUSED = "the credentials are refused: check auth, headers and url"
_ADVICE = {
    200: "that is a web page and not a WebSocket: check url",
    400: "the server does not take the request: check url, headers and subprotocols",
    401: _REFUSED,
    403: _REFUSED,
    404: "there is nothing at the path of url: check it",
}
"""What to do about an HTTP status."""


class Reconnector:
    """Keeps one connection of the run open, as the reconnect settings say."""

    def __init__(self, feed: Feed, context: Mapping[str, str]) -> None:
        """Make a link that is not connected yet."""
        self.feed = feed
        self.context = context
        self.values = PlaceholderValues(feed.settings.connection.placeholders, context)
        self.where = feed.dialer.label
        self._loop = asyncio.get_running_loop()
        self._attempts = 0
        self._too_big = 0
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
            session = Session(self)
            try:
                await self.feed.dialer.dial(
                    self.values,
                    session.live,
                    session,
                    session.dialing,
                )
            except HandshakeError as error:
                await self._retry_handshake(error)
                continue
            closing = await session.run()
            if session.directive is CloseAction.STOP:
                return
            if await self._closed(closing, session):
                return

    def opened(self) -> None:
        """Take notice of a connection: the outage is over, if there was one."""
        if self._down_since is None:
            return
        seconds = self._count_outage()
        self.feed.counts.reconnects += 1
        _LOGGER.info(
            "Connected again after %.1f s, at attempt %d; what the server sent in "
            "between is lost, unless the feed sends it again",
            seconds,
            self._attempts,
        )

    def produced(self) -> None:
        """Take notice of data: retries are counted from here."""
        self._attempts = 0
        self._too_big = 0

    def _count_outage(self) -> float:
        """Count the seconds of the outage that is over, if there was one."""
        if self._down_since is None:
            return 0.0
        seconds = self._loop.time() - self._down_since
        self._down_since = None
        self.feed.counts.disconnected_seconds += seconds
        return seconds

    async def _retry_handshake(self, error: HandshakeError) -> None:
        settings = self.feed.settings.reconnect
        where = self.where
        self.feed.failed(f"{error} ({where})")
        if not is_retryable(error):
            raise ConnectionFailed(_advice(where, error)) from error
        if not settings.reconnect:
            msg = f"{_advice(where, error)}; reconnect: true would try again"
            raise ConnectionFailed(msg) from error
        if self._down_since is None:
            _LOGGER.warning("Cannot connect to %s: %s; trying again", where, error)
            self._down_since = self._loop.time()
        await self._wait(str(error), retry_after(error, time.time()))

    async def _closed(self, closing: Closing, session: Session) -> bool:
        """Decide after the end of a connection.

        Returns:
            Whether the link is closed for good, as it should be.
        """
        settings = self.feed.settings.reconnect
        text = describe(closing, session.verdict)
        where = self.where
        if closing.code in settings.fatal_close_codes:
            msg = f"{where} closed with {text}, which fatal_close_codes names"
            raise FeedError(msg)
        if not settings.reconnect:
            if _is_clean(closing, session):
                return True
            msg = f"lost {where}: {text}; reconnect: true would go on"
            raise ConnectionFailed(msg)
        if closing.too_big or session.directive is CloseAction.TOO_BIG:
            self._too_big += 1
            if self._too_big > 1:
                most = self.feed.settings.connection.max_message_bytes
                msg = (
                    f"{where} keeps sending messages over max_message_bytes ({most}); "
                    "set it higher"
                )
                raise ConnectionFailed(msg)
        _LOGGER.warning("Lost %s: %s; reconnecting", where, text)
        self._down_since = self._loop.time()
        self.feed.failed(text)
        await self._wait(text, 0.0)
        return False

    async def _wait(self, reason: str, least: float) -> None:
        settings = self.feed.settings.reconnect
        self._attempts += 1
        most = settings.max_reconnect_attempts
        if most is not None and self._attempts > most:
            msg = (
                f"gave up on {self.where} after {most} retries "
                f"(max_reconnect_attempts); the last: {reason}"
            )
            raise ConnectionFailed(msg)
        jitter = random.random()  # noqa: S311 - no secret depends on it
        await asyncio.sleep(max(least, backoff(settings, self._attempts, jitter)))


class Session:
    """One connection, from its handshake to its end."""

    def __init__(self, link: Reconnector) -> None:
        """Make a session; the transport calls it back."""
        self._link = link
        self._feed = link.feed
        self._loop = asyncio.get_running_loop()
        self._connection: Connection | None = None
        self.ended: asyncio.Future[Closing] = self._loop.create_future()
        self.directive: CloseAction | None = None
        self.verdict = ""
        settings = self._feed.settings
        self.live = ConnectionBuiltins()
        self._keepalive = Keepalive(
            settings.subscription,
            schedule=self._loop.call_later,
            clock=self._loop.time,
            ping=self._ping,
            heartbeat=self._heartbeat,
            dead=self._dead,
            behind=self._is_behind,
        )
        self._subscription = Subscription(
            settings.subscription.subscribe_messages,
            interval=settings.subscription.subscribe_interval,
            send=self._say,
            complete=self._subscribed,
            late=self._dead,
            schedule=self._loop.call_later,
            clock=self._loop.time,
            behind=self._is_behind,
        )
        self.source = Origin(
            0,
            "",
            link.context,
            values=link.values,
            live=self.live,
            subscription=self._subscription
            if settings.subscription.subscribe_messages
            else None,
            send=self._send,
        )

    @property
    def awaits_reply(self) -> bool:
        """Whether a reply to the subscription is missing."""
        return self._subscription.awaiting

    async def run(self) -> Closing:
        """Wait for the end of the connection."""
        return await asyncio.shield(self.ended)

    def dialing(self, address: Address) -> None:
        """Take notice of where the connection will go to."""
        self._link.where = address.label
        self.source.url = address.public

    def opened(self, connection: Connection) -> None:
        """Take the open connection, and subscribe."""
        self._connection = connection
        self._link.opened()
        self.source.number = self._feed.opened(self)
        if self._feed.paused:
            self.pause()
        self._keepalive.start()
        self._subscription.start()

    def messages(self, payloads: list[bytes], *, binary: bool) -> None:
        """Take messages; after the end of the run they are dropped.

        What a server still sends behind the message by which it announced its end is
        taken; what it sends when its feed is complete is not.
        """
        if self._is_over():
            return
        outcome = self._feed.received(self, payloads, binary=binary)
        if outcome.messages:
            self._link.produced()
            self._keepalive.data()
        if outcome.directive is not None:
            self._obey(outcome.directive)

    def _is_over(self) -> bool:
        """Tell whether nothing more is taken."""
        return (
            self._feed.ended
            or self.ended.done()
            or self.directive in {CloseAction.STOP, CloseAction.TOO_BIG}
        )

    def control(self, opcode: int, payload: bytes) -> None:  # noqa: ARG002 - protocol
        """Take notice of a Close, Ping or Pong."""
        self._feed.inbound()
        if opcode == _CLOSE:
            # How the connection ends is known: no clock has a say any more.
            self._stop_clocks()
        elif opcode == _PONG:
            self._keepalive.pong()

    def closed(self, closing: Closing) -> None:
        """Take the end of the connection."""
        self._stop_clocks()
        self._connection = None
        self._feed.closed(self)
        if not self.ended.done():
            self.ended.set_result(closing)

    def pause(self) -> None:
        """Stop reading."""
        if self._connection is not None:
            self._connection.pause()
        self._keepalive.pause()
        self._subscription.pause()

    def resume(self) -> None:
        """Read again."""
        if self._connection is not None:
            self._connection.resume()
        self._keepalive.resume()
        self._subscription.resume()

    def end(self, ending: Ending) -> None:
        """Start the closing handshake, at the end of the run."""
        connection = self._connection
        if connection is None:
            return
        signalled = ending.reason.startswith("SIG")
        self._close(connection, _GOING_AWAY if signalled else _NORMAL)
        if self._feed.paused:
            # The answer stands behind everything that is not read any more.
            self._loop.call_later(LINGER_SECONDS, connection.abort)

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._connection is not None:
            self._connection.abort()

    def _obey(self, directive: CloseAction) -> None:
        """Close the connection, as a message asks."""
        connection = self._connection
        if connection is None or self.directive is not None:
            return
        self.directive = directive
        if directive is CloseAction.TOO_BIG:
            self.verdict = "a message is larger than max_message_bytes"
            self._close(connection, _MESSAGE_TOO_BIG)
            return
        if directive is CloseAction.RECONNECT:
            self.verdict = "a message rule asked for it"
        self._close(connection, _NORMAL)

    def _close(self, connection: Connection, code: int) -> None:
        """Start the closing handshake, behind which nothing is said any more."""
        self._stop_clocks()
        connection.close(code)

    def _stop_clocks(self) -> None:
        self._keepalive.stop()
        self._subscription.stop()

    def _subscribed(self) -> None:
        self._keepalive.subscribed()
        self._feed.complete()

    def _say(self, message: Template | bytes) -> None:
        """Send a message of the config, its placeholders filled in."""
        if not isinstance(message, bytes):
            moment = self.live.moment()
            self._send(message.render(self._link.values, moment))
        elif self._connection is not None:
            self._connection.send(message)

    def _send(self, text: str) -> None:
        if self._connection is not None:
            self._connection.send(text)

    def _heartbeat(self) -> None:
        message = self._feed.settings.subscription.heartbeat_message
        if message is not None:
            self._say(message)

    def _is_behind(self) -> bool:
        """Tell whether something that has arrived is not read yet."""
        return self._connection is not None and self._connection.has_unread()

    def _ping(self, payload: bytes) -> None:
        if self._connection is not None:
            self._connection.ping(payload)

    def _dead(self, reason: str) -> None:
        """Give up a connection that is dead, whatever its TCP says."""
        self.verdict = reason
        if self._connection is not None:
            self._connection.abort()
        self.closed(Closing(ABNORMAL, failure=reason))


def _is_clean(closing: Closing, session: Session) -> bool:
    """Tell whether the server ended its feed as it should, replies and all."""
    clean = closing.code in {_NORMAL, NO_CODE} and not session.verdict
    return clean and not session.awaits_reply


def describe(closing: Closing, verdict: str) -> str:
    """Say in a few words how a connection ended."""
    if verdict:
        return verdict
    if closing.failure:
        return closing.failure
    code = "no code" if closing.code == NO_CODE else f"code {closing.code}"
    reason = f" ({closing.reason!r})" if closing.reason else ""
    return f"a Close frame with {code}{reason}"


def _advice(where: str, error: HandshakeError) -> str:
    hint = _ADVICE.get(error.status) if isinstance(error, HandshakeRefused) else None
    return f"cannot connect to {where}: {error}{f'; {hint}' if hint else ''}"


def backoff(settings: ReconnectSettings, attempt: int, random: float) -> float:
    """Return the seconds to wait before a retry.

    Args:
        settings: `reconnect_backoff`, and `reconnect_backoff_max` where given.
        attempt: Number of this retry since the last success, from 1.
        random: A number from 0 to 1, for the jitter.
    """
    if settings.reconnect_backoff_max is None:
        return settings.reconnect_backoff
    doubled = settings.reconnect_backoff * 2.0 ** min(attempt - 1, 64)
    return min(doubled, settings.reconnect_backoff_max) * random
