"""Message rules: what a document is besides data, and what is done about it.

Rules with a text matcher are asked before a document is parsed, all others after;
within each of the two groups they keep their order, and the first that matches acts.
A rule without `match` fits every document, and is asked among the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_websocket.expressions.documents import Document
from tap_websocket.expressions.path import MISSING
from tap_websocket.expressions.prefilters import prefilter
from tap_websocket.expressions.rule import DATA, Reply, RuleMatch
from tap_websocket.expressions.search import ANY_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tap_websocket.expressions.documents import Answered
    from tap_websocket.expressions.prefilters import Prefilter
    from tap_websocket.expressions.rule import CompiledRule
    from tap_websocket.jsontext import JsonValue

__all__ = ["RuleSet"]


class RuleSet:
    """The rules of a feed.

    Attributes:
        needles: What a message's bytes, decompressed and not yet split, must hold for
            a rule to do more than capture (see `prefilters`).
        captured_names: The names of values that rules capture from parsed documents
            without doing anything else.
        shared_names: The names of values that all lines of a group share.
        looked_at: The ways to what matchers look at in parsed documents.
        texts: The rules that look at texts.
        asks_texts: There are any.
        asks_documents: There are rules that look at parsed documents.
        acknowledges: A rule replies to documents that are data.
        compared: The ways to values in parsed documents that matchers compare.
        asks_json_texts: There are rules for texts that may match that of an object.
        at_once: Characters of a text that all rules search within milliseconds.
    """

    def __init__(
        self,
        rules: Sequence[CompiledRule] = (),
        shared_names: frozenset[str] = frozenset(),
    ) -> None:
        self.shared_names = shared_names
        self._frames = [rule for rule in rules if rule.kind == "frame"]
        self.texts = [rule for rule in rules if rule.kind == "text"]
        self._documents = [rule for rule in rules if rule.kind == "json"]
        self._capture_only = [rule for rule in rules if rule.only_captures]
        self.captured_names = frozenset(
            name for rule in self._capture_only for name, _ in rule.paths
        )
        # Tests of messages for the rules that capture these names, as they are needed.
        self._may_capture: dict[frozenset[str], Prefilter | None] = {}
        self.needles = _needles(
            rule for rule in (*self.texts, *self._documents) if not rule.only_captures
        )
        # The test of each rule for documents, and what it decides by its match alone;
        # None where it captures or answers.
        self._quick = [
            (
                None if rule.matcher is None else rule.matcher.test,
                None if rule.looks or rule.then is None else rule.alone(),
            )
            for rule in self._documents
        ]
        self.looked_at = [
            path
            for rule in self._documents
            if rule.matcher is not None
            for path in rule.matcher.looked_at
        ]
        self.asks_texts = bool(self.texts)
        self.asks_documents = bool(self._documents)
        self.compared = [
            way
            for rule in self._documents
            if rule.matcher is not None
            for way in rule.matcher.compared
        ]
        self.asks_json_texts = any(
            rule.matcher is None or not rule.matcher.misses_json for rule in self.texts
        )
        self.at_once = min((rule.at_once for rule in rules), default=ANY_LENGTH)
        # Those for documents that take from texts, or forget, and act no further.
        self._odd = [
            rule
            for rule in self._documents
            if rule.then is None and not rule.only_captures
        ]
        self.acknowledges = any(
            rule.reply is not None and rule.then == "emit" for rule in rules
        )

    def may_match_frame(self, *, binary: bool) -> bool:
        """Return whether a rule matches the kind of frame that a message came in."""
        return any(rule.fits(binary) for rule in self._frames)

    def decide_frame(self, *, binary: bool) -> RuleMatch:
        """Ask the rules that look at the kind of frame that a message came in."""
        return _decide((rule for rule in self._frames if rule.fits(binary)), Document)

    def decide_text(self, text: str, look: Callable[[], Answered]) -> RuleMatch:
        """Ask the rules that look at a document's text.

        Args:
            text: The document's text.
            look: Parses and searches it; called once, and only where a rule captures
                or answers. What is not JSON is `MISSING` then.
        """
        return _decide((rule for rule in self.texts if rule.fits(text)), look)

    def decide_document(
        self, found: Answered, look: Callable[[], Answered] | None = None
    ) -> RuleMatch:
        """Ask the rules that look at a parsed document.

        Args:
            found: The document, with the groups of the text that it comes from. In
                `raw_string` and `binary` format what is not JSON is `MISSING`: only
                rules without `match` fit it.
            look: Returns the whole document where `found` is no more than what is
                `looked_at`; called once, and only where a rule captures or answers.
        """
        document = found.document
        for test, alone in self._quick:
            if test is None or (document is not MISSING and test(document)):
                if alone is not None:
                    return alone
                break
        else:
            return DATA
        matching = (rule for rule in self._documents if rule.fits(document))
        return _decide(matching, look or (lambda: found))

    def lets_pass(self, document: JsonValue) -> bool:
        """Return whether a parsed document is data, and no rule does more with it."""
        for test, alone in self._quick:
            if test is None or test(document):
                return alone is not None and alone.then == "emit"
        return True

    def data(self, found: Answered) -> RuleMatch | None:
        """Return what rules decide of a document that is data; None of any other.

        They do no more than `capture_only`, and perhaps reply. It is the same for each
        document that has the same values where matchers compare them (`compared`), the
        same names, and objects and arrays in the same places.
        """
        match = self.decide_document(found)
        is_data = (
            match.then == "emit"
            and not match.own
            and not any(rule.fits(found.document) for rule in self._odd)
        )
        return match if is_data else None

    def capture_only(
        self,
        newest_first: Iterable[bytes],
        parse: Callable[[bytes], Iterable[Answered]],
    ) -> Mapping[str, Any]:
        """Return what rules capture from plain data: the last value of each name.

        Args:
            newest_first: Messages from which rules capture and nothing else.
            parse: Returns the documents of a message, the last one first; called for
                as few messages as can be.
        """
        captured: dict[str, Any] = {}
        missing = self.captured_names
        for message in newest_first:
            may_capture = self._prefilter_for(missing)
            if may_capture is None or may_capture(message):
                for found in parse(message):
                    captured = dict(self.decide_document(found).captures) | captured
                missing = self.captured_names.difference(captured)
            if not missing:
                break
        return captured

    def _prefilter_for(self, names: frozenset[str]) -> Prefilter | None:
        """Return the test of a message for the rules that capture any of the names."""
        if names not in self._may_capture:
            rules = (
                rule
                for rule in self._capture_only
                if any(name in names for name, _ in rule.paths)
            )
            self._may_capture[names] = prefilter(_needles(rules))
        return self._may_capture[names]


def _needles(rules: Iterable[CompiledRule]) -> list[tuple[bytes, ...] | None]:
    return [needles for rule in rules for needles in rule.needles()]


def _decide(
    matching: Iterable[CompiledRule], look: Callable[[], Answered]
) -> RuleMatch:
    captures: list[tuple[str, Any]] = []
    found: Answered | None = None
    for rule in matching:
        if rule.looks:
            found = look() if found is None else found
            captures += rule.captures(found)
        if rule.then is not None:
            reply = None
            if rule.reply is not None and found is not None:
                reply = Reply(rule.reply, found)
            return RuleMatch(
                rule.then,
                acted=True,
                captures=tuple(captures),
                reply=reply,
                close_code=rule.close_code,
                own=frozenset(name for name, _ in (*rule.paths, *rule.groups)),
                where=rule.where,
            )
    return RuleMatch(captures=tuple(captures)) if captures else DATA
