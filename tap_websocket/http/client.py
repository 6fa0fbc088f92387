"""HTTP requests that block, with the trust and the proxy of the feed."""

from __future__ import annotations

import contextlib
import functools
import logging
import ssl
import threading
import time
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any

import requests
import requests.utils
import urllib3
from requests.adapters import HTTPAdapter

from tap_websocket import __version__
from tap_websocket.errors import CredentialError
from tap_websocket.http.answer import MAX_REPLY_BYTES, OK, TOKENS, Answer
from tap_websocket.http.failures import (
    LIBRARY_ERRORS,
    request_failure,
    unavailable,
)
from tap_websocket.http.watchdog import Watchdog
from tap_websocket.network.errors import (
    HandshakeRefused,
    is_retried_status,
    retry_after,
)
from tap_websocket.network.urls import log_label, split_userinfo
from tap_websocket.wording import counted_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.http.answer import Purpose
    from tap_websocket.network.urls import Headers

__all__ = ["HttpClient"]

_LOGGER = logging.getLogger("tap-websocket")

# It warns of headers that it cannot read, with a traceback and what the server sent.
logging.getLogger("urllib3.connection").setLevel(logging.ERROR)

_READ_BYTES = 16 * 1024
_REFUSAL_SECONDS = 1.0
"""For the body of a refusal, which may hold an error code: its status has decided."""

_MAX_SECONDS = 86400.0
"""Sockets of CPython take time-outs of less than 25 days, 2^31 milliseconds."""

_NO_PROXY = "none"


class HttpClient:
    """Sends requests. It is used from one thread at a time.

    Args:
        timeout: Seconds for a whole request, and for those that redirects ask for.
        proxy: The setting `proxy`: a URL, `none`, or None for the environment's.
        make_tls: Makes the context of the trust settings, one that nothing else uses:
            urllib3 changes it.
        purpose: What the requests are for.

    Attributes:
        timeout: As it was given.
        purpose: As it was given.
    """

    def __init__(
        self,
        timeout: float,
        proxy: str | None = None,
        make_tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        purpose: Purpose = TOKENS,
    ) -> None:
        self.timeout = timeout
        self._proxy = proxy
        self._make_tls = make_tls
        # Holds the watchdog of the request that each thread makes.
        self._request = threading.local()
        self.purpose = purpose

    @functools.cached_property
    def _session(self) -> requests.Session:
        context = self._make_tls()
        session = _Session()
        # Otherwise requests would replace our credentials by an entry of ~/.netrc.
        session.trust_env = False
        session.verify = context.verify_mode != ssl.CERT_NONE
        if not session.verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        # They belong to the attempt that asked, and not to the client.
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        session.headers["Connection"] = "close"
        session.headers["User-Agent"] = f"tap-websocket/{__version__}"
        session.headers["Accept"] = "application/json"
        session.mount("https://", _Adapter(context, self._watched))
        session.mount("http://", _Adapter(context, self._watched))
        return session

    def send(
        self,
        method: str,
        url: str,
        headers: Headers = (),
        body: bytes | None = None,
        *,
        seconds: float | None = None,
    ) -> Answer:
        """Send a request and read the whole answer.

        Args:
            method: The HTTP method.
            url: `http://` or `https://`, without user-info.
            headers: Sent besides the client's own.
            body: Sent as it is.
            seconds: What is left of `timeout`, where others were sent before.

        Raises:
            TransientHttpError: When another try may succeed, as with handshakes: no
                connection, a time-out, HTTP 408, 425, 429 and 5xx.
            CredentialError: When it cannot.
        """
        where = log_label(url)
        left = min(self.timeout if seconds is None else seconds, _MAX_SECONDS)
        if left <= 0:
            raise unavailable(self.purpose, where, self._timed_out)
        try:
            session = self._session
        except ValueError as error:
            # A file cannot be read that could be at the start.
            raise unavailable(self.purpose, where, f"tls.{error}") from error
        if url.startswith("https:") and not session.verify:
            _LOGGER.warning(
                "The certificate of %s is not checked (tls.verify: false)", where
            )
        self._request.watchdog = watchdog = Watchdog(left)
        try:
            with (
                watchdog,
                session.request(
                    method,
                    url,
                    # The standard library would take Latin-1; handshakes take UTF-8.
                    headers={name: value.encode() for name, value in headers},
                    data=body,
                    timeout=left,
                    allow_redirects=False,
                    proxies=self._proxies(url),
                    stream=True,
                ) as response,
            ):
                self._raise_for_retry(where, response)
                return Answer(
                    where,
                    response.status_code,
                    self._body(response, watchdog),
                    self.purpose,
                    url,
                    tuple(response.raw.headers.getlist("Set-Cookie")),
                    response.headers.get("Location", ""),
                )
        except _TooSlow as error:
            raise unavailable(self.purpose, where, self._timed_out) from error
        except _TooLong as error:
            subject, size = self.purpose.subject, counted_bytes(self.purpose.max_bytes)
            msg = f"the {subject} reply of {where} is longer than {size}"
            raise CredentialError(msg) from error
        except LIBRARY_ERRORS as error:
            if watchdog.has_expired:
                raise unavailable(self.purpose, where, self._timed_out) from error
            raise request_failure(
                error, self.purpose, where, self._timed_out
            ) from error
        finally:
            # A server may leave the connection open, though it is asked not to. The
            # time of the next request would not bound it.
            session.close()

    def _body(self, response: requests.Response, watchdog: Watchdog) -> bytes:
        """Return the body; of a refusal, whose body may never end, what there is.

        Raises:
            _TooSlow: When it is not complete when the request's time is over.
            _TooLong: When it is longer than the limit.
        """
        body = bytearray()
        if response.status_code in OK:
            _read(response, watchdog, self.purpose.max_bytes, body)
        else:
            watchdog.shorten(_REFUSAL_SECONDS)
            with contextlib.suppress(_TooSlow, _TooLong, *LIBRARY_ERRORS):
                _read(response, watchdog, MAX_REPLY_BYTES, body)
        return bytes(body)

    def _watched(self, base: type[Any]) -> type[Any]:
        """Return a class of connections that the request under way bounds."""
        watchdog: Watchdog = self._request.watchdog
        return watchdog.connections(base)

    def _proxies(self, url: str) -> dict[str, str]:
        if self._proxy is None:
            return requests.utils.get_environ_proxies(url)
        if self._proxy == _NO_PROXY:
            return {}
        return {"http": self._proxy, "https": self._proxy}

    def _raise_for_retry(self, where: str, response: requests.Response) -> None:
        if is_retried_status(response.status_code):
            headers = {name.lower(): value for name, value in response.headers.items()}
            refused = HandshakeRefused(response.status_code, headers)
            after = retry_after(refused, time.time())
            raise unavailable(self.purpose, where, str(refused), after)

    @property
    def _timed_out(self) -> str:
        setting = self.purpose.timeout_setting
        return f"no answer within {self.timeout:g} s ({setting})"


class _TooSlow(Exception):
    """A reply that trickles in."""


class _TooLong(Exception):
    """A reply without end."""


class _Session(requests.Session):
    """Leaves redirects alone.

    requests 2.34 looks where an answer leads, though it is not to follow: it would read
    the whole body for that, of any length, and fail at what is no address.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: no answer leads anywhere."""
        del resp


class _Adapter(HTTPAdapter):
    """Trusts what a context trusts: requests 2.34 would add its own certificates."""

    def __init__(
        self,
        context: ssl.SSLContext,
        watched: Callable[[type[Any]], type[Any]],
    ) -> None:
        self._context = context
        self._watched = watched
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - requests' own
        """Make connections that end when the request's time is over."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        pool.ConnectionCls = self._watched(type(pool).ConnectionCls)
        return pool

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - requests' own
        """Make connections with the context."""
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:  # noqa: ANN401 - requests' own
        """Make connections through a proxy with the context, to a TLS proxy too."""
        if proxy.lower().startswith("https:"):
            kwargs["proxy_ssl_context"] = self._context
        return super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """Send a proxy's credentials as handshakes do: requests encodes Latin-1."""
        _, headers = split_userinfo(proxy)
        return {f"Proxy-{name}": value for name, value in headers}

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - requests' own
        """Do nothing: the context decides."""


def _read(
    response: requests.Response, watchdog: Watchdog, limit: int, body: bytearray
) -> None:
    """Read a body, piece by piece: a server may send slowly, or for ever.

    Raises:
        _TooSlow: When it is not complete when the request's time is over.
        _TooLong: When it is longer than the limit.
    """
    while piece := response.raw.read1(_READ_BYTES, decode_content=True):
        body += piece
        if len(body) > limit:
            raise _TooLong
    if watchdog.has_expired:
        # It looks like the end of a body without a length.
        raise _TooSlow
