"""What is sent on one connection: subscription, requests, heartbeats, Pings."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from tap_websocket.errors import TapError
from tap_websocket.feed.http_steps import HttpSteps, StepHost, StepRequest
from tap_websocket.feed.keepalive import Keepalive
from tap_websocket.feed.subscription import Request, Subscription, requests
from tap_websocket.feed.threads import LoopThread
from tap_websocket.settings.subscription import CapturedInterval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tap_websocket.expressions.placeholders import (
        ConnectionBuiltins,
        PlaceholderValues,
    )
    from tap_websocket.expressions.templates import Template
    from tap_websocket.settings import Item, Settings
    from tap_websocket.transports.base import Connection

__all__ = ["Outbound", "OutboundHost"]

_NO_VALUES: Mapping[str, Any] = {}
_MAX_HELD = 64 * 1024
"""Characters that are held to be sent together. How much more a server that does not
read may ask for, the transport decides at each write."""


class OutboundHost(StepHost, Protocol):
    """The connection: it takes what comes of what is sent."""

    def replied(self, item: Item) -> None:
        """Take that a reply came which an item of the subscription awaits."""

    def complete_subscription(self) -> None:
        """Take that everything was sent and answered."""

    def went_stale(self, reason: str) -> None:
        """Drop the connection: no data came for `stale_timeout`."""


class Outbound:
    """The tap's own side of one connection, and the clocks that go with it.

    The subscription comes first, then heartbeats; Pings from the handshake on. What is
    sent without a connection goes nowhere.

    Made within the running loop.

    Args:
        settings: All settings.
        host: The connection, which is given up where a reply or a sign of life does
            not come.
        values: The values of placeholders.
        builtins: Makes the placeholders that are always there.
        topics: Those of the connection.

    Attributes:
        awaits_interval: Whether heartbeats begin when their interval is captured;
            false once it was.
        keepalive: Pings, heartbeats, and the clock of `stale_timeout`.
        subscription: What is still to be sent, and which replies are awaited.
    """

    def __init__(
        self,
        settings: Settings,
        host: OutboundHost,
        *,
        values: PlaceholderValues,
        builtins: ConnectionBuiltins,
        topics: Sequence[str],
    ) -> None:
        self._settings = settings.subscription
        self._host = host
        self._values = values
        self._builtins = builtins
        # None before the handshake and after the end.
        self._connection: Connection | None = None
        # What is to be sent together; None while each message is sent at once.
        self._held: list[str | bytes] | None = None
        # Characters of that.
        self._held_size = 0
        # Whether acknowledgements may take a while, as there are many topics: data
        # comes, and servers expect heartbeats, from the first message on.
        self._is_gradual = bool(topics and self._settings.subscribe_messages)
        # Whether the clocks that wait for the subscription run; from the first message
        # of a gradual one on, else never.
        self._is_subscribing = False
        self.awaits_interval = self._settings.heartbeat_message is not None and (
            isinstance(self._settings.heartbeat_interval, CapturedInterval)
        )
        loop = asyncio.get_running_loop()
        self._in_loop = LoopThread()
        self.keepalive = Keepalive(
            self._settings,
            schedule=loop.call_later,
            clock=loop.time,
            ping=self._ping,
            heartbeat=self._heartbeat,
            on_dead=host.give_up,
            on_stale=host.went_stale,
            has_unread=self._has_unread,
        )
        self.subscription = Subscription(
            requests(
                self._settings.subscribe_messages,
                settings.topics,
                topics,
                values.captured,
            ),
            interval=self._settings.subscribe_interval,
            send=self._subscribe,
            perform=self._perform,
            on_complete=self._subscribed,
            on_timeout=host.give_up,
            on_reply=host.replied,
            in_loop=self._in_loop,
            schedule=loop.call_later,
            clock=loop.time,
            has_unread=self._has_unread,
        )
        self._steps = HttpSteps(settings, values, builtins, host)

    def attach(self, connection: Connection) -> None:
        """Send on this connection from now on."""
        self._connection = connection

    def detach(self) -> None:
        """Send nothing more: the connection is gone."""
        self._connection = None

    def start(self) -> None:
        """Subscribe, and begin with Pings."""
        self.keepalive.start()
        if not self._is_gradual:
            self.keepalive.expect_data()
        self.subscription.start()

    def stop(self) -> None:
        """Stop the clocks and abandon requests; single messages may still be sent."""
        self.keepalive.stop()
        self.subscription.stop()
        self._steps.stop()

    def pause(self) -> None:
        """Let the clocks stand still, as reading is paused."""
        self.keepalive.pause()
        self.subscription.pause()
        self._steps.pause()

    def flush(self) -> None:
        """Deliver the replies that were kept back for the time of a pause."""
        self._steps.flush()

    def resume(self) -> None:
        """Start the clocks afresh."""
        self.keepalive.resume()
        self.subscription.resume()
        self._steps.resume()

    def send(self, text: str) -> None:
        """Send a text message: the reply of a message rule, from any thread."""
        if self._in_loop.is_here:
            self._send(text)
        else:
            self._in_loop.post(lambda: self.send(text))

    def hold(self) -> None:
        """Hold what is sent from now on, to send it in one write.

        A system call for each of many replies takes longer than what they answer.
        """
        self._held, self._held_size = [], 0

    def release(self) -> None:
        """Send what was held, and hold nothing any more."""
        held, self._held = self._held, None
        self._write(held)

    def _send(self, message: str | bytes) -> None:
        if self._held is None:
            self._write([message])
            return
        self._held.append(message)
        self._held_size += len(message)
        if self._held_size > _MAX_HELD:
            self._write(self._held)
            self.hold()

    def _write(self, messages: Sequence[str | bytes] | None) -> None:
        if messages and self._connection is not None:
            self._connection.send(*messages)

    def look_for_interval(self) -> None:
        """Begin with heartbeats once a message named their interval."""
        interval = self._settings.heartbeat_interval
        assert isinstance(interval, CapturedInterval)  # noqa: S101 - it is awaited
        try:
            seconds = interval.seconds(self._values)
        except ValueError as error:
            self._host.give_up(str(error))
            return
        if seconds is not None:
            self.awaits_interval = False
            self.keepalive.start_heartbeats(seconds)

    def _subscribe(self, message: Template | bytes, values: Mapping[str, Any]) -> None:
        """Send a message of the subscription."""
        self._send_template(message, values)
        if self._is_gradual and not self._is_subscribing:
            self._is_subscribing = True
            self.keepalive.expect_data()
            self._start_heartbeats()

    def _perform(self, request: Request, done: Callable[[], None]) -> None:
        """Make a request of the subscription."""
        step = request.item.step
        if step is not None:
            self._steps.perform(StepRequest(request.item, step, request.values), done)

    def _subscribed(self) -> None:
        if not self._is_subscribing:
            self._start_heartbeats()
        self._host.complete_subscription()

    def _send_template(
        self,
        message: Template | bytes,
        values: Mapping[str, Any] = _NO_VALUES,
    ) -> None:
        """Send a message of the config, its placeholders filled in.

        Args:
            message: What is sent.
            values: Of its own, beside those of the connection.
        """
        if isinstance(message, bytes):
            self._send(message)
            return
        moment = self._builtins.moment()
        known = self._values.at(moment, values)
        try:
            text = message.render(known, moment)
        except TapError as error:
            # What `auth` signs for each message; in a timer nobody else would see it.
            self._host.fail(error)
        else:
            self.send(text)

    def _start_heartbeats(self) -> None:
        """Begin with heartbeats, as the subscription is complete."""
        interval = self._settings.heartbeat_interval
        if self._settings.heartbeat_message is None or interval is None:
            return
        if not isinstance(interval, CapturedInterval):
            self.keepalive.start_heartbeats(interval)

    def _heartbeat(self) -> None:
        message = self._settings.heartbeat_message
        if message is not None:
            self._send_template(message)

    def _ping(self, payload: bytes) -> None:
        if self._connection is not None:
            self._connection.ping(payload)

    def _has_unread(self) -> bool:
        """Return whether something that has arrived is not read yet."""
        return self._connection is not None and self._connection.has_unread()
