"""Fill placeholders in: in messages. For URLs and headers see `rendering`.

`{name}` stands for a declared value, `{$now_s}` and the like for values that are
always there, and in a reply `{$.path}` and `{$group}` for parts of what is answered.
`{name|filter}` inserts a value in another form (`filters`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tap_websocket import jsontext
from tap_websocket.expressions.documents import Answered, Document
from tap_websocket.expressions.filters import FILTERS, Filters, parse_filters
from tap_websocket.expressions.jsonpath import compile_path
from tap_websocket.expressions.path import MISSING, Path
from tap_websocket.expressions.placeholders import (
    BUILTINS,
    MessageBuiltins,
    TopicList,
)
from tap_websocket.expressions.search import ANY_LENGTH
from tap_websocket.jsontext import JsonValue, text_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = [
    "NAME",
    "PLACEHOLDER",
    "Template",
    "filtered",
    "names_in",
    "sendable",
    "texts_in",
]


NAME = re.compile(r"[A-Za-z0-9_]+")
"""What a placeholder may be called."""

_FILTERS = r"((?:\|[A-Za-z0-9_]+)*)"
PLACEHOLDER = re.compile(r"\{(\$?[A-Za-z0-9_]+)" + _FILTERS + r"\}")
_REPLY_PLACEHOLDER = re.compile(
    r"\{(\$?[A-Za-z0-9_]+|\$[.\[][^{}]*?)" + _FILTERS + r"\}",
)


_NOTHING = Document()


class _Sources(msgspec.Struct, frozen=True):
    """Where a message's placeholders take their values."""

    values: Mapping[str, Any]
    moment: MessageBuiltins
    answered: Answered


_Slot = Callable[[_Sources], Any]
"""Looks the value of a placeholder up."""


def names_in(message: JsonValue) -> frozenset[str]:
    """Return the names of the `{name}` in a text, or anywhere in a JSON value."""
    return frozenset(
        name
        for text in texts_in(message)
        for name, _ in PLACEHOLDER.findall(text)
        if not name.startswith("$")
    )


def texts_in(message: JsonValue) -> Iterator[str]:
    """Yield every string in a JSON value, the names in its objects among them."""
    if isinstance(message, str):
        yield message
    elif isinstance(message, dict):
        for name, item in message.items():
            yield name
            yield from texts_in(item)
    elif isinstance(message, list):
        for item in message:
            yield from texts_in(item)


class Template:
    """A message with placeholders, compiled once.

    Args:
        message: A string, which is sent as it is; or another JSON value.
        declared: The names that are placeholders: those of `placeholders`, `contexts`,
            `topics`, `auth` and all captures.
        groups: For the `reply` of a rule: the groups of `message_pattern`.

    Attributes:
        names: The declared names that stand in the message.
        only_answers: All of its placeholders are parts of what is answered, as they
            stand there.
        at_once: Characters of a text that its paths search within milliseconds.

    Raises:
        ValueError: When a reply has a `{$.path}` that is not a JSONPath, or has an
            unknown filter behind it.
    """

    def __init__(
        self,
        message: JsonValue,
        declared: Collection[str] = (),
        *,
        groups: Collection[str] | None = None,
    ) -> None:
        self.names = names_in(message) & frozenset(declared)
        self._declared = declared
        self._groups = groups
        self._is_text = isinstance(message, str)
        self.only_answers = True
        self.at_once = ANY_LENGTH
        self._render = self._text(message) if self._is_text else self._node(message)

    def render(
        self,
        values: Mapping[str, Any],
        moment: MessageBuiltins,
        answered: Answered = _NOTHING,
    ) -> str:
        """Return the message: one line where it is a JSON value.

        Args:
            values: The values of declared placeholders. One that is missing was
                never captured: it is null.
            moment: The values that are always there.
            answered: For a reply, what it answers.
        """
        rendered = self._render(_Sources(values, moment, answered))
        if self._is_text:
            return sendable(rendered)
        return jsontext.dumps(rendered).decode()

    def _node(self, value: JsonValue) -> _Slot:
        if isinstance(value, str):
            return self._string(value)
        if isinstance(value, dict):
            members = [
                (self._text(name), self._node(item)) for name, item in value.items()
            ]
            return lambda sources: {
                name(sources): item(sources) for name, item in members
            }
        if isinstance(value, list):
            items = [self._node(item) for item in value]
            return lambda sources: [item(sources) for item in items]
        exact = Decimal(repr(value)) if isinstance(value, float) else value
        return lambda _: exact

    def _string(self, text: str) -> _Slot:
        """Return what fills a string of a JSON value.

        A string that is nothing but a placeholder becomes the value with its type.
        """
        found = _REPLY_PLACEHOLDER.fullmatch(text)
        compiled = self._slot(found) if found else None
        if compiled is None:
            return self._text(text)
        slot, filters = compiled
        return lambda sources: _typed(slot(sources), filters)

    def _text(self, text: str) -> _Slot:
        parts: list[str | tuple[_Slot, Filters]] = []
        end = 0
        for found in _REPLY_PLACEHOLDER.finditer(text):
            compiled = self._slot(found)
            if compiled is not None:
                parts += [text[end : found.start()], compiled]
                end = found.end()
        parts.append(text[end:])
        return lambda sources: "".join(
            part if isinstance(part, str) else filtered(part[0](sources), part[1])
            for part in parts
        )

    def _slot(self, found: re.Match[str]) -> tuple[_Slot, Filters] | None:
        """Return where a placeholder takes its value; None for plain text."""
        name, filters = found[1], parse_filters(found[2])
        self.only_answers &= not found[2]
        if name[:2] in {"$.", "$["}:
            if self._groups is None:
                return None
            if filters.unknown is not None:
                msg = (
                    f"{filters.unknown} is not a filter of placeholders; the filters "
                    f"are {', '.join(FILTERS)}"
                )
                raise ValueError(msg)
            path = compile_path(name)
            self.at_once = min(self.at_once, path.at_once)
            return _answer(path), filters
        slot = self._lookup(name)
        return None if slot is None or filters.unknown is not None else (slot, filters)

    def _lookup(self, name: str) -> _Slot | None:
        if name in BUILTINS:
            self.only_answers = False
            return lambda sources: sources.moment.value(name)
        if not name.startswith("$"):
            known = name in self._declared
            self.only_answers &= not known
            return (lambda sources: sources.values.get(name)) if known else None
        group = name[1:]
        known = self._groups is not None and group in self._groups
        return (lambda sources: sources.answered.groups.get(group)) if known else None


def _typed(value: JsonValue, filters: Filters) -> JsonValue:
    """Return what stands for a value in JSON: a filter makes a string of it."""
    if isinstance(value, TopicList):
        return [filters.apply(topic) for topic in value.topics]
    return filtered(value, filters) if filters.change_values else value


def filtered(
    value: JsonValue,
    filters: Filters,
    *,
    in_url: bool = False,
) -> str:
    """Return what stands for a value in a text."""
    if isinstance(value, TopicList):
        return value.text(lambda topic: filters.apply(topic, in_url=in_url))
    return filters.apply(text_of(value), in_url=in_url)


def _answer(path: Path) -> _Slot:
    def value(sources: _Sources) -> JsonValue:
        found = path.first(sources.answered.document)
        return None if found is MISSING else found

    return value


def sendable(text: str) -> str:
    """Return a text without lone surrogates, which a server's JSON may bring."""
    return text if text.isascii() else text.encode(errors="replace").decode()
