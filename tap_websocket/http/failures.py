"""What a failed HTTP request means: the libraries' own errors show the URL."""

from __future__ import annotations

import http.client
import re
import ssl
from typing import TYPE_CHECKING, Any

import requests
import urllib3

from tap_websocket.errors import CredentialError, extra_needed
from tap_websocket.http.answer import TransientHttpError
from tap_websocket.network.errors import BadHandshake, HandshakeError, Unreachable
from tap_websocket.network.tunnel import proxy_refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_websocket.http.answer import Purpose

__all__ = ["LIBRARY_ERRORS", "request_failure", "unavailable"]

LIBRARY_ERRORS = (requests.RequestException, urllib3.exceptions.HTTPError)
"""What `requests` raises, and what urllib3 does while a body is read."""

_PASSING = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.ProtocolError,
    urllib3.exceptions.TimeoutError,
)
"""Failures of the connection, and not of the request."""

_TIMEOUTS = (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)
_TOO_MANY = re.compile(r"got more than \d+ headers")
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})\b")
_SOCKS_FINAL = re.compile(r"authentication|^0x0[278]:")


def unavailable(
    purpose: Purpose, where: str, reason: str, after: float = 0.0
) -> TransientHttpError:
    """Return the error of a request that is worth another try.

    Args:
        purpose: What the request is for.
        where: Scheme, host and port of the server.
        reason: In a few words.
        after: Seconds that the server wants to be left alone.
    """
    return TransientHttpError(
        f"the {purpose.subject} request to {where} failed: {reason}", after
    )


def request_failure(
    error: Exception, purpose: Purpose, where: str, timed_out: str
) -> TransientHttpError | CredentialError:
    """Return what an error of the libraries means, in words that show no secret.

    Args:
        error: One of `LIBRARY_ERRORS`.
        purpose: What the request is for.
        where: Scheme, host and port of the server.
        timed_out: The reason where no answer came in time.

    Returns:
        `TransientHttpError` where another try may succeed, `CredentialError` where it
        cannot.
    """
    subject, setting = purpose.subject, purpose.setting
    causes = list(_causes(error))
    untrusted = _first(causes, ssl.SSLCertVerificationError)
    if untrusted is not None:
        return CredentialError(
            f"the certificate of {where} is not trusted "
            f"({untrusted.verify_message}); check tls"
        )
    if "SOCKS" in str(error) and isinstance(error, requests.exceptions.InvalidSchema):
        return CredentialError(
            f"the {subject} request to {where} cannot use the proxy: "
            f"SOCKS {extra_needed('socks')}"
        )
    refusal = _proxy_refusal(causes)
    if isinstance(refusal, Unreachable):
        return unavailable(purpose, where, str(refusal))
    if reason := refusal or _unreadable(causes, setting):
        return CredentialError(f"the {subject} request to {where} failed: {reason}")
    if not isinstance(error, _PASSING):
        return CredentialError(
            f"the {subject} request to {where} cannot be made; check the URL in "
            f"{setting}"
        )
    return unavailable(purpose, where, _reason(causes, timed_out))


def _reason(causes: list[BaseException], timed_out: str) -> str:
    from_socks = any(type(cause).__module__ == "socks" for cause in causes)
    if from_socks or _first(causes, requests.exceptions.ProxyError):
        return "the proxy refused, or was not reached"
    if _first(causes, ssl.SSLError):
        return "TLS was interrupted"
    words = (cause.strerror for cause in causes if isinstance(cause, OSError))
    for word in filter(None, words):
        return word
    if _first(causes, *_TIMEOUTS):
        return timed_out
    return "the connection was lost"


def _unreadable(causes: list[BaseException], setting: str) -> str:
    """Return what is wrong with an answer that no other try would mend, or nothing.

    The standard library says by the text of its error alone that headers are too many.
    """
    for cause in causes:
        if isinstance(cause, http.client.RemoteDisconnected):
            return ""
        if isinstance(cause, http.client.LineTooLong) or _TOO_MANY.match(str(cause)):
            return f"the head of the server's answer is too long; check {setting}"
        if isinstance(cause, http.client.BadStatusLine):
            # The libraries do not say whether it was the server's or a proxy's.
            return f"the answer is not HTTP; check the URL in {setting}, and proxy"
        if isinstance(cause, urllib3.exceptions.DecodeError):
            return f"the server's answer cannot be decompressed; check {setting}"
    return ""


def _proxy_refusal(causes: list[BaseException]) -> HandshakeError | None:
    """Return what a proxy's refusal means, as in handshakes; None where there is none.

    urllib3 2 and PySocks 1.7 tell it by the text of their errors alone.
    """
    for cause in causes:
        tunnel = _TUNNEL.match(str(cause))
        if tunnel:
            return proxy_refusal(int(tunnel[1]))
        if type(cause).__module__ == "socks" and _SOCKS_FINAL.search(str(cause)):
            return BadHandshake("the proxy refuses to serve; check proxy")
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those inside it: arguments, reason, cause and context.

    urllib3 wraps the error of a socket in several of its own, each in its own place.
    """
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        current = pending.pop(0)
        if isinstance(current, BaseException) and id(current) not in seen:
            seen.add(id(current))
            yield current
            reason = getattr(current, "reason", None)
            pending += [*current.args, reason, current.__cause__, current.__context__]


def _first(causes: list[BaseException], *kinds: type[Any]) -> Any:  # noqa: ANN401 - one of the kinds
    return next((error for error in causes if isinstance(error, kinds)), None)
