"""Where a server that refuses the handshake sends us instead."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from tap_websocket.network.errors import (
    BadHandshake,
    HandshakeRefused,
)
from tap_websocket.network.urls import _PORTS

__all__ = ["redirect"]

MOST_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def redirect(url: str, error: HandshakeRefused) -> str | None:
    """Return where a refused handshake sends us, or None when it does not.

    User-info in the address is left out: the server cannot give us credentials.

    Raises:
        BadHandshake: When that may not be followed.
    """
    location = error.headers.get("location")
    if error.status not in _REDIRECTS or not location:
        return None
    target = urljoin(_http(url), location)
    parts = urlsplit(target)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in _PORTS or not parts.hostname:
        msg = "the server redirects to what is not a WebSocket address"
        raise BadHandshake(msg)
    if url.startswith("wss:") and scheme == "ws":
        msg = "the server redirects from wss:// to ws://, which is not followed"
        raise BadHandshake(msg)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(scheme=scheme, netloc=host, fragment="").geturl()


def _http(url: str) -> str:
    """`urljoin` resolves relative references of schemes that it knows, only."""
    return "http" + url.removeprefix("ws")
