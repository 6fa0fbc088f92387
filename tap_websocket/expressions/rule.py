"""One rule of `message_rules`: what it fits, and what it asks for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tap_websocket.expressions.matchers import Matcher, quoted
from tap_websocket.expressions.path import MISSING, Path
from tap_websocket.expressions.search import ANY_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tap_websocket.expressions.documents import Answered
    from tap_websocket.expressions.templates import Template
    from tap_websocket.jsontext import JsonValue

__all__ = [
    "DATA",
    "NORMAL_CLOSURE",
    "CompiledRule",
    "Reply",
    "RuleMatch",
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

    def alone(self) -> RuleMatch:
        """Return what it decides where that needs no more than its match."""
        return RuleMatch(
            self.then or "emit",
            acted=True,
            close_code=self.close_code,
            where=self.where,
        )

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
