"""What must not show of a key, of a JSON value, and of a URL: texts to be masked."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tap_websocket.network.urls import userinfo_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_websocket.jsontext import JsonValue

__all__ = ["pem_secrets", "url_secrets", "values_in"]


def pem_secrets(key: str) -> Iterator[str]:
    """Yield a key, and each of its lines: a log may show one of them alone."""
    if key:
        yield key
        lines = key.replace("\\n", "\n").splitlines()
        yield from (line for line in lines[1:-1] if line and not line.startswith("-"))


def values_in(value: JsonValue) -> Iterator[str]:
    """Yield the strings of a JSON value, apart from the names of its members."""
    match value:
        case str():
            yield value
        case dict():
            for item in value.values():
                yield from values_in(item)
        case list():
            for item in value:
                yield from values_in(item)


def url_secrets(url: str) -> Iterator[str]:
    """Yield what of a token server's URL must not show; scheme and host may."""
    try:
        parts = urlsplit(url)
    except ValueError:
        # It is no URL: the check of the setting says so.
        return
    yield from userinfo_secrets(url)
    if parts.path.strip("/") or parts.query:
        yield url
        yield parts._replace(scheme="", netloc="").geturl()
