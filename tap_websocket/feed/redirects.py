"""Where a server sends us instead, and what goes there with us."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from tap_websocket.errors import CredentialError
from tap_websocket.feed.trust import headers_for_anybody
from tap_websocket.network.errors import BadHandshake
from tap_websocket.network.urls import as_http, log_label, on_the_wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_websocket.http.answer import Answer
    from tap_websocket.network.errors import HandshakeRefused
    from tap_websocket.network.urls import Headers

__all__ = ["MAX_REDIRECTS", "headers_after", "http_redirect", "redirect"]

_LOGGER = logging.getLogger("tap-websocket")

MAX_REDIRECTS = 5
"""Redirects that one attempt follows: more is a loop."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HTTP = {"http": "http", "https": "https"}
_WEBSOCKET = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
"""The schemes that are taken, and what each stands for."""


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
        target = _resolve(as_http(url), location, _WEBSOCKET)
    except ValueError as problem:
        msg = "the server redirects to what is not a WebSocket address"
        raise BadHandshake(msg) from problem
    if url.startswith("wss:") and target.startswith("ws:"):
        msg = "the server redirects from wss:// to ws://, which is not followed"
        raise BadHandshake(msg)
    return target


def http_redirect(answer: Answer) -> str | None:
    """Return where the answer to an HTTP request sends us, as `redirect` does.

    Raises:
        CredentialError: When that may not be followed.
    """
    if answer.status not in _REDIRECTS or not answer.location:
        return None
    subject, setting = answer.purpose.subject, answer.purpose.setting
    try:
        target = _resolve(answer.url, answer.location, _HTTP)
    except ValueError as problem:
        msg = (
            f"the {subject} request to {answer.where} is redirected to what is not an "
            f"HTTP address; check {setting}"
        )
        raise CredentialError(msg) from problem
    if answer.url.startswith("https:") and target.startswith("http:"):
        msg = (
            f"the {subject} request to {answer.where} is redirected from https:// to "
            f"http://, which is not followed; check {setting}"
        )
        raise CredentialError(msg)
    return target


def _resolve(url: str, location: str, schemes: Mapping[str, str]) -> str:
    """Return the address in a `Location`, which may be relative (RFC 9110, 10.2.2).

    Raises:
        ValueError: When it is none of these schemes, or none at all.
    """
    # `urljoin` resolves relative references of schemes that it knows, only.
    target = urljoin(url, location.encode("latin-1").decode())
    parts = urlsplit(target)
    scheme = schemes.get(parts.scheme)
    if scheme is None or not parts.hostname:
        raise ValueError(location)
    host = parts.netloc.rpartition("@")[2]
    return on_the_wire(parts._replace(scheme=scheme, netloc=host, fragment="").geturl())


def headers_after(headers: Headers, target: str, *, trusted: bool) -> Headers:
    """Return the headers that go on to where a redirect leads, and log where it does.

    Args:
        headers: Those of the request that was redirected.
        target: The address.
        trusted: Whether credentials may go there.
    """
    if trusted:
        _LOGGER.info("Redirected to %s", log_label(target))
        return headers
    kept = headers_for_anybody(headers)
    note = ""
    if len(kept) < len(headers):
        note = ", without the headers, which are for the first address"
    _LOGGER.info("Redirected to %s%s", log_label(target), note)
    return kept
