"""Fill placeholders in: in URLs, headers and subprotocols.

Names that nobody declares are errors there, where in messages they are plain text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tap_websocket.errors import ConnectionFailed
from tap_websocket.expressions.filters import parse_filters
from tap_websocket.expressions.placeholders import BUILTINS, MessageBuiltins
from tap_websocket.expressions.templates import PLACEHOLDER, filtered, sendable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = [
    "TOKEN",
    "exemplified",
    "has_fixed_origin",
    "render_headers",
    "render_subprotocols",
    "render_url",
    "undeclared",
    "unknown_filters",
]

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A token of HTTP (RFC 9110, section 5.6.2): the name of a header or a subprotocol."""

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_AUTHORITY = re.compile(r"://(?:[^/?#]*@)?([^/?#]*)")
"""The host and port of a URL: group 1, behind any user-info."""

_SCHEMES = ("ws", "wss")

_HTTP = re.compile(r"^http(?=s?://)", re.IGNORECASE)


def undeclared(text: str, declared: Collection[str]) -> list[str]:
    """Return the names of placeholders that nobody declares, in order.

    They are errors in `url`, `headers` and `auth`, and plain text in messages.
    """
    return [
        name
        for name, _ in PLACEHOLDER.findall(text)
        if name not in declared and name not in BUILTINS
    ]


def unknown_filters(text: str) -> list[str]:
    """Return the filters of placeholders that do not exist, in order.

    They are errors where undeclared names are.
    """
    found = (parse_filters(given).unknown for _, given in PLACEHOLDER.findall(text))
    return [name for name in found if name is not None]


def exemplified(url: str, example: str = "1") -> str:
    """Return a URL with an example for each placeholder, to look at its other parts."""
    return PLACEHOLDER.sub(example, url)


def has_fixed_origin(url: str) -> bool:
    """Return whether scheme, host and port of a URL hold no placeholder."""
    authority = _AUTHORITY.search(url)
    origin = url[: authority.end()] if authority else url
    return PLACEHOLDER.search(origin) is None


def render_url(
    template: str,
    values: Mapping[str, Any],
    moment: MessageBuiltins,
    *,
    where: str = "url",
    schemes: tuple[str, str] = _SCHEMES,
) -> str:
    """Return a URL with its placeholders filled in.

    A value is inserted as it is at the very start and as host and port.
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

    return PLACEHOLDER.sub(value, template)


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
        value = PLACEHOLDER.sub(lambda found: _look_up(found, values, moment), template)
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
        name = PLACEHOLDER.sub(lambda found: _look_up(found, values, moment), template)
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
    return sendable(filtered(value, filters, in_url=in_url))


def _named(template: str) -> str:
    names = dict.fromkeys(name for name, _ in PLACEHOLDER.findall(template))
    return ", ".join(f"{{{name}}}" for name in names) or "it"
