"""The subscription: what is sent first on a connection, and which replies it awaits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_websocket.timers import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_websocket.expressions.matchers import Matcher
    from tap_websocket.expressions.templates import Template
    from tap_websocket.settings import Item
    from tap_websocket.timers import Schedule

__all__ = ["Subscription"]


class Subscription:
    """Sends the items on one connection, each when the replies to the last are there.

    A document that matches the reply of an item that was sent is protocol for the
    rest of the connection, and no record.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        items: Sequence[Item],
        *,
        interval: float,
        send: Callable[[Template | bytes], None],
        on_complete: Callable[[], None],
        on_timeout: Callable[[str], None],
        schedule: Schedule,
        clock: Callable[[], float],
        has_unread: Callable[[], bool] = lambda: False,
    ) -> None:
        """Make a subscription of which nothing was sent yet.

        Args:
            items: What is sent, in order.
            interval: Seconds between two messages.
            send: Sends a message.
            on_complete: Called when everything was sent and answered.
            on_timeout: Takes the reason when a reply did not come in time.
            schedule: Calls back after a number of seconds.
            clock: The time in seconds, from any start.
            has_unread: Whether something that has arrived is not read yet.
        """
        self._items = items
        self._interval = interval
        self._send = send
        self._on_complete = on_complete
        self._on_timeout = on_timeout
        self._schedule = schedule
        self._clock = clock
        self._has_unread = has_unread
        # Index of the next item.
        self._next = 0
        # Whether `subscribe_interval` is due before the next message.
        self._rests = False
        # The item whose replies are awaited, how many are missing, and until when.
        self._awaited: Item | None = None
        self._left = 0
        self._deadline: Deadline | None = None
        # The replies of items that were sent: protocol for the rest of the connection.
        self._texts: list[Matcher] = []
        self._documents: list[Matcher] = []
        # Set when everything was sent and answered, or the connection is over.
        self._over = False
        self._paused = False

    @property
    def awaiting(self) -> bool:
        """Whether a reply is awaited."""
        return self._awaited is not None

    @property
    def asks_texts(self) -> bool:
        """Whether a document's text may be a reply."""
        return bool(self._texts)

    @property
    def asks_documents(self) -> bool:
        """Whether a parsed document may be a reply."""
        return bool(self._documents)

    def start(self) -> None:
        """Send the first items."""
        self._go_on()

    def stop(self) -> None:
        """Send nothing more, and wait for nothing: the connection is over."""
        self._over = True
        if self._deadline is not None:
            self._deadline.stop()

    def pause(self) -> None:
        """Stop the clock of the reply."""
        self._paused = True
        if self._deadline is not None:
            self._deadline.pause()

    def resume(self) -> None:
        """Start the clock of the reply afresh."""
        self._paused = False
        if self._deadline is not None:
            self._deadline.resume()

    def answers_text(self, text: str) -> bool:
        """Return whether a document's text is a reply, which may send the next item."""
        return self._answers(self._texts, text)

    def answers_document(self, value: Any) -> bool:  # noqa: ANN401 - any JSON
        """Return whether a parsed document is a reply, which may send the next item."""
        return self._answers(self._documents, value)

    def _answers(self, matchers: list[Matcher], value: Any) -> bool:  # noqa: ANN401 - any JSON
        found = [matcher for matcher in matchers if matcher.test(value)]
        awaited = self._awaited
        if awaited is not None and any(one is awaited.reply for one in found):
            self._left -= 1
            if self._left == 0:
                self._answered()
        return bool(found)

    def _answered(self) -> None:
        self._awaited = None
        if self._deadline is not None:
            self._deadline.stop()
            self._deadline = None
        self._go_on()

    def _go_on(self) -> None:
        """Send items until one has to be waited for."""
        while not self._over and self._awaited is None:
            if self._next == len(self._items):
                self._over = True
                self._on_complete()
                return
            item = self._items[self._next]
            if self._rests and item.message is not None:
                self._rests = False
                self._schedule(self._interval, self._go_on)
                return
            self._next += 1
            self._begin(item)

    def _begin(self, item: Item) -> None:
        if item.reply is not None:
            self._await(item, item.reply)
        if item.message is not None:
            self._rests = self._interval > 0
            self._send(item.message)

    def _await(self, item: Item, reply: Matcher) -> None:
        (self._texts if reply.kind == "text" else self._documents).append(reply)
        self._awaited, self._left = item, item.reply_count
        reason = (
            f"{item.where}: no reply within {item.reply_timeout:g} s (reply_timeout)"
        )
        self._deadline = Deadline(
            item.reply_timeout,
            lambda: self._on_timeout(reason),
            schedule=self._schedule,
            clock=self._clock,
            behind=self._has_unread,
        )
        if self._paused:
            self._deadline.pause()
        self._deadline.restart()
