"""Decisions after something went wrong: try again, follow, wait; all pure."""

from __future__ import annotations

import email.utils
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from tap_websocket.transports.base import (
    BadHandshake,
    HandshakeError,
    HandshakeRefused,
    Unreachable,
)

if TYPE_CHECKING:
    from tap_websocket.settings import ReconnectSettings

__all__ = ["backoff", "is_retryable", "redirect", "retry_after", "same_origin"]

MOST_REDIRECTS = 5

_RETRIED_STATUS = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    },
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SERVER_ERRORS = 500
_PORTS = {"ws": 80, "wss": 443}


def is_retryable(error: HandshakeError) -> bool:
    """Tell whether a failed handshake is worth another try (contract, "Retried")."""
    if isinstance(error, HandshakeRefused):
        return error.status in _RETRIED_STATUS or error.status >= _SERVER_ERRORS
    return isinstance(error, Unreachable)


def backoff(settings: ReconnectSettings, attempt: int, random: float) -> float:
    """Return the seconds to wait before a retry.

    Args:
        settings: `reconnect_backoff`, and `reconnect_backoff_max` where given.
        attempt: Number of this retry since the last success, from 1.
        random: A number from 0 to 1, for the jitter.
    """
    if settings.backoff_max is None:
        return settings.backoff
    doubled = settings.backoff * 2.0 ** min(attempt - 1, 64)
    return min(doubled, settings.backoff_max) * random


def retry_after(error: HandshakeError, now: float) -> float:
    """Return the seconds that the server's `Retry-After` asks for (RFC 9110).

    Args:
        error: The failed handshake.
        now: The wall clock, in seconds since the epoch.
    """
    if isinstance(error, Unreachable):
        return error.retry_after
    if not isinstance(error, HandshakeRefused):
        return 0.0
    value = error.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return 0.0


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


def same_origin(one: str, other: str) -> bool:
    """Tell whether two URLs have one origin: scheme, host and port."""
    return _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def _http(url: str) -> str:
    """`urljoin` resolves relative references of schemes that it knows, only."""
    return "http" + url.removeprefix("ws")
