"""What the websockets library's errors mean, and how it is told a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from websockets import exceptions

from tap_websocket.network.errors import BadHandshake, HandshakeError, Unreachable
from tap_websocket.network.tunnel import HUNG_UP, NO_HTTP, TOO_LONG, proxy_refusal
from tap_websocket.transports.answer import NO_DEFLATE

if TYPE_CHECKING:
    from tap_websocket.network.proxy import Proxy

__all__ = ["is_end", "protocol_error", "proxy_url"]


def protocol_error(error: exceptions.WebSocketException) -> HandshakeError:
    """Return what it means that the library does not go on.

    The server's answer itself is judged before the library reads it (see `answer`);
    what is left are proxies that speak TLS, and parameters of compression.
    """
    if isinstance(error, exceptions.InvalidProxyStatus):
        return proxy_refusal(error.response.status_code)
    if isinstance(error, exceptions.ProxyError):
        if is_end(error):
            return Unreachable(HUNG_UP)
        # The library's bounds are 128 lines of 8 KiB each.
        is_long = isinstance(error.__cause__, exceptions.SecurityError)
        return BadHandshake(TOO_LONG if is_long else NO_HTTP)
    if isinstance(error, exceptions.NegotiationError):
        return BadHandshake(NO_DEFLATE)
    return BadHandshake(
        f"the server did not agree to the handshake ({type(error).__name__})"
    )


def is_end(error: Exception) -> bool:
    """Return whether the connection ended, rather than that an answer is no HTTP."""
    return isinstance(error.__cause__, EOFError | OSError)


def proxy_url(proxy: Proxy) -> str:
    """Return a proxy's URL as the library wants it, with a password at any rate."""
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    userinfo = ""
    if proxy.username is not None:
        parts = (quote(part, safe="") for part in (proxy.username, proxy.password))
        userinfo = ":".join(parts) + "@"
    return f"{proxy.scheme}://{userinfo}{host}:{proxy.port}"
