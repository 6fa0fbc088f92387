"""Fill placeholders in: in messages, URLs and headers.

`{name}` stands for a declared value, `{$now_s}` and the like for values that are
always there, and in a reply `{$.path}` and `{$group}` for parts of what is answered.
`{name|filter}` inserts a value in another form (`filters`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from tap_websocket import jsontext
from tap_websocket.errors import ConnectionFailed
from tap_websocket.expressions.documents import Answered, Document
from tap_websocket.expressions.filters import FILTERS, Filters, parse_filters
from tap_websocket.expressions.jsonpath import MISSING, Path, compile_path
from tap_websocket.expressions.placeholders import (
    BUILTINS,
    MessageBuiltins,
    TopicList,
)
from tap_websocket.jsontext import text_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

__all__ = [
    "NAME",
    "TOKEN",
    "Template",
    "exemplified",
    "has_fixed_origin",
    "names_in",
    "render_headers",
    "render_subprotocols",
    "render_url",
    "texts_in",
    "undeclared",
    "unknown_filters",
]

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A token of HTTP (RFC 9110, section 5.6.2): the name of a header or a subprotocol."""

NAME = re.compile(r"[A-Za-z0-9_]+")
"""What a placeholder may be called."""

_FILTERS = r"((?:\|[A-Za-z0-9_]+)*)"
_PLACEHOLDER = re.compile(r"\{(\$?[A-Za-z0-9_]+)" + _FILTERS + r"\}")
_REPLY_PLACEHOLDER = re.compile(
    r"\{(\$?[A-Za-z0-9_]+|\$[.\[][^{}]*?)" + _FILTERS + r"\}",
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_AUTHORITY = re.compile(r"://(?:[^/?#]*@)?([^/?#]*)")
"""The host and port of a URL: group 1, behind any user-info."""

_SCHEMES = ("ws", "wss")
_HTTP = re.compile(r"^http(?=s?://)", re.IGNORECASE)

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
        for name, _ in _PLACEHOLDER.findall(text)
        if not name.startswith("$")
    )


def undeclared(text: str, declared: Collection[str]) -> list[str]:
    """Return the names of placeholders that nobody declares, in order.

    They are errors in `url`, `headers` and `auth`, and plain text in messages.
    """
    return [
        name
        for name, _ in _PLACEHOLDER.findall(text)
        if name not in declared and name not in BUILTINS
    ]


def unknown_filters(text: str) -> list[str]:
    """Return the filters of placeholders that do not exist, in order.

    They are errors where undeclared names are.
    """
    found = (parse_filters(given).unknown for _, given in _PLACEHOLDER.findall(text))
    return [name for name in found if name is not None]


def has_fixed_origin(url: str) -> bool:
    """Return whether scheme, host and port of a URL hold no placeholder."""
    authority = _AUTHORITY.search(url)
    origin = url[: authority.end()] if authority else url
    return _PLACEHOLDER.search(origin) is None


def exemplified(url: str, example: str = "1") -> str:
    """Return a URL with an example for each placeholder, to look at its other parts."""
    return _PLACEHOLDER.sub(example, url)


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
    """A message with placeholders, compiled once.

    Args:
        message: A string, which is sent as it is; or another JSON value.
        declared: The names that are placeholders: those of `placeholders`, `contexts`,
            `topics`, `auth` and all captures.
        groups: For the `reply` of a rule: the groups of `message_pattern`.

    Attributes:
        names: The declared names that stand in the message.

    Raises:
        ValueError: When a reply has a `{$.path}` that is not a JSONPath, or has an
            unknown filter behind it.
    """

    def __init__(
        self,
        message: Any,  # noqa: ANN401 - any JSON
        declared: Collection[str] = (),
        *,
        groups: Collection[str] | None = None,
    ) -> None:
        self.names = names_in(message) & frozenset(declared)
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
            part if isinstance(part, str) else _filtered(part[0](sources), part[1])
            for part in parts
        )

    def _slot(self, found: re.Match[str]) -> tuple[_Slot, Filters] | None:
        """Return where a placeholder takes its value; None for plain text."""
        name, filters = found[1], parse_filters(found[2])
        if name[:2] in {"$.", "$["}:
            if self._groups is None:
                return None
            if filters.unknown is not None:
                msg = (
                    f"{filters.unknown} is not a filter of placeholders; the filters "
                    f"are {', '.join(FILTERS)}"
                )
                raise ValueError(msg)
            return _answer(compile_path(name)), filters
        slot = self._lookup(name)
        return None if slot is None or filters.unknown is not None else (slot, filters)

    def _lookup(self, name: str) -> _Slot | None:
        if name in BUILTINS:
            return lambda sources: sources.moment.value(name)
        if not name.startswith("$"):
            known = name in self._declared
            return (lambda sources: sources.values.get(name)) if known else None
        group = name[1:]
        known = self._groups is not None and group in self._groups
        return (lambda sources: sources.answered.groups.get(group)) if known else None


def _typed(value: Any, filters: Filters) -> Any:  # noqa: ANN401 - any JSON
    """Return what stands for a value in JSON: a filter makes a string of it."""
    if isinstance(value, TopicList):
        return [filters.apply(topic) for topic in value.topics]
    return _filtered(value, filters) if filters.change_values else value


def _filtered(
    value: Any,  # noqa: ANN401 - any JSON
    filters: Filters,
    *,
    in_url: bool = False,
) -> str:
    """Return what stands for a value in a text."""
    if isinstance(value, TopicList):
        return value.text(lambda topic: filters.apply(topic, in_url=in_url))
    return filters.apply(text_of(value), in_url=in_url)


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
    schemes: tuple[str, str] = _SCHEMES,
) -> str:
    """Return a URL with its placeholders filled in.

    A value is inserted as it is at the very start and in the place of host and port.
    Elsewhere it is percent-encoded, unless a filter says otherwise. A value that was
    never captured is empty. `http://` and `https://` from a placeholder at the start
    are read as `ws://` and `wss://`.

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
    if template.startswith("{") and schemes == _SCHEMES:
        # An HTTP API that hands the feed's address out may name it as its own.
        url = _HTTP.sub("ws", url)
    problem = _problem(url, schemes)
    if problem:
        msg = (
            f"{where}: with its placeholders filled in it {problem}; check what "
            f"{_named(template)} stands for"
        )
        raise ConnectionFailed(msg)
    return url


def _filled_url(
    template: str,
    values: Mapping[str, Any],
    moment: MessageBuiltins,
) -> str:
    authority = _AUTHORITY.search(template)
    start, end = authority.span(1) if authority else (0, 0)

    def value(found: re.Match[str]) -> str:
        as_it_is = found.start() == 0 or start <= found.start() < end
        return _look_up(found, values, moment, in_url=not as_it_is)

    return _PLACEHOLDER.sub(value, template)


def _sendable(text: str) -> str:
    """Return a text without lone surrogates, which a server's JSON may bring."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _problem(url: str, schemes: tuple[str, str]) -> str:
    """Return what is wrong with a finished URL, or an empty text."""
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
    names = dict.fromkeys(name for name, _ in _PLACEHOLDER.findall(template))
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
            lambda found: _look_up(found, values, moment), template
        )
        if _CONTROL.search(value):
            msg = (
                f"{where}: the value of {name} holds a line break or another control "
                f"character; check what {_named(template)} stands for"
            )
            raise ConnectionFailed(msg)
        rendered.append((name, value))
    return tuple(rendered)


def render_subprotocols(
    names: Iterable[str],
    values: Mapping[str, Any],
    moment: MessageBuiltins,
) -> tuple[str, ...]:
    """Return subprotocols with their placeholders filled in, each once.

    Raises:
        ConnectionFailed: When one is then empty, or holds what a name may not
            (RFC 6455, section 4.1); the message does not show it.
    """
    rendered: dict[str, None] = {}
    for template in names:
        name = _PLACEHOLDER.sub(lambda found: _look_up(found, values, moment), template)
        if not TOKEN.fullmatch(name):
            msg = (
                "subprotocols: with its placeholders filled in, a name is empty or has "
                f"characters that none may have; check what {_named(template)} stands "
                "for, or encode it ({name|base64url})"
            )
            raise ConnectionFailed(msg)
        rendered[name] = None
    return tuple(rendered)


def _look_up(
    found: re.Match[str],
    values: Mapping[str, Any],
    moment: MessageBuiltins,
    *,
    in_url: bool = False,
) -> str:
    """Return a placeholder's text; what was never captured is empty."""
    name, filters = found[1], parse_filters(found[2])
    value = moment.value(name) if name in BUILTINS else values.get(name)
    if value is None:
        return ""
    return _sendable(_filtered(value, filters, in_url=in_url))
