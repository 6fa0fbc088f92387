"""What is checked in several settings; each check adds one line for each problem."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tap_websocket.expressions import rendering, templates
from tap_websocket.expressions.filters import FILTERS
from tap_websocket.expressions.jsonpath import compile_path

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from tap_websocket.expressions.path import Path

__all__ = [
    "CONTROL",
    "check_endpoint",
    "check_headers",
    "check_http_url",
    "check_names",
    "check_placeholders",
    "check_request",
    "compile_checked",
    "nearest",
]

_RESERVED_HEADERS = ("host", "upgrade", "connection")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""Control characters, which no token holds."""

_HTTP_METHOD = re.compile(r"[A-Za-z]+")

_NO_FIELD = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""Control characters that no header's value holds; a tab may stand in one."""


def check_headers(
    path: str,
    headers: Mapping[str, str],
    problems: list[str],
) -> None:
    """Check headers of the upgrade request, or of a token request.

    Args:
        path: Where they stand in the config.
        headers: Name to value.
        problems: Takes one line for each problem.
    """
    for name, value in headers.items():
        lower = name.lower()
        if not rendering.TOKEN.fullmatch(name):
            problems.append(f"{path}: {name!r} is not a valid header name")
        elif lower in _RESERVED_HEADERS or lower.startswith("sec-websocket-"):
            problems.append(
                f"{path}: {name} is set by the handshake itself; leave it out",
            )
        elif _NO_FIELD.search(value):
            problems.append(
                f"{path}: the value of {name} holds a line break or another "
                "control character; remove it",
            )


def check_http_url(path: str, url: str, problems: list[str]) -> None:
    """Check the URL of a request."""
    try:
        parts = urlsplit(rendering.exemplified(url))
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in {"http", "https"}:
        problems.append(f"{path}: must be a URL that begins with http:// or https://")


def check_endpoint(
    path: str, url: str, method: str, headers: Mapping[str, str], problems: list[str]
) -> None:
    """Check the URL, the method and the headers of a request, placeholders apart.

    Args:
        path: Where it stands in the config.
        url: Its URL, of which a placeholder may be the beginning.
        method: Its method.
        headers: Name to value.
        problems: Takes one line for each problem.
    """
    if not url.startswith("{"):
        check_http_url(f"{path}.url", url, problems)
    check_headers(f"{path}.headers", headers, problems)
    if not _HTTP_METHOD.fullmatch(method):
        problems.append(f"{path}.method: must be an HTTP method, such as POST")


def check_request(
    path: str,
    request: Mapping[str, Any],
    declared: Collection[str],
    problems: list[str],
) -> None:
    """Check the URL, the method and the headers of a request, and their placeholders.

    Args:
        path: Where it stands in the config.
        request: Its keys, with their types.
        declared: The names that are placeholders in it.
        problems: Takes one line for each problem.
    """
    url, headers = request["url"], request.get("headers", {})
    check_endpoint(path, url, request.get("method", "POST"), headers, problems)
    check_placeholders(f"{path}.url", url, declared, problems)
    for name, value in headers.items():
        check_placeholders(f"{path}.headers.{name}", value, declared, problems)


def check_placeholders(
    path: str,
    text: str,
    declared: Collection[str],
    problems: list[str],
) -> None:
    """Check that each placeholder of a text is declared.

    docs/feeds.md, "Placeholders".
    """
    for name in rendering.undeclared(text, declared):
        known = ", ".join(f"{{{name}}}" for name in sorted(declared)) or "none"
        problems.append(
            f"{path}: {{{name}}} is declared nowhere (declared: {known}); "
            f"add it to placeholders or contexts, or remove it",
        )
    problems += [
        f"{path}: {name} is not a filter of placeholders; the filters are "
        f"{', '.join(FILTERS)}{nearest(name, FILTERS)}"
        for name in rendering.unknown_filters(text)
    ]


def check_names(path: str, names: Collection[str], problems: list[str]) -> None:
    """Check that placeholders can have these names."""
    problems += [
        f"{path}: {name!r} is not a valid name; use letters, digits and _"
        for name in names
        if not templates.NAME.fullmatch(name)
    ]


def compile_checked(path: str, text: str, problems: list[str]) -> Path | None:
    """Compile a JSONPath; one that is none is a problem."""
    try:
        return compile_path(text)
    except ValueError as error:
        problems.append(f"{path}: {error}")
        return None


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known name, or an empty string."""
    match = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{match[0]}'?" if match else ""
