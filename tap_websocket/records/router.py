"""What a document is besides data: rules and awaited replies, asked and applied."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext
from tap_websocket.errors import FeedError, ParseError
from tap_websocket.expressions.path import MISSING
from tap_websocket.expressions.prefilters import prefilter
from tap_websocket.expressions.search import ANY_LENGTH
from tap_websocket.feed.inbound import CloseAction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tap_websocket.counts import Counts
    from tap_websocket.expressions.documents import Answered
    from tap_websocket.expressions.prefilters import Prefilter
    from tap_websocket.expressions.rule import RuleMatch
    from tap_websocket.feed.inbound import BatchResult, Origin
    from tap_websocket.jsontext import JsonValue
    from tap_websocket.records.batch import Batch
    from tap_websocket.settings import SubscriptionSettings

__all__ = ["MessageRouter", "Route"]

_MAX_SHOWN = 500
"""Characters of a document in the error of `then: fail`."""

_MAX_IGNORED = 200
"""Characters of an ignored document in a warning."""

_MAX_KEPT = 16 * 1024
"""Bytes that are kept of it: more than are shown, since secrets are masked whole."""


class MessageRouter:
    """Applies the rules and the awaited replies of a run to its documents.

    Args:
        settings: The rules, and the subscription's items.
        counts: Counts what is ignored.
        excerpt: Returns the beginning of a text for a line, without secrets.
        learn: Is given captured values by their names: they are secrets.

    Attributes:
        rules: The rules of the run.
        idle: No rule or reply can act, so every document is data; rules that only
            capture do not count.
        text_replies: Replies that are texts, be they awaited or not.
        prefilter: Returns whether a payload may match a rule or reply; False is
            certain. None if any payload may.
        looked_at: The ways to what rules and replies look at in parsed documents.
        compared: The ways to values in these that they compare with something.
        asks_json_texts: A rule or reply looks at texts, and may match that of an
            object.
        at_once: Characters of a text that all of them search within milliseconds.
    """

    def __init__(
        self,
        settings: SubscriptionSettings,
        *,
        counts: Counts,
        excerpt: Callable[[str, int], str],
        learn: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self.rules = settings.message_rules
        self.excerpt = excerpt
        self._learn = learn
        self._counts = counts
        # The beginning of the first document that was ignored, awaited replies apart.
        self._first_ignored = b""
        replies = self._replies = [
            item.reply for item in settings.subscribe_messages if item.reply is not None
        ]
        needles = [
            *self.rules.needles,
            *(reply.needles for reply in replies if reply.kind != "frame"),
        ]
        self.text_replies = [reply for reply in replies if reply.kind == "text"]
        self.idle = not needles
        self.prefilter: Prefilter | None = prefilter(needles)
        self.looked_at = [
            *self.rules.looked_at,
            *(path for reply in replies for path in reply.looked_at),
        ]
        self.compared = [
            *self.rules.compared,
            *(
                way
                for reply in replies
                if reply.kind == "json"
                for way in reply.compared
            ),
        ]
        self.asks_json_texts = self.rules.asks_json_texts or any(
            reply.kind == "text" and not reply.misses_json for reply in replies
        )

        self.at_once = min(
            self.rules.at_once, *(reply.at_once for reply in replies), ANY_LENGTH
        )

    def ignore(self, document: bytes, route: Route | None) -> None:
        """Count a document that is no data; keep the first that is no awaited reply."""
        self._counts.ignored += 1
        if not self._first_ignored and (route is None or not route.has_answered):
            self._first_ignored = document[:_MAX_KEPT]

    def first_ignored(self) -> str:
        """Return the first document that is no data, for a log line, or nothing."""
        text = self._first_ignored.decode(errors="backslashreplace")
        return self.excerpt(text, _MAX_IGNORED)

    def may_match(self, message: bytes) -> bool:
        """Return whether a rule or reply may match a message; False is certain."""
        return not self.idle and (self.prefilter is None or self.prefilter(message))

    def looks_at_texts(self, origin: Origin) -> bool:
        """Return whether a rule or an awaited reply looks at the texts of documents."""
        subscription = origin.subscription
        return self.rules.asks_texts or (
            subscription is not None and subscription.asks_texts
        )

    @property
    def captures_from_data(self) -> bool:
        """Whether values are captured from what is plain data."""
        return bool(self.rules.captured_names)

    def capture(
        self,
        origin: Origin,
        newest_first: Iterable[bytes],
        parse: Callable[[bytes], Iterable[Answered]],
    ) -> None:
        """Capture from plain data (see `RuleSet.capture_only`)."""
        # Of what takes too long to be searched, nothing is captured.
        with contextlib.suppress(ParseError):
            self._keep(origin, self.rules.capture_only(newest_first, parse))

    def data(self, found: Answered) -> RuleMatch | None:
        """Return what becomes of a document that is data; None of any other.

        No more is done than to `capture`, and perhaps to reply (see `RuleSet.data`).
        """
        try:
            if any(
                reply.kind == "json" and reply.test(found.document)
                for reply in self._replies
            ):
                return None
            return self.rules.data(found)
        except ParseError:
            # It takes too long to be searched.
            return None

    def route(self, batch: Batch, *, plain: bool) -> Route | None:
        """Return what takes a document that is no data, or None where all is data.

        Args:
            batch: What its message belongs to.
            plain: No rule or reply can match the message.
        """
        if plain:
            return None
        return Route(self, batch.arrival.origin, batch.result, acted=batch.acted)

    def looks_at_frames(self, batch: Batch) -> bool:
        """Return whether a rule or reply may match the kind of a batch's frames."""
        subscription = batch.arrival.origin.subscription
        awaits = subscription is not None and subscription.asks_frames
        return awaits or self.rules.may_match_frame(binary=batch.binary)

    def take_frame(self, batch: Batch, payload: bytes) -> bool:
        """Apply what looks at the kind of frame that a message came in.

        Returns:
            Whether it was taken, and so is no data.

        Raises:
            FeedError: With `then: fail`.
        """
        origin, binary = batch.arrival.origin, batch.binary
        match = self.rules.decide_frame(binary=binary)
        batch.acted = match.acted

        def shown() -> str:
            return payload[:_MAX_SHOWN].decode(errors="backslashreplace")

        taken = self.apply(origin, match, batch.result, shown)
        subscription = origin.subscription
        if subscription is not None and subscription.asks_frames:
            taken = subscription.answers_frame(binary=binary) or taken
        return taken

    def apply(
        self,
        origin: Origin,
        match: RuleMatch,
        result: BatchResult,
        text: Callable[[], str],
    ) -> bool:
        """Do what the rules ask for a document.

        Captured values are kept before the reply is filled in: it may hold them.

        Returns:
            Whether it was taken, and so is no data.

        Raises:
            FeedError: With `then: fail`.
        """
        if match.then == "emit" and match.reply is None and not match.captures:
            return False
        self._keep(origin, dict(match.captures))
        if match.reply is not None:
            template, answered = match.reply.template, match.reply.answered
            builtins = origin.live.moment()
            values = origin.values.at(builtins)
            origin.send(template.render(values, builtins, answered))
        match match.then:
            case "emit":
                return False
            case "fail":
                shown = self.excerpt(text(), _MAX_SHOWN)
                msg = f"message_rules: the feed sent what a rule calls fatal: {shown}"
                raise FeedError(msg)
            case "stop":
                result.directive = CloseAction.STOP
                result.close_code = match.close_code
            case "reconnect":
                if result.directive in {None, CloseAction.REPLACE}:
                    result.directive = CloseAction.RECONNECT
                    result.rule, result.close_code = match.where, match.close_code
            case "replace":
                result.captured |= match.own
                if result.directive is None:
                    result.directive, result.rule = CloseAction.REPLACE, match.where
        return True

    def _keep(self, origin: Origin, captured: Mapping[str, Any]) -> None:
        if captured:
            origin.values.capture(captured)
            self._learn(
                {name: value for name, value in captured.items() if value is not None}
            )


class Route:
    """The way of one document of a message past the rules and the awaited replies.

    `MessageRouter.route` makes it.

    Attributes:
        has_acted: Whether a rule for frames or texts acted: no later rule is asked.
        has_answered: Whether it was a reply that the subscription awaits.
    """

    __slots__ = (
        "_origin",
        "_result",
        "_router",
        "_subscription",
        "has_acted",
        "has_answered",
    )

    def __init__(
        self,
        router: MessageRouter,
        origin: Origin,
        result: BatchResult,
        *,
        acted: bool,
    ) -> None:
        self._router = router
        self._origin = origin
        self._result = result
        self._subscription = origin.subscription
        self.has_acted = acted
        self.has_answered = False

    @property
    def asks_texts(self) -> bool:
        """Whether texts are looked at."""
        return self._router.looks_at_texts(self._origin)

    @property
    def asks_documents(self) -> bool:
        """Whether parsed documents are looked at."""
        subscription = self._subscription
        return self._router.rules.asks_documents or (
            subscription is not None and subscription.asks_documents
        )

    def passes(self, seen: JsonValue) -> bool:
        """Return whether a document is data, and there is nothing else to do for it.

        Args:
            seen: What of the document is `looked_at`. No rule has acted.
        """
        subscription = self._subscription
        if (
            subscription is not None
            and subscription.asks_documents
            and subscription.may_answer(seen)
        ):
            return False
        return self._router.rules.lets_pass(seen)

    def takes_text(self, text: str, look: Callable[[], Answered]) -> bool:
        """Apply what looks at a document's text.

        Args:
            text: The text.
            look: Parses and searches it; what is not JSON is `MISSING` then.

        Returns:
            Whether it was taken, and so is never parsed. A rule that acted is the
            last one asked, whatever its `then`.

        Raises:
            FeedError: With `then: fail`.
        """
        router, subscription = self._router, self._subscription
        taken = False
        if router.rules.asks_texts and not self.has_acted:
            match = router.rules.decide_text(text, look)
            self.has_acted = match.acted
            taken = router.apply(self._origin, match, self._result, lambda: text)
        if subscription is not None:
            if subscription.asks_texts:
                self.has_answered = subscription.answers_text(text)
            taken = self.has_answered or taken
            if taken and subscription.asks_documents:
                document = look().document
                if document is not MISSING:
                    self.has_answered |= subscription.answers_document(document)
        return taken

    def takes(
        self,
        found: Answered,
        text: str | bytes | None,
        look: Callable[[], Answered] | None = None,
    ) -> bool:
        """Apply what looks at a parsed document.

        Args:
            found: The document; `MISSING` where the text is not JSON.
            text: Its text, or the bytes of it; None for an item of an array.
            look: Returns the whole document, where `found` is only what is
                `looked_at`.

        Returns:
            Whether it was taken, and so is no data.

        Raises:
            FeedError: With `then: fail`.
        """
        router, subscription = self._router, self._subscription
        taken = False

        def shown() -> str:
            if text is not None:
                return text if isinstance(text, str) else text.decode()
            whole = found if look is None else look()
            return jsontext.dumps(whole.document).decode(errors="replace")

        if router.rules.asks_documents and not self.has_acted:
            match = router.rules.decide_document(found, look)
            taken = router.apply(self._origin, match, self._result, shown)
        if subscription is not None and found.document is not MISSING:
            # Of an array, the items that follow a reply are no replies.
            answers = subscription.answers_document(found.document)
            self.has_answered |= answers
            taken = answers or taken
        return taken
