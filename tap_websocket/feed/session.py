"""One connection, from its handshake to its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from tap_websocket.errors import FeedError
from tap_websocket.expressions.placeholders import ConnectionBuiltins
from tap_websocket.feed.inbound import TAKES_NOTHING, BatchResult, CloseAction, Origin
from tap_websocket.feed.outbound import Outbound
from tap_websocket.feed.outcome import Outcome
from tap_websocket.feed.replacement_request import ReplacementRequest
from tap_websocket.jsontext import text_of
from tap_websocket.transports.base import LINGER_SECONDS, Closing, Connection
from tap_websocket.transports.rfc6455 import (
    ABNORMAL,
    CLOSE,
    NORMAL,
    PONG,
    TOO_BIG,
)
from tap_websocket.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tap_websocket.errors import TapError
    from tap_websocket.expressions.placeholders import PlaceholderValues
    from tap_websocket.feed.body_room import BodyRoom
    from tap_websocket.feed.dialer import Address
    from tap_websocket.feed.run_state import RunState
    from tap_websocket.settings import Item, Settings
    from tap_websocket.settings.connections import PlannedConnection

__all__ = ["Session", "SessionOwner"]


class SessionOwner(Protocol):
    """What keeps the connections of a line, and is told what becomes of each."""

    def dialing(self, session: Session, label: str) -> None:
        """Take where a connection attempt goes to: scheme, host and port."""

    def opened(self, session: Session) -> None:
        """Handle the open connection, before anything is read from it."""

    def produced(self, session: Session) -> None:
        """Handle a batch with a data message."""

    def completed(self, session: Session) -> None:
        """Handle a message that says that the feed is complete (`then: stop`)."""

    def outlives(self, session: Session) -> bool:
        """Return whether the run goes on when this connection meets what is fatal."""

    def went_stale(self, session: Session) -> None:
        """Handle that the connection was dropped, as it was silent for too long."""

    def closed(self, session: Session) -> None:
        """Handle the end of the connection, or of an attempt that it was made for."""

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask these texts in all output from now on."""

    async def refresh_credentials(self, session: Session) -> bool:
        """Replace credentials that were refused; return whether there are others."""


class Session:
    """One connection, which its transport calls back (see `Listener`).

    Made within the running loop.

    Args:
        run: The state of the run.
        settings: All settings.
        owner: The line that it belongs to.
        values: The values of placeholders.
        planned: What it is for.
        group: Number of the group whose lines bring the same messages.

    Attributes:
        origin: What its messages know of the connection: its URL with the handshake,
            its number once it is open.
        label: Scheme, host and port, for logs; empty before the handshake.
        has_data: Whether it brought a data message, new or not.
        builtins: Makes the placeholders that are always there.
        values: The values of placeholders; messages and replies add to them.
        subscribed: Is done when everything was sent and answered.
        directive: What a message asked of the connection; the first one that ends it
            counts.
        replacement: Whether another connection is to take this one's place.
        ended: Is given how the connection ended; nothing is taken afterwards.
        outcome: How it ended, and why this side gave it up.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        run: RunState,
        settings: Settings,
        owner: SessionOwner,
        *,
        values: PlaceholderValues,
        planned: PlannedConnection,
        group: int = 0,
    ) -> None:
        self._run = run
        self._settings = settings.subscription
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        # None before the handshake and after the end.
        self._connection: Connection | None = None
        self.ended: asyncio.Future[Closing] = self._loop.create_future()
        self.outcome = Outcome(pings=self._settings.ping_interval is not None)
        # When the last frame came, by the loop's clock.
        self._last_inbound = self._loop.time()
        self.directive: CloseAction | None = None
        self.values = values
        self._heard_close = False
        # Documents that were ignored since the last data message, and those of the run
        # before the batch that is being taken.
        self._ignored = self._ignored_before = 0
        self.subscribed: asyncio.Future[None] = self._loop.create_future()
        self.replacement = ReplacementRequest()
        self.label = ""
        self.has_data = False
        self.builtins = ConnectionBuiltins()
        self._outbound = Outbound(
            settings,
            self,
            values=values,
            builtins=self.builtins,
            topics=planned.topics,
        )
        self.origin = Origin(
            0,
            "",
            planned.context,
            group=group,
            values=values,
            live=self.builtins,
            subscription=(
                self._outbound.subscription
                if self._settings.subscribe_messages
                else None
            ),
            send=self._outbound.send,
        )

    @property
    def body_room(self) -> BodyRoom:
        """For replies to requests that came while reading was paused."""
        return self._run.body_room

    @property
    def awaits_reply(self) -> bool:
        """Whether a reply to the subscription is missing."""
        return self._outbound.subscription.awaiting

    @property
    def is_ending(self) -> bool:
        """Whether it is settled how the connection ends, or it has ended."""
        return self._heard_close or self.directive is not None or self.ended.done()

    @property
    def ended_cleanly(self) -> bool:
        """Whether the server ended its feed as it should, replies and all."""
        return self.outcome.is_clean and not self.awaits_reply

    def dialing(self, address: Address) -> None:
        """Keep where the connection will go to."""
        self.origin.url = address.public
        self.label = address.label
        self._owner.dialing(self, address.label)

    def waiting(self, what: str) -> None:
        """Keep what the handshake waits for."""
        self._run.diagnosis.waiting(what)

    def expect_data(self) -> None:
        """Count the seconds of `stale_timeout` anew."""
        self._outbound.keepalive.data()

    def opened(self, connection: Connection) -> None:
        """Take the open connection, and subscribe."""
        self._connection = connection
        self._outbound.attach(connection)
        self._last_inbound = self._loop.time()
        # The owner logs the end of an outage before what the server sends at once.
        self._owner.opened(self)
        self.origin.number = self._run.opened(self)
        if self._run.stands_still:
            self.follow_run()
        self._outbound.start()

    def messages(self, payloads: list[bytes], *, binary: bool) -> None:
        """Take messages; after the end of the run they are dropped.

        What a server still sends after the message by which it announced its end is
        taken; what it sends when its feed is complete is not.
        """
        self._last_inbound = self._loop.time()
        backlog = self._run.backlog
        if backlog.busy:
            size = sum(map(len, payloads))
            backlog.defer(lambda: self.messages(payloads, binary=binary), size)
        elif not self._takes_nothing():
            self._ignored_before = self._run.counts.ignored
            self._outbound.hold()
            result = self._run.received(
                self.origin, payloads, binary=binary, done=self._taken
            )
            self._outbound.release()
            if result is not None:
                self._taken(result)

    def _taken(self, result: BatchResult) -> None:
        """Do what a batch of messages asks for."""
        # Between the two nothing of another connection is taken.
        self._ignored += self._run.counts.ignored - self._ignored_before
        if self._outbound.awaits_interval:
            self._outbound.look_for_interval()
        if result.messages or result.deduplicated:
            self.has_data = True
            self._ignored = 0
            self._owner.produced(self)
            self._outbound.keepalive.data()
        if result.error is not None:
            self._fail(result.error)
        elif result.directive is not None:
            self._follow(result.directive, result)

    def _fail(self, error: TapError) -> None:
        """End the run for a fatal message, or this connection alone.

        The latter is for what a server says of the connection. Numbers that are missing
        are no matter of the line that happens to notice it.
        """
        if isinstance(error, FeedError) and self._owner.outlives(self):
            self._refuse(str(error))
        else:
            self._run.end("a message was fatal", error)

    def _refuse(self, verdict: str) -> None:
        """Close the connection, which the server refused while another one is up."""
        self.outcome.refused = True
        if self._connection is None or self.directive is not None:
            return
        self.directive, self.outcome.verdict = CloseAction.RECONNECT, verdict
        self._close(self._connection, NORMAL)

    def _takes_nothing(self) -> bool:
        return self._run.is_over or self.ended.done() or self.directive in TAKES_NOTHING

    def fragment(self) -> None:
        """Take a part of a message as a sign of life."""
        self._last_inbound = self._loop.time()
        self._run.inbound()

    def control(self, opcode: int, payload: bytes) -> None:  # noqa: ARG002 - protocol
        """Handle a Close, Ping or Pong, which the transport has answered."""
        self._last_inbound = self._loop.time()
        self._run.inbound()
        if opcode == CLOSE:
            # How the connection ends is known: no clock has a say any more.
            self._heard_close = True
            self._stop_clocks()
        elif opcode == PONG:
            self._outbound.keepalive.pong()

    def closed(self, closing: Closing) -> None:
        """Take the end of the connection; the first call counts."""
        # Behind the messages that came before it.
        self._run.backlog.in_turn(lambda: self._closed(closing))

    def _closed(self, closing: Closing) -> None:
        self._stop_clocks()
        self._connection = None
        self._outbound.detach()
        self._run.closed(self)
        if not self.ended.done():
            self._outbound.flush()
            now = self._loop.time()
            self.outcome.close(closing, now, silent=now - self._last_inbound)
            self.ended.set_result(closing)
            self._owner.closed(self)

    def follow_run(self) -> None:
        """Read, and let the clocks run, as far as the run says."""
        run, connection = self._run, self._connection
        if connection is not None:
            (connection.resume if run.reads else connection.pause)()
        (self._outbound.pause if run.stands_still else self._outbound.resume)()

    def flush(self) -> None:
        """Take what was kept back for the time of a pause."""
        self._outbound.flush()

    def end(self, close_code: int) -> None:
        """Start the closing handshake, at the end of the run."""
        connection = self._connection
        if connection is None:
            return
        self._close(connection, close_code)
        if self._run.paused:
            # The answer is behind everything that is not read any more.
            self._loop.call_later(LINGER_SECONDS, connection.abort)

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._connection is not None:
            self._connection.abort()

    def _follow(self, directive: CloseAction, result: BatchResult) -> None:
        """Close or replace the connection, as a message asks; the first one counts."""
        connection = self._connection
        if connection is None or self.directive is not None:
            return
        if directive is CloseAction.REPLACE:
            # The connection goes on; another message may still close it.
            self.replacement.ask(f"{result.rule} asked for it", result.captured)
            return
        self.directive = directive
        self.outcome.verdict = directive.verdict(result.rule)
        if directive is CloseAction.STOP:
            self._owner.completed(self)
        too_big = directive is CloseAction.TOO_BIG
        self._close(connection, TOO_BIG if too_big else result.close_code)

    def _close(self, connection: Connection, code: int) -> None:
        """Start the closing handshake; nothing more is sent."""
        self._stop_clocks()
        connection.close(code)

    def went_stale(self, reason: str) -> None:
        """Drop the connection, which was silent for `stale_timeout`."""
        if self._ignored:
            one, more = "document came and was", "documents came and were"
            reason += (
                f"; {counted(self._ignored, one, more)} ignored (message_rules, or "
                "without a match of message_pattern or records_path)"
            )
        self.give_up(reason)
        self._owner.went_stale(self)

    def _stop_clocks(self) -> None:
        self._outbound.stop()
        self.replacement.stop()

    def deliver(self, body: bytes) -> None:
        """Take the reply to a request as a text message of the connection."""
        self.messages([body], binary=False)

    def capture(self, found: Mapping[str, Any]) -> None:
        """Keep values of a reply as placeholders."""
        self.values.capture(found)
        self.learn(map(text_of, found.values()))

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask these texts in all output from now on."""
        self._owner.learn(secrets)

    def fail(self, error: Exception) -> None:
        """End the run, or this connection alone: what is to be sent cannot be.

        A request that was refused is one such thing.
        """
        if self._owner.outlives(self):
            self._refuse(str(error))
        else:
            self._run.stop("a message or request failed", error)

    async def refresh_credentials(self) -> bool:
        """Replace credentials that were refused; return whether there are others."""
        return await self._owner.refresh_credentials(self)

    def replied(self, item: Item) -> None:
        """Keep that a reply came which an item of the subscription awaits."""
        self._run.diagnosis.replied(item)

    def complete_subscription(self) -> None:
        """Take that everything was sent and answered."""
        if not self.subscribed.done():
            self.subscribed.set_result(None)
        self._run.subscribed()

    def give_up(self, reason: str, retry_after: float = 0.0) -> None:
        """Drop a connection that is dead, even if its TCP connection lives.

        Args:
            reason: In a few words, for the log.
            retry_after: Seconds that the server wants to be left alone.
        """
        self.outcome.verdict = reason
        self.outcome.retry_after = retry_after
        if self._connection is not None:
            self._connection.abort()
        # Not left to the transport: its own report may take as long as TCP does.
        self.closed(Closing(ABNORMAL, failure=reason))
