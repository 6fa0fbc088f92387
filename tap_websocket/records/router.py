"""What a document is besides data: rules and awaited replies, asked and obeyed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext
from tap_websocket.errors import FeedError
from tap_websocket.expressions.jsonpath import MISSING
from tap_websocket.expressions.matchers import prefilter
from tap_websocket.feed.inbound import CloseAction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tap_websocket.expressions.documents import Answered
    from tap_websocket.expressions.matchers import Prefilter
    from tap_websocket.expressions.rules import RuleMatch
    from tap_websocket.feed.inbound import BatchResult, Origin
    from tap_websocket.settings import SubscriptionSettings

__all__ = ["MessageRouter", "Route"]

_MOST_SHOWN = 500


class MessageRouter:
    """Knows the rules and the replies of a run.

    Attributes:
        idle: There are none of either that do more than take notes: every document
            is data.
        prefilter: Tells of a message's bytes whether there may be more to it; False
            is certain. None where there may be of each.
    """

    def __init__(
        self,
        settings: SubscriptionSettings,
        *,
        mask: Callable[[str], str],
        learn: Callable[[Mapping[str, Any]], None],
    ) -> None:
        """Make a judge.

        Args:
            settings: The rules, and the subscription's items.
            mask: Blots secrets out of a text.
            learn: Takes captured values by their names: they are secrets.
        """
        self.rules = settings.message_rules
        self._mask = mask
        self._learn = learn
        replies = [
            item.reply for item in settings.subscribe_messages if item.reply is not None
        ]
        needles = [*self.rules.needles, *(reply.needles for reply in replies)]
        self.idle = not needles
        self.prefilter: Prefilter | None = prefilter(needles)

    @property
    def takes_notes(self) -> bool:
        """Whether values are captured from what is plain data."""
        return bool(self.rules.noted)

    def note(
        self,
        source: Origin,
        newest_first: Iterable[bytes],
        parse: Callable[[bytes], Iterable[Answered]],
    ) -> None:
        """Capture what plain data leaves (see `RuleSet.note`)."""
        self._capture(source, self.rules.note(newest_first, parse))

    def hearing(self, source: Origin, outcome: BatchResult) -> Route:
        """Begin to hear a document."""
        return Route(self, source, outcome)

    def obey(
        self,
        source: Origin,
        verdict: RuleMatch,
        outcome: BatchResult,
        text: Callable[[], str],
    ) -> bool:
        """Do what the rules say of a document.

        Returns:
            Whether it was taken, and so is no data.

        Raises:
            FeedError: With `then: fail`.
        """
        self._capture(source, dict(verdict.captures))
        if verdict.reply is not None:
            template, answered = verdict.reply.template, verdict.reply.answered
            moment = source.live.moment()
            source.send(template.render(source.values, moment, answered))
        match verdict.then:
            case "emit":
                return False
            case "fail":
                shown = self._mask(text())[:_MOST_SHOWN]
                msg = f"message_rules: the feed sent what a rule calls fatal: {shown}"
                raise FeedError(msg)
            case "stop":
                outcome.directive = CloseAction.STOP
            case "reconnect":
                outcome.directive = outcome.directive or CloseAction.RECONNECT
        return True

    def _capture(self, source: Origin, captured: Mapping[str, Any]) -> None:
        if captured:
            source.values.capture(captured)
            self._learn(captured)


class Route:
    """One document of a message before the judge, and what is inside of it."""

    __slots__ = ("_acted", "_judge", "_outcome", "_source", "_subscription")

    def __init__(
        self, judge: MessageRouter, source: Origin, outcome: BatchResult
    ) -> None:
        """Begin; `MessageRouter.hearing` does."""
        self._judge = judge
        self._source = source
        self._outcome = outcome
        self._subscription = source.subscription
        self._acted = False

    @property
    def asks_documents(self) -> bool:
        """Whether parsed documents are looked at."""
        subscription = self._subscription
        return self._judge.rules.asks_documents or (
            subscription is not None and subscription.asks_documents
        )

    def text(self, text: str, look: Callable[[], Answered]) -> bool:
        """Hear a document's text.

        Args:
            text: The text.
            look: Parses and searches it; what is not JSON is `MISSING` then.

        Returns:
            Whether it was taken, and so is never parsed. A rule that acted is the
            last one asked, whatever its `then`.

        Raises:
            FeedError: With `then: fail`.
        """
        judge, subscription = self._judge, self._subscription
        taken = False
        if judge.rules.asks_texts:
            verdict = judge.rules.decide_text(text, look)
            self._acted = verdict.acted
            taken = judge.obey(self._source, verdict, self._outcome, lambda: text)
        if subscription is not None:
            if subscription.asks_texts:
                taken = subscription.answers_text(text) or taken
            if taken and subscription.asks_documents:
                document = look().document
                if document is not MISSING:
                    subscription.answers_document(document)
        return taken

    def document(self, found: Answered, text: str | None) -> bool:
        """Hear a parsed document.

        Args:
            found: The document; `MISSING` where the text is not JSON.
            text: Its text, or None for a part of the document.

        Returns:
            Whether it was taken, and so is no data.

        Raises:
            FeedError: With `then: fail`.
        """
        judge, subscription = self._judge, self._subscription
        taken = False

        def shown() -> str:
            if text is not None:
                return text
            return jsontext.dumps(found.document).decode(errors="replace")

        if judge.rules.asks_documents and not self._acted:
            verdict = judge.rules.decide_document(found)
            taken = judge.obey(self._source, verdict, self._outcome, shown)
        if subscription is not None and found.document is not MISSING:
            taken = subscription.answers_document(found.document) or taken
        return taken
