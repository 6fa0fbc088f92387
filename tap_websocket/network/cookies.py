"""Cookies of one connection attempt (RFC 6265), as a browser would keep them."""

from __future__ import annotations

import email.message
import http.client
import http.cookiejar
import urllib.request
from typing import TYPE_CHECKING, Any, cast

from tap_websocket.network.urls import as_http, merge_headers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_websocket.network.urls import Headers

__all__ = ["Cookies"]

_COOKIE = "Cookie"


class Cookies:
    """Takes what servers set, and returns what goes to a URL.

    Domain, path and `Secure` decide, as with any browser; a port does not.
    """

    def __init__(self) -> None:
        self._jar = http.cookiejar.CookieJar()

    def take(self, url: str, fields: Sequence[str]) -> None:
        """Keep the cookies that an answer sets.

        Args:
            url: Where it comes from: `http://`, `https://`, `ws://` or `wss://`.
            fields: The values of its header fields `Set-Cookie`.
        """
        if not fields:
            return
        answer = _Answer(fields)
        # The jar looks at nothing but the answer's header fields.
        self._jar.extract_cookies(
            cast("http.client.HTTPResponse", answer), _request(url)
        )

    def header(self, url: str) -> str | None:
        """Return the value of `Cookie` for a URL, or None where there is none."""
        request = _request(url)
        self._jar.add_cookie_header(request)
        return request.get_header(_COOKIE)

    def added_to(self, headers: Headers, url: str) -> Headers:
        """Return the headers of a request to a URL, with the cookies that go there."""
        found = self.header(url)
        if found is None:
            return headers
        given = [value for name, value in headers if name.lower() == _COOKIE.lower()]
        return merge_headers(headers, ((_COOKIE, "; ".join([*given, found])),))

    @property
    def values(self) -> tuple[str, ...]:
        """The values of all cookies, which are secrets."""
        return tuple(cookie.value for cookie in self._jar if cookie.value)


class _Answer:
    """An answer, as a cookie jar looks at it."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._message = email.message.Message()
        for field in fields:
            self._message["Set-Cookie"] = field

    def info(self) -> Any:  # noqa: ANN401 - as `http.client` has it
        """Return the header fields."""
        return self._message


def _request(url: str) -> urllib.request.Request:
    """Return a request that is never sent."""
    address = as_http(url) if url.startswith("ws") else url
    return urllib.request.Request(address)  # noqa: S310 - nothing is opened
