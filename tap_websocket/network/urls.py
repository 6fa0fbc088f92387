"""Parts of URLs: user-info, origins, and what the wire and a log may hold of them."""

from __future__ import annotations

import base64
import string
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "PORTS",
    "Headers",
    "as_http",
    "as_websocket",
    "basic",
    "basic_credentials",
    "host_and_port",
    "log_label",
    "merge_headers",
    "on_the_wire",
    "public_url",
    "same_origin",
    "split_userinfo",
    "userinfo_secrets",
]

PORTS = {"ws": 80, "wss": 443}
"""The schemes of WebSocket URLs, and their default ports (RFC 6455, section 3)."""

_PRINTABLE = string.ascii_letters + string.digits + string.punctuation
"""What a request line can carry: all of ASCII but spaces and control characters."""


def same_origin(one: str, other: str) -> bool:
    """Return whether two URLs have one origin: scheme, host and port."""
    return _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    port = parts.port or PORTS.get(as_websocket(parts.scheme))
    return parts.scheme, parts.hostname, port


def as_http(url: str) -> str:
    """Return a WebSocket URL with `http` or `https` in place of its scheme."""
    return "http" + url.removeprefix("ws")


def as_websocket(url: str) -> str:
    """Return an HTTP URL with `ws` or `wss` in place of its scheme."""
    return "ws" + url.removeprefix("http") if url.startswith("http") else url


def on_the_wire(url: str) -> str:
    """Return a URL as a request has it: the host as DNS asks, the path in ASCII.

    What is percent-encoded stays as it is.

    Raises:
        ValueError: When there is no such host or port, in a line without the URL.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        msg = "is not a valid URL; check the host and the port"
        raise ValueError(msg) from error
    netloc = parts.netloc
    if not host or ":" not in host:
        try:
            encoded = host.encode("idna").decode("ascii")
        except UnicodeError as error:
            encoded = ""
            cause: Exception | None = error
        else:
            cause = None
        if not encoded or quote(encoded, safe=_PRINTABLE) != encoded:
            msg = (
                "has a host name that cannot be looked up; each part between the dots "
                "takes 1 to 63 letters, digits and hyphens"
            )
            raise ValueError(msg) from cause
        if not netloc.isascii():
            userinfo, at, address = netloc.rpartition("@")
            _, colon, port = address.partition(":")
            netloc = f"{userinfo}{at}{encoded}{colon}{port}"
    return parts._replace(
        netloc=netloc,
        path=quote(parts.path, safe=_PRINTABLE),
        query=quote(parts.query, safe=_PRINTABLE),
    ).geturl()


Headers = tuple[tuple[str, str], ...]


def basic(username: bytes, password: bytes) -> Headers:
    """Return the header of Basic credentials (RFC 7617)."""
    token = base64.b64encode(username + b":" + password).decode("ascii")
    return (("Authorization", f"Basic {token}"),)


def split_userinfo(url: str) -> tuple[str, Headers]:
    """Take user-info out of a URL; return both, the latter as Basic credentials."""
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, ()
    username, _, password = userinfo.partition(":")
    headers = basic(unquote_to_bytes(username), unquote_to_bytes(password))
    return parts._replace(netloc=host).geturl(), headers


def public_url(template: str) -> str:
    """Return what records may hold of a URL: no user-info, query or fragment.

    Args:
        template: The URL as it was configured, placeholders as they are.
    """
    url = template.partition("#")[0].partition("?")[0]
    scheme, separator, rest = url.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def userinfo_secrets(url: str) -> tuple[str, ...]:
    """Return what of a URL's user-info must not show, in each form that it takes."""
    userinfo, at, _ = urlsplit(url).netloc.rpartition("@")
    if not at:
        return ()
    _, headers = split_userinfo(url)
    parts = userinfo.split(":", 1)
    decoded = [unquote_to_bytes(part).decode(errors="replace") for part in parts]
    return (*parts, *decoded, basic_credentials(headers))


def basic_credentials(headers: Headers) -> str:
    """Return the credentials in a header, without their scheme."""
    return headers[0][1].partition(" ")[2]


def log_label(url: str) -> str:
    """Return what a log may show of a URL: scheme, host and port."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{_host(parts.hostname)}{port}"


def host_and_port(url: str) -> str:
    """Return what a log may show of a WebSocket URL's address, with its port."""
    parts = urlsplit(url)
    return f"{_host(parts.hostname)}:{parts.port or PORTS[parts.scheme]}"


def _host(name: str | None) -> str:
    """Return a host's name for a log: a server may have sent it."""
    shown = quote(name or "", safe=_PRINTABLE)
    return f"[{shown}]" if ":" in shown else shown


def merge_headers(*sources: Iterable[tuple[str, str]]) -> Headers:
    """Return headers, of which those of a later source win whatever their case."""
    merged = {
        name.lower(): (name, value) for source in sources for name, value in source
    }
    return tuple(merged.values())
