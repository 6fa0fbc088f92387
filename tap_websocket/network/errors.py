"""How a connection attempt fails, and whether another one may succeed."""

from __future__ import annotations

import email.utils
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


__all__ = [
    "REFUSES_CREDENTIALS",
    "BadHandshake",
    "HandshakeError",
    "HandshakeRefused",
    "Incapable",
    "Unreachable",
    "Untrusted",
    "forget_frames",
    "is_retried_status",
    "is_retryable",
    "retry_after",
]


class HandshakeError(Exception):
    """The opening handshake failed. The message is safe for a log."""


class Unreachable(HandshakeError):
    """DNS, TCP, proxy or TLS failed in a way that may pass.

    Attributes:
        retry_after: Seconds that whoever answered asks to wait, or 0.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Untrusted(HandshakeError):
    """The server's certificate is not trusted; trying again is no use."""


class BadHandshake(HandshakeError):
    """The peer speaks no WebSocket, or agreed to what was not offered."""


class Incapable(HandshakeError):
    """This library does not take an answer, or a way, that is legal."""


class HandshakeRefused(HandshakeError):
    """The server answered the upgrade with an HTTP status other than 101.

    Attributes:
        status: The HTTP status.
        headers: The response's headers, names in lower case.
        cookies: The values of all its `Set-Cookie`.
    """

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        cookies: Iterable[str] = (),
    ) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.headers = headers
        self.cookies = tuple(cookies)


def forget_frames(error: BaseException) -> None:
    """Drop the tracebacks of an error and of those that led to it.

    A traceback keeps the frames that the error has passed, with all that they know: the
    connection that failed.
    """
    # Causes may go round in a circle.
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            each.__traceback__ = None
            pending += each.__cause__, each.__context__


REFUSES_CREDENTIALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
"""Statuses after which others are tried, where there are any."""

_RETRIED_STATUS = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    },
)
_SERVER_ERRORS = 500

_MAX_WAIT_SECONDS = 86400.0
"""A server that asks for more than a day is asked again after one."""


def is_retried_status(status: int) -> bool:
    """Return whether what a server or a proxy answers with this HTTP status may pass.

    docs/behaviour.md, "Retried".
    """
    return status in _RETRIED_STATUS or status >= _SERVER_ERRORS


def is_retryable(error: HandshakeError) -> bool:
    """Return whether a failed handshake is tried again.

    docs/behaviour.md, "Retried".
    """
    if isinstance(error, HandshakeRefused):
        return is_retried_status(error.status)
    return isinstance(error, Unreachable)


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
    try:
        if value.isascii() and value.isdigit():
            seconds = float(value)
        else:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - now
    except (ValueError, OverflowError):
        # Dates with a zone of many digits overflow.
        return 0.0
    return min(max(0.0, seconds), _MAX_WAIT_SECONDS)
