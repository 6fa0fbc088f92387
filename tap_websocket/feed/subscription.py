"""The subscription: what is sent first on a connection, and which replies it awaits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tap_websocket.expressions.placeholders import TopicList
from tap_websocket.settings.connections import chunks
from tap_websocket.settings.topics import TOPIC, TOPICS
from tap_websocket.timers import Deadline

if TYPE_CHECKING:
    from collections.abc import (
        Callable,
        Collection,
        Iterable,
        Iterator,
        Mapping,
        Sequence,
    )

    from tap_websocket.expressions.matchers import Matcher
    from tap_websocket.expressions.templates import Template
    from tap_websocket.jsontext import JsonValue
    from tap_websocket.settings import Item, TopicSettings
    from tap_websocket.timers import Schedule

__all__ = ["Request", "Subscription", "requests"]


class Request(NamedTuple):
    """One message of the subscription, or one reply that is awaited without any.

    Attributes:
        item: The item of `subscribe_messages` that it is made of.
        values: The values of `{topic}` and `{topics}` in it.
        replies: How many replies are awaited, where the item names one.
    """

    item: Item
    values: Mapping[str, Any]
    replies: int


def requests(
    items: Iterable[Item],
    settings: TopicSettings,
    topics: Sequence[str],
    captured: Collection[str] = (),
) -> Iterator[Request]:
    """Yield what is sent on a connection that asks for these topics.

    An item that holds `{topics}` is sent for each run of `topics_per_message`, one
    that holds `{topic}` for each topic, and any other once.

    Args:
        items: Those of `subscribe_messages`.
        settings: How the topics are spread over messages.
        topics: Those of the connection.
        captured: Names that have a captured value before it is opened.
    """
    known = frozenset(captured)
    for item in items:
        if not item.is_due(known):
            continue
        if TOPICS in item.names:
            for some in chunks(topics, settings.topics_per_message):
                listed = TopicList(tuple(some), settings.topic_separator)
                yield Request(item, {TOPICS: listed}, item.replies(len(some)))
        elif TOPIC in item.names:
            for topic in topics:
                yield Request(item, {TOPIC: topic}, item.replies(1))
        else:
            yield Request(item, {}, item.replies(0))


class Subscription:
    """Sends the items on one connection, each when the replies to the last are there.

    A document that matches the reply of an item that was sent is protocol for the
    rest of the connection, and no record, unless the item has `records`.

    Args:
        messages: What is sent, in order; each is asked for when it is due.
        interval: Seconds between two messages.
        send: Sends a message, with its own values of placeholders.
        perform: Makes an HTTP request, and calls back when its reply was taken.
        on_complete: Called when everything was sent and answered.
        on_timeout: Takes the reason when a reply did not come in time.
        schedule: Calls back after a number of seconds.
        clock: The time in seconds, from any start.
        has_unread: Whether something that has arrived is not read yet.
        on_reply: Takes the item whose awaited reply has come.
        in_loop: Calls a function in the loop's thread: replies may be found in
            another one.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        messages: Iterable[Request],
        *,
        interval: float,
        send: Callable[[Template | bytes, Mapping[str, Any]], None],
        perform: Callable[[Request, Callable[[], None]], None],
        on_complete: Callable[[], None],
        on_timeout: Callable[[str], None],
        schedule: Schedule,
        clock: Callable[[], float],
        has_unread: Callable[[], bool] = lambda: False,
        on_reply: Callable[[Item], None] = lambda _: None,
        in_loop: Callable[[Callable[[], None]], None] = lambda act: act(),
    ) -> None:
        self._in_loop = in_loop
        self._messages = iter(messages)
        self._interval = interval
        self._send = send
        self._perform = perform
        # Whether an HTTP request is under way.
        self._performs = False
        self._on_complete = on_complete
        self._on_timeout = on_timeout
        self._schedule = schedule
        self._clock = clock
        self._has_unread = has_unread
        self._on_reply = on_reply
        # The next request; None at the end.
        self._next: Request | None = next(self._messages, None)
        # Whether `subscribe_interval` is due before the next message.
        self._rests = False
        # The item whose replies are awaited, how many are missing, and until when.
        self._awaited: Item | None = None
        self._left = 0
        self._deadline: Deadline | None = None
        # The replies of items that were sent: protocol for the rest of the connection.
        # Matchers are told apart by identity: an item may be sent many times.
        self._frames: dict[int, Matcher] = {}
        self._texts: dict[int, Matcher] = {}
        self._documents: dict[int, Matcher] = {}
        # Those whose documents are data all the same.
        self._data: set[int] = set()
        # Set when everything was sent and answered, or the connection is over.
        self._over = False
        self._paused = False

    @property
    def awaiting(self) -> bool:
        """Whether a reply is awaited."""
        return self._awaited is not None or self._performs

    @property
    def asks_frames(self) -> bool:
        """Whether the kind of a message's frame may make it a reply."""
        return bool(self._frames)

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

    def answers_frame(self, *, binary: bool) -> bool:
        """Return whether a message is a reply by its frame, which may send the next.

        A reply that is data is none here, nor below.
        """
        return self._answers(self._frames, binary)

    def may_answer(self, value: JsonValue) -> bool:
        """Return whether a parsed document is a reply; nothing is done about it."""
        return any(one.test(value) for one in list(self._documents.values()))

    def answers_text(self, text: str) -> bool:
        """Return whether a document's text is a reply, which may send the next item."""
        return self._answers(self._texts, text)

    def answers_document(self, value: JsonValue) -> bool:
        """Return whether a parsed document is a reply, which may send the next item."""
        return self._answers(self._documents, value)

    def _answers(self, matchers: Mapping[int, Matcher], value: JsonValue) -> bool:
        # A copy: the loop's thread may add the next item's meanwhile.
        found = [one for one in list(matchers.values()) if one.test(value)]
        awaited = self._awaited
        if awaited is not None and any(one is awaited.reply for one in found):
            self._in_loop(lambda: self._take_reply(awaited))
        return any(id(one) not in self._data for one in found)

    def _take_reply(self, item: Item) -> None:
        self._on_reply(item)
        self._left -= 1
        if self._left == 0:
            self._answered()

    def _answered(self) -> None:
        self._awaited = None
        if self._deadline is not None:
            self._deadline.stop()
            self._deadline = None
        self._go_on()

    def _go_on(self) -> None:
        """Send items until one has to be waited for."""
        while not self._over and not self.awaiting:
            request = self._next
            if request is None:
                self._over = True
                self._on_complete()
                return
            if self._rests and (request.item.message or request.item.step):
                self._rests = False
                self._schedule(self._interval, self._go_on)
                return
            self._next = next(self._messages, None)
            self._begin(request)

    def _begin(self, request: Request) -> None:
        item = request.item
        if item.reply is not None:
            self._await(item, item.reply, request.replies)
        if item.message is not None:
            self._rests = self._interval > 0
            self._send(item.message, request.values)
        elif item.step is not None:
            self._rests = self._interval > 0
            self._performs = True
            self._perform(request, lambda: self._performed(item))

    def _performed(self, item: Item) -> None:
        self._performs = False
        self._on_reply(item)
        self._go_on()

    def _await(self, item: Item, reply: Matcher, count: int) -> None:
        kinds = {"frame": self._frames, "text": self._texts, "json": self._documents}
        kinds[reply.kind][id(reply)] = reply
        if item.records:
            self._data.add(id(reply))
        self._awaited, self._left = item, count
        self._deadline = Deadline(
            item.reply_timeout,
            lambda: self._on_timeout(self._why_late(item, count)),
            schedule=self._schedule,
            clock=self._clock,
            behind=self._has_unread,
        )
        if self._paused:
            self._deadline.pause()
        self._deadline.restart()

    def _why_late(self, item: Item, count: int) -> str:
        """Return what the end of `reply_timeout` has to say."""
        within = f"within {item.reply_timeout:g} s (reply_timeout"
        came = count - self._left
        if not came:
            return f"{item.where}: no reply {within})"
        return (
            f"{item.where}: {came} of {count} replies came {within}; check "
            "reply_count, and whether what message_rules ignore is a refusal)"
        )
