"""Placeholders: what is sent, and where to, filled in.

`{name}` stands for a declared value, `{$now_s}` and the like for values that are
always there, and in a reply `{$.path}` and `{$group}` for parts of what is answered.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import msgspec

from tap_websocket import jsontext
from tap_websocket.errors import ConnectionFailed
from tap_websocket.expressions.documents import Answered, Document
from tap_websocket.expressions.jsonpath import MISSING, Path, compile_path
from tap_websocket.expressions.placeholders import BUILTINS, MessageBuiltins
from tap_websocket.jsontext import text_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

__all__ = [
    "NAME",
    "Template",
    "exemplified",
    "names_in",
    "render_headers",
    "render_url",
    "texts_in",
    "undeclared",
]

NAME = re.compile(r"[A-Za-z0-9_]+")
"""What a placeholder may be called."""

_PLACEHOLDER = re.compile(r"\{(\$?[A-Za-z0-9_]+)\}")
_REPLY_PLACEHOLDER = re.compile(r"\{(\$?[A-Za-z0-9_]+|\$[.\[][^{}]*)\}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


_NOTHING = Document()


class _Sources(msgspec.Struct, frozen=True):
    """Where a message's placeholders take their values."""

    values: Mapping[str, Any]
    moment: MessageBuiltins
    answered: Answered


_Slot = Callable[[_Sources], Any]
"""Looks the value of a placeholder up."""


def names_in(message: Any) -> frozenset[str]:  # noqa: ANN401 - any JSON
    """Return the names of the `{name}` in a text, or anywhere in a JSON value."""
    return frozenset(
        name
        for text in texts_in(message)
        for name in _PLACEHOLDER.findall(text)
        if not name.startswith("$")
    )


def undeclared(text: str, declared: Collection[str]) -> list[str]:
    """Return the names of placeholders that nobody declares, in order.

    They are errors in `url`, `headers` and `auth`, and plain text in messages.
    """
    return [
        name
        for name in _PLACEHOLDER.findall(text)
        if name not in declared and name not in BUILTINS
    ]


def exemplified(url: str) -> str:
    """Return a URL with a digit for each placeholder, to look at its other parts."""
    return _PLACEHOLDER.sub("1", url)


def texts_in(message: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
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
    """A message with placeholders, compiled once."""

    def __init__(
        self,
        message: Any,  # noqa: ANN401 - any JSON
        declared: Collection[str] = (),
        *,
        groups: Collection[str] | None = None,
    ) -> None:
        """Compile a message.

        Args:
            message: A string, which is sent as it is; or another JSON value.
            declared: The names that are placeholders: those of `placeholders`,
                `contexts`, `auth` and all captures.
            groups: For the `reply` of a rule: the groups of `message_pattern`.

        Raises:
            ValueError: When a reply has a `{$.path}` that is not a JSONPath.
        """
        self._declared = declared
        self._groups = groups
        self._is_text = isinstance(message, str)
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
            return _sendable(rendered)
        return jsontext.dumps(rendered).decode()

    def _node(self, value: Any) -> _Slot:  # noqa: ANN401 - any JSON
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
        """Return what fills a string of a JSON value: one placeholder has a type."""
        found = _REPLY_PLACEHOLDER.fullmatch(text)
        slot = self._slot(found[1]) if found else None
        return slot or self._text(text)

    def _text(self, text: str) -> _Slot:
        parts: list[str | _Slot] = []
        end = 0
        for found in _REPLY_PLACEHOLDER.finditer(text):
            slot = self._slot(found[1])
            if slot is not None:
                parts += [text[end : found.start()], slot]
                end = found.end()
        parts.append(text[end:])
        return lambda sources: "".join(
            part if isinstance(part, str) else text_of(part(sources)) for part in parts
        )

    def _slot(self, name: str) -> _Slot | None:
        """Return where a placeholder takes its value; None for plain text."""
        if name in BUILTINS:
            return lambda sources: sources.moment.value(name)
        if not name.startswith("$"):
            known = name in self._declared
            return (lambda sources: sources.values.get(name)) if known else None
        if self._groups is None:
            return None
        if name[1] in ".[":
            return _answer(compile_path(name))
        group = name[1:]
        known = group in self._groups
        return (lambda sources: sources.answered.groups.get(group)) if known else None


def _answer(path: Path) -> _Slot:
    def value(sources: _Sources) -> Any:  # noqa: ANN401 - any JSON
        found = path.first(sources.answered.document)
        return None if found is MISSING else found

    return value


def render_url(
    template: str,
    values: Mapping[str, Any],
    moment: MessageBuiltins,
    *,
    where: str = "url",
    schemes: tuple[str, str] = ("ws", "wss"),
) -> str:
    """Return a URL with its placeholders filled in.

    A value is inserted raw at the very start and percent-encoded elsewhere; one that
    was never captured is empty.

    Args:
        template: The URL as it was given.
        values: The values of declared placeholders.
        moment: The values that are always there.
        where: The name of the setting.
        schemes: What the result may begin with.

    Raises:
        ConnectionFailed: When the result is not a URL of these schemes.
    """
    url = _filled_url(template, values, moment)
    problem = _problem(url, schemes)
    if problem:
        msg = (
            f"{where}: with its placeholders filled in it {problem}; check what "
            f"{_named(template)} stands for"
        )
        raise ConnectionFailed(msg)
    return url


def _filled_url(
    template: str, values: Mapping[str, Any], moment: MessageBuiltins
) -> str:
    def value(found: re.Match[str]) -> str:
        text = _look_up(found[1], values, moment)
        return text if found.start() == 0 else quote(text, safe="")

    return _PLACEHOLDER.sub(value, template)


def _sendable(text: str) -> str:
    """Return a text without lone surrogates, which a server's JSON may bring."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _problem(url: str, schemes: tuple[str, str]) -> str:
    """Say what is wrong with a finished URL, or nothing."""
    if _CONTROL.search(url) or any(space in url for space in " \t"):
        return "holds a space or a control character"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a valid URL"
    if parts.scheme not in schemes or not host:
        return "does not begin with " + " or ".join(f"{one}://HOST" for one in schemes)
    return "has a fragment (#…), which may not be sent" if parts.fragment else ""


def _named(template: str) -> str:
    names = dict.fromkeys(_PLACEHOLDER.findall(template))
    return ", ".join(f"{{{name}}}" for name in names) or "it"


def render_headers(
    headers: Iterable[tuple[str, str]],
    values: Mapping[str, Any],
    moment: MessageBuiltins,
    *,
    where: str = "headers",
) -> tuple[tuple[str, str], ...]:
    """Return headers with the placeholders in their values filled in, raw.

    Raises:
        ConnectionFailed: When a value then holds a line break or another control
            character.
    """
    rendered = []
    for name, template in headers:
        value = _PLACEHOLDER.sub(
            lambda found: _look_up(found[1], values, moment), template
        )
        if _CONTROL.search(value):
            msg = (
                f"{where}: the value of {name} holds a line break or another control "
                f"character; check what {_named(template)} stands for"
            )
            raise ConnectionFailed(msg)
        rendered.append((name, value))
    return tuple(rendered)


def _look_up(name: str, values: Mapping[str, Any], moment: MessageBuiltins) -> str:
    """Return a placeholder's text; what was never captured is empty."""
    value = moment.value(name) if name in BUILTINS else values.get(name)
    return "" if value is None else _sendable(text_of(value))
