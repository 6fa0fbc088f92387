"""Where a server that refuses the handshake sends us instead."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from tap_websocket.network.errors import BadHandshake, HandshakeRefused
from tap_websocket.network.urls import PORTS, as_http, on_the_wire

__all__ = ["MAX_REDIRECTS", "redirect"]

MAX_REDIRECTS = 5
"""Redirects that one attempt follows: more is a loop."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NO_ADDRESS = "the server redirects to what is not a WebSocket address"


def redirect(url: str, error: HandshakeRefused) -> str | None:
    """Return where a refused handshake sends us, or None when it does not.

    User-info in the address is left out: the server cannot give us credentials.

    Raises:
        BadHandshake: When that may not be followed.
    """
    location = error.headers.get("location")
    if error.status not in _REDIRECTS or not location:
        return None
    try:
        # `urljoin` resolves relative references of schemes that it knows, only.
        target = urljoin(as_http(url), location.encode("latin-1").decode())
        parts = urlsplit(target)
        scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
        host = parts.netloc.rpartition("@")[2]
        if scheme not in PORTS or not parts.hostname:
            raise BadHandshake(_NO_ADDRESS)
        parts = parts._replace(scheme=scheme, netloc=host, fragment="")
        target = on_the_wire(parts.geturl())
    except ValueError as problem:
        raise BadHandshake(_NO_ADDRESS) from problem
    if url.startswith("wss:") and scheme == "ws":
        msg = "the server redirects from wss:// to ws://, which is not followed"
        raise BadHandshake(msg)
    return target
