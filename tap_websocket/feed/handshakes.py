"""Handshakes, one after another, until one is answered without a redirect."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING

import msgspec

from tap_websocket.feed import redirects
from tap_websocket.network.errors import (
    BadHandshake,
    HandshakeError,
    HandshakeRefused,
    Unreachable,
    forget_frames,
)
from tap_websocket.network.proxy import proxy_for
from tap_websocket.network.tls import make_context
from tap_websocket.network.urls import (
    host_and_port,
    log_label,
    same_origin,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Coroutine, Iterable
    from typing import Any

    from tap_websocket.feed.throttle import ConnectThrottle
    from tap_websocket.feed.trust import TrustedOrigins
    from tap_websocket.network.cookies import Cookies
    from tap_websocket.settings import ConnectionSettings
    from tap_websocket.transports.base import Handshake, Listener, Transport

__all__ = ["Handshakes", "within"]

_GRACE_SECONDS = 0.02
"""Time to read what has arrived, when `connect_timeout` is over."""


class Handshakes:
    """Performs a handshake, and those that redirects ask for.

    Args:
        settings: Proxy and trust.
        trusted: Where headers may go.
        throttle: Spaces the attempts, redirected ones included.
        learn: Takes the values of cookies, which are secrets.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        *,
        trusted: TrustedOrigins,
        throttle: ConnectThrottle,
        learn: Callable[[Iterable[str]], None],
    ) -> None:
        self._settings = settings
        self._trusted = trusted
        self._throttle = throttle
        self._learn = learn

    async def perform(  # noqa: PLR0913 - what an attempt is made of, by keyword
        self,
        transport: Transport,
        handshake: Handshake,
        listener: Listener,
        *,
        cookies: Cookies,
        redirected: Callable[[str], None],
        has_values: bool,
    ) -> None:
        """Open a connection.

        Args:
            transport: Carries it.
            handshake: The first one, without cookies, proxy and TLS.
            listener: Is called back from now on.
            cookies: What answers before it set; takes those of redirects.
            redirected: Takes where each redirect leads to, for logs.
            has_values: `auth` has resolved values, which what is sent may hold.

        Raises:
            HandshakeError: One of its subclasses, for whatever went wrong.
        """
        for _ in range(redirects.MAX_REDIRECTS + 1):
            listener.waiting(f"no connection to {host_and_port(handshake.url)}")
            self._learn(cookies.values)
            try:
                await transport.connect(self._ready(handshake, cookies), listener)
            except HandshakeRefused as refused:
                cookies.take(handshake.url, refused.cookies)
                target = redirects.redirect(handshake.url, refused)
                if target is None:
                    raise
                stays = same_origin(handshake.url, target)
                trusted = stays or self._trusted.has(target)
                if has_values and not trusted:
                    raise _untrusted(handshake.url, target) from refused
                handshake = _redirected(handshake, target, trusted=trusted)
                redirected(log_label(target))
                await self._throttle.turn()
            else:
                return
        msg = f"more than {redirects.MAX_REDIRECTS} redirects"
        raise BadHandshake(msg)

    def _ready(self, handshake: Handshake, cookies: Cookies) -> Handshake:
        """Return a handshake with what its address needs: cookies, proxy and TLS."""
        proxy = proxy_for(handshake.url, self._settings.proxy)
        over_tls = handshake.url.startswith("wss:") or _is_https(proxy)
        return msgspec.structs.replace(
            handshake,
            headers=cookies.added_to(handshake.headers, handshake.url),
            proxy=proxy,
            tls=self._tls if over_tls else None,
        )

    @functools.cached_property
    def _tls(self) -> ssl.SSLContext:
        """The context, made where TLS is used: that takes tens of milliseconds.

        Raises:
            Unreachable: When a file cannot be read that could be at the start.
        """
        try:
            return make_context(self._settings.tls)
        except ValueError as error:
            msg = f"tls.{error}"
            raise Unreachable(msg) from error


def _redirected(handshake: Handshake, target: str, *, trusted: bool) -> Handshake:
    """Return the next handshake; credentials stay behind at another origin."""
    server_name = handshake.server_name
    if not same_origin(handshake.url, target):
        # It is the name in the certificate of the first address.
        server_name = None
    return msgspec.structs.replace(
        handshake,
        url=target,
        headers=redirects.headers_after(handshake.headers, target, trusted=trusted),
        server_name=server_name,
    )


def _untrusted(url: str, target: str) -> BadHandshake:
    return BadHandshake(
        f"{log_label(url)} redirects to {log_label(target)}, another origin, where "
        "values of auth are not sent; to trust it, put it into trusted_origins"
    )


def _is_https(proxy: str | None) -> bool:
    return proxy is not None and proxy.startswith("https:")


async def within(seconds: float, handshake: Coroutine[Any, Any, None]) -> None:
    """Await a handshake for a time.

    Raises:
        Unreachable: When it takes longer.
    """
    error = await _outcome(seconds, handshake)
    try:
        if error is not None:
            raise error
    finally:
        # The error knows this frame.
        del error


async def _outcome(
    seconds: float, handshake: Coroutine[Any, Any, None]
) -> BaseException | None:
    """Return how a handshake fails within a time, or None where it succeeds.

    The error is not raised here: it would know this frame, which knows the task, which
    keeps the error. The connection, whose TLS has a buffer of 256 KiB, would wait for
    the garbage collector.
    """
    attempt = asyncio.ensure_future(handshake)
    try:
        done, _ = await asyncio.wait({attempt}, timeout=seconds)
        if not done:
            # Where the loop was held up, the answer may be there and not read yet: to
            # give up now would open a second connection beside the first one.
            done, _ = await asyncio.wait({attempt}, timeout=_GRACE_SECONDS)
    except asyncio.CancelledError:
        attempt.cancel()
        await asyncio.wait({attempt})
        raise
    if not done:
        attempt.cancel()
        await asyncio.wait({attempt})
    if attempt.cancelled():
        msg = f"no answer within {seconds:g} s (connect_timeout)"
        return Unreachable(msg)
    error = attempt.exception()
    if isinstance(error, HandshakeError):
        # It is kept while the next attempt is waited for.
        forget_frames(error)
    return error
