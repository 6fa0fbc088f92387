"""HTTP requests, sent again to where their answers redirect to."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tap_websocket.errors import CredentialError
from tap_websocket.feed.redirects import MAX_REDIRECTS, headers_after, http_redirect
from tap_websocket.network.cookies import Cookies
from tap_websocket.network.urls import log_label, same_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tap_websocket.feed.trust import TrustedOrigins
    from tap_websocket.http.answer import Answer
    from tap_websocket.http.client import HttpClient
    from tap_websocket.http.request import FilledRequest

__all__ = ["send_and_follow"]

_SAFE = frozenset({"GET", "HEAD"})
_MAKES_GET = HTTPStatus.SEE_OTHER
_KEEPS_METHOD = frozenset(
    {HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT}
)
_ABOUT_BODY = "content-"
"""How the names of the header fields begin that describe a body."""


def send_and_follow(
    client: HttpClient,
    request: FilledRequest,
    *,
    trusted: TrustedOrigins,
    learn: Callable[[Iterable[str]], None],
) -> Answer:
    """Send a request, follow redirects, and return the last answer. Blocks.

    Cookies that an answer sets go to the same host, as with a browser.

    Args:
        client: Sends it; all of it takes no longer than its `timeout`.
        request: The first one, to an address that the config names.
        trusted: The other origins that headers and bodies may go to.
        learn: Takes what must not show in any output. Any thread may call it.

    Raises:
        TransientHttpError: When another try may succeed (`HttpClient.send`).
        CredentialError: When it cannot, or a redirect may not be followed.
    """
    cookies = Cookies()
    end = time.monotonic() + client.timeout
    for _ in range(MAX_REDIRECTS + 1):
        # urllib3 2 logs paths at debug level.
        learn([urlsplit(request.url)._replace(scheme="", netloc="").geturl()])
        learn(cookies.values)
        method, url, headers, body = request
        answer = client.send(
            method,
            url,
            cookies.added_to(headers, url),
            body,
            seconds=end - time.monotonic(),
        )
        cookies.take(url, answer.cookies)
        following = _redirected(request, answer, trusted)
        if following is None:
            return answer
        request = following
    purpose = client.purpose
    msg = (
        f"the {purpose.subject} request to {log_label(request.url)} got more than "
        f"{MAX_REDIRECTS} redirects; check {purpose.setting}"
    )
    raise CredentialError(msg)


def _redirected(
    request: FilledRequest, answer: Answer, trusted: TrustedOrigins
) -> FilledRequest | None:
    """Return the request that an answer asks for, or None where it asks for none.

    RFC 9110, section 15.4. That 301 and 302 make a GET of a POST is a habit of
    browsers: a subscription that gets lost so would look like one that succeeded.

    Raises:
        CredentialError: When that may not be followed.
    """
    target = http_redirect(answer)
    if target is None:
        return None
    method, _, headers, body = request
    if method not in _SAFE:
        if answer.status == _MAKES_GET:
            method, body = "GET", None
            headers = tuple(
                item for item in headers if not item[0].lower().startswith(_ABOUT_BODY)
            )
        elif answer.status not in _KEEPS_METHOD:
            return None
    is_trusted = same_origin(request.url, target) or trusted.has(target)
    if body is not None and not is_trusted:
        subject = answer.purpose.subject
        msg = (
            f"the {subject} request to {answer.where} is redirected to "
            f"{log_label(target)}, another origin, where its body is not sent; to "
            "trust it, put it into trusted_origins"
        )
        raise CredentialError(msg)
    headers = headers_after(headers, target, trusted=is_trusted)
    return request._replace(method=method, url=target, headers=headers, body=body)
