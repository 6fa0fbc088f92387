"""Message rules: what a document is besides data, and what is done about it.

Rules with a text matcher are asked before a document is parsed, all others after;
within each of the two groups they keep their order, and the first that matches acts.
A rule without `match` fits every document, and is asked among the others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tap_websocket.expressions.documents import Document
from tap_websocket.expressions.matchers import Matcher, quoted
from tap_websocket.expressions.path import MISSING, Path
from tap_websocket.expressions.prefilters import prefilter
from tap_websocket.expressions.search import ANY_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tap_websocket.expressions.documents import Answered
    from tap_websocket.expressions.prefilters import Prefilter
    from tap_websocket.expressions.templates import Template
    from tap_websocket.jsontext import JsonValue

__all__ = [
    "DATA",
    "NORMAL_CLOSURE",
    "CompiledRule",
    "Reply",
    "RuleMatch",
    "RuleSet",
    "Then",
]

NORMAL_CLOSURE = 1000
"""What a rule closes a connection with by default (RFC 6455, section 7.4.1)."""

Then = Literal["emit", "ignore", "reconnect", "replace", "stop", "fail"]


class Reply(msgspec.Struct, frozen=True):
    """What a rule sends: rendered once its captures are the connection's values."""

    template: Template
    answered: Answered


class RuleMatch(msgspec.Struct, frozen=True):
    """What the rules decide about a document.

    Attributes:
        then: What is done with it.
        acted: A rule acted, so no other is asked: after the text rules, those for
            parsed documents neither.
        captures: Values for the connection's placeholders.
        reply: What is sent, if anything.
        close_code: What the connection is closed with, where it is.
        own: Names that the rule captured which acted.
        where: The place of that rule in the config, for logs.
    """

    then: Then = "emit"
    acted: bool = False
    captures: tuple[tuple[str, Any], ...] = ()
    reply: Reply | None = None
    close_code: int = NORMAL_CLOSURE
    own: frozenset[str] = frozenset()
    where: str = ""


_INTEGER = re.compile(r"-?[0-9]{1,4000}")
"""Python refuses to read longer ones."""

DATA = RuleMatch()
"""No rule matched: the document is data."""


class CompiledRule(msgspec.Struct, frozen=True):
    """A rule that is ready to be asked.

    Attributes:
        matcher: None where it fits every document.
        then: What the document is; None where the rule only captures.
        reply: What is sent, if anything.
        paths: Name and JSONPath of what is captured from parsed documents.
        groups: Name and group of `message_pattern` of what is captured from texts.
        added: Name to what is added to a captured number.
        close_code: What the connection is closed with, where it is.
        forgets: Names whose value is forgotten.
        where: Its place in the config, for logs.
    """

    matcher: Matcher | None
    then: Then | None
    reply: Template | None
    paths: tuple[tuple[str, Path], ...]
    groups: tuple[tuple[str, str], ...]
    added: Mapping[str, int]
    close_code: int = NORMAL_CLOSURE
    forgets: tuple[str, ...] = ()
    where: str = ""

    @property
    def kind(self) -> str:
        """What it looks at: the frame, the text, or (`json`) the parsed document."""
        return "json" if self.matcher is None else self.matcher.kind

    @property
    def at_once(self) -> int:
        """Characters of a text that its expressions search within milliseconds."""
        parts = [self.matcher, self.reply, *(path for _, path in self.paths)]
        return min((part.at_once for part in parts if part), default=ANY_LENGTH)

    @property
    def only_captures(self) -> bool:
        """Whether it only captures, from parsed documents."""
        acts = self.then is not None or bool(self.groups or self.forgets)
        return not acts and self.kind == "json"

    @property
    def looks(self) -> bool:
        """Whether more of a document is needed than its match."""
        return self.reply is not None or bool(self.paths or self.groups or self.forgets)

    def fits(self, subject: JsonValue) -> bool:
        """Return whether a rule fits what it looks at (see `kind`).

        Args:
            subject: A parsed document, or `MISSING`; a text; or whether the frame is a
                binary one.
        """
        if self.matcher is None:
            return True
        return subject is not MISSING and self.matcher.test(subject)

    @property
    def only_replies(self) -> bool:
        """Whether what it fits is data, which it replies to, and it does no more."""
        captures = self.paths or self.groups or self.forgets
        return self.then == "emit" and self.reply is not None and not captures

    def captures(self, found: Answered) -> Iterator[tuple[str, Any]]:
        """Yield what is captured; null, and what is missing, captures nothing.

        None stands for what is forgotten.
        """
        yield from ((name, None) for name in self.forgets)
        for name, path in self.paths:
            value = path.first(found.document)
            if value is not MISSING and value is not None:
                yield name, self._added_to(name, value)
        for name, group in self.groups:
            text = found.groups.get(group)
            if text is not None:
                yield name, self._added_to(name, text)

    def _added_to(self, name: str, value: JsonValue) -> JsonValue:
        """Return a captured integer, or the text of one, with its `add`."""
        added = self.added.get(name)
        if added is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return value + added
        if isinstance(value, str) and _INTEGER.fullmatch(value):
            return str(int(value) + added)
        return value

    def needles(self) -> Iterator[tuple[bytes, ...] | None]:
        """Yield what a payload must hold for the rule to do anything."""
        if self.matcher is not None:
            yield self.matcher.needles
        elif self.then is not None or self.groups or self.forgets:
            yield None
        else:
            for _, path in self.paths:
                yield tuple(needle for name in path.names for needle in quoted(name))


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
                None if rule.looks or rule.then is None else _alone(rule),
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


def _alone(rule: CompiledRule) -> RuleMatch:
    """Return what a rule decides that needs no more than its match."""
    return RuleMatch(
        rule.then or "emit",
        acted=True,
        close_code=rule.close_code,
        where=rule.where,
    )


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
