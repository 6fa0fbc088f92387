"""Parts of URLs: user-info, origins, and what of them a log may show."""

from __future__ import annotations

import base64
from urllib.parse import unquote_to_bytes, urlsplit

__all__ = [
    "Headers",
    "basic",
    "log_label",
    "public_url",
    "same_origin",
    "split_userinfo",
    "userinfo_secrets",
]


_PORTS = {"ws": 80, "wss": 443}


def same_origin(one: str, other: str) -> bool:
    """Tell whether two URLs have one origin: scheme, host and port."""
    return _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


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
    return (*parts, *decoded, _credentials(headers))


def _credentials(headers: Headers) -> str:
    """Return the credentials in a header, without their scheme."""
    return headers[0][1].partition(" ")[2]


def log_label(url: str) -> str:
    """Return what a log may say of a URL: scheme, host and port."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}"
