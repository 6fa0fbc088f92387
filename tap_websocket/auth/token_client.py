"""Requests for tokens: blocking HTTP, with the trust and the proxy of the feed."""

from __future__ import annotations

import functools
import logging
import re
import ssl
import threading
import time
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import requests
import requests.utils
import urllib3
from requests.adapters import HTTPAdapter

from tap_websocket import __version__, jsontext
from tap_websocket.auth.watchdog import Watchdog
from tap_websocket.errors import CredentialError
from tap_websocket.logs import Redacted
from tap_websocket.network.errors import (
    BadHandshake,
    HandshakeError,
    HandshakeRefused,
    Unreachable,
    is_retryable,
    retry_after,
)
from tap_websocket.network.tunnel import proxy_refusal
from tap_websocket.network.urls import log_label, split_userinfo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_websocket.network.urls import Headers

__all__ = ["Answer", "Purpose", "TokenClient", "TokenUnavailable"]

_LOGGER = logging.getLogger("tap-websocket")

MAX_REPLY_BYTES = 1024 * 1024
"""The longest reply that is read: tokens take kilobytes."""

_READ_BYTES = 16 * 1024
_OK = range(200, 300)
_REDIRECTS = range(300, 400)
_NO_PROXY = "none"


class Purpose(NamedTuple):
    """What requests are for, in the words of errors.

    Attributes:
        subject: What is asked for.
        setting: The setting that says so.
        max_bytes: The longest reply that is read.
        timeout_setting: The setting that bounds the whole request.
    """

    subject: str = "token"
    setting: str = "auth"
    max_bytes: int = MAX_REPLY_BYTES
    timeout_setting: str = "connect_timeout"


TOKENS = Purpose()


class TokenUnavailable(Unreachable):
    """A token request failed in a way that may pass; it is worth another try."""


class Answer(Redacted, frozen=True):
    """What a server answered, with a status that is not worth another try.

    Attributes:
        where: Scheme, host and port of the server.
        url: Where the request went to.
        cookies: The values of `Set-Cookie`.
        purpose: What the request was for.
    """

    where: str
    status: int
    body: bytes
    purpose: Purpose = TOKENS
    url: str = ""
    cookies: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the request succeeded."""
        return self.status in _OK

    def json(self) -> Any:  # noqa: ANN401 - any JSON
        """Return the body's value.

        Raises:
            CredentialError: When it is not JSON.
        """
        try:
            return jsontext.parse(self.body)
        except jsontext.InvalidJson as error:
            subject, setting, *_ = self.purpose
            msg = (
                f"the {subject} reply of {self.where} is not JSON; check the URL in "
                f"{setting}"
            )
            raise CredentialError(msg) from error

    def refuse(self, why: str = "") -> NoReturn:
        """Raise the error of a refused request.

        Args:
            why: What the user should check, if it is not the setting.

        Raises:
            CredentialError: Always.
        """
        subject, setting, *_ = self.purpose
        reason = why or f"check {setting}"
        if self.status in _REDIRECTS:
            reason = f"redirects are not followed; put the final address into {setting}"
        elif self.status == _PROXY_CREDENTIALS:
            reason = "the proxy wants credentials; check proxy"
        msg = f"the {subject} request to {self.where} got HTTP {self.status}: {reason}"
        raise CredentialError(msg)


class TokenClient:
    """Sends token requests. It is used from one thread at a time.

    Args:
        timeout: Seconds for a whole request.
        proxy: The setting `proxy`: a URL, `none`, or None for the environment's.
        make_tls: Makes the context of the trust settings, one that nothing else uses:
            urllib3 changes it.
        purpose: What the requests are for.
    """

    def __init__(
        self,
        timeout: float,
        proxy: str | None = None,
        make_tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        purpose: Purpose = TOKENS,
    ) -> None:
        self._timeout = timeout
        self._proxy = proxy
        self._make_tls = make_tls
        # Holds the watchdog of the request that each thread makes.
        self._request = threading.local()
        self._purpose = purpose

    @functools.cached_property
    def _session(self) -> requests.Session:
        context = self._make_tls()
        session = requests.Session()
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
    ) -> Answer:
        """Send a request and read the whole answer.

        Args:
            method: The HTTP method.
            url: `http://` or `https://`, without user-info.
            headers: Sent besides the client's own.
            body: Sent as it is.

        Raises:
            TokenUnavailable: When another try may succeed, as with handshakes: no
                connection, a time-out, HTTP 408, 425, 429 and 5xx.
            CredentialError: When it cannot.
        """
        where = log_label(url)
        if url.startswith("https:") and not self._session.verify:
            _LOGGER.warning(
                "The certificate of %s is not checked (tls.verify: false)", where
            )
        self._request.watchdog = watchdog = Watchdog(self._timeout)
        try:
            with (
                watchdog,
                self._session.request(
                    method,
                    url,
                    headers=dict(headers),
                    data=body,
                    timeout=self._timeout,
                    allow_redirects=False,
                    proxies=self._proxies(url),
                    stream=True,
                ) as response,
            ):
                self._raise_for_retry(where, response)
                reply = _read(response, watchdog, self._purpose.max_bytes)
                return Answer(
                    where,
                    response.status_code,
                    reply,
                    self._purpose,
                    url,
                    tuple(response.raw.headers.getlist("Set-Cookie")),
                )
        except _TooSlow as error:
            raise self._unavailable(where, self._timed_out) from error
        except _TooLong as error:
            subject, _, most, _ = self._purpose
            msg = f"the {subject} reply of {where} is longer than {most} bytes"
            raise CredentialError(msg) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            if watchdog.bit:
                raise self._unavailable(where, self._timed_out) from error
            self._fail(where, error)

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

    def _fail(self, where: str, error: Exception) -> NoReturn:
        """Raise what a library's error means, in our words: its own show the URL.

        Raises:
            TokenUnavailable: When another try may succeed.
            CredentialError: When it cannot.
        """
        causes = list(_causes(error))
        untrusted = _first(causes, ssl.SSLCertVerificationError)
        if untrusted is not None:
            msg = (
                f"the certificate of {where} is not trusted "
                f"({untrusted.verify_message}); check tls"
            )
            raise CredentialError(msg) from error
        if "SOCKS" in str(error) and isinstance(
            error, requests.exceptions.InvalidSchema
        ):
            msg = (
                f"the {self._purpose.subject} request to {where} cannot use the proxy: "
                "SOCKS needs an extra; run pip install 'tap-websocket[socks]'"
            )
            raise CredentialError(msg) from error
        refusal = _proxy_refusal(causes)
        if isinstance(refusal, Unreachable):
            raise self._unavailable(where, str(refusal)) from error
        if refusal is not None:
            msg = f"the {self._purpose.subject} request to {where} failed: {refusal}"
            raise CredentialError(msg) from error
        if not _may_pass(error):
            subject, setting, *_ = self._purpose
            msg = (
                f"the {subject} request to {where} cannot be made; check the URL in "
                f"{setting}"
            )
            raise CredentialError(msg) from error
        raise self._unavailable(where, self._reason(causes)) from error

    def _raise_for_retry(self, where: str, response: requests.Response) -> None:
        headers = {name.lower(): value for name, value in response.headers.items()}
        refused = HandshakeRefused(response.status_code, headers)
        if is_retryable(refused):
            after = retry_after(refused, time.time())
            raise self._unavailable(where, str(refused), after)

    def _unavailable(
        self,
        where: str,
        reason: str,
        after: float = 0.0,
    ) -> TokenUnavailable:
        subject = self._purpose.subject
        return TokenUnavailable(
            f"the {subject} request to {where} failed: {reason}", after
        )

    @property
    def _timed_out(self) -> str:
        setting = self._purpose.timeout_setting
        return f"no answer within {self._timeout:g} s ({setting})"

    def _reason(self, causes: list[BaseException]) -> str:
        from_socks = any(type(cause).__module__ == "socks" for cause in causes)
        if from_socks or _first(causes, requests.exceptions.ProxyError):
            return "the proxy refused, or was not reached"
        if _first(causes, ssl.SSLError):
            return "TLS was interrupted"
        words = (cause.strerror for cause in causes if isinstance(cause, OSError))
        for word in filter(None, words):
            return word
        if _first(causes, TimeoutError, *_TIMEOUTS):
            return self._timed_out
        return "the connection was lost"


_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})\b")
_SOCKS_FINAL = re.compile(r"authentication|^0x0[278]:")


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


_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError)
_PROXY_CREDENTIALS = 407


class _TooSlow(Exception):
    """A reply that trickles in."""


class _TooLong(Exception):
    """A reply without end."""


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


def _read(response: requests.Response, watchdog: Watchdog, limit: int) -> bytes:
    """Return a body, read piece by piece: a server may send slowly, or for ever.

    Raises:
        _TooSlow: When it is not complete when the request's time is over.
        _TooLong: When it is longer than the limit.
    """
    body = bytearray()
    while piece := response.raw.read1(_READ_BYTES, decode_content=True):
        body += piece
        if len(body) > limit:
            raise _TooLong
    if watchdog.bit:
        # It looks like the end of a body without a length.
        raise _TooSlow
    return bytes(body)


def _may_pass(error: Exception) -> bool:
    """Return whether an error of the libraries is one of the connection."""
    return isinstance(
        error,
        requests.ConnectionError
        | requests.Timeout
        | requests.exceptions.ChunkedEncodingError
        | urllib3.exceptions.ProtocolError
        | urllib3.exceptions.TimeoutError,
    )


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
