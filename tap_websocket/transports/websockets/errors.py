"""What the websockets library's errors mean, and how it is told a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from websockets import exceptions

from tap_websocket.network.errors import BadHandshake, HandshakeError, Unreachable
from tap_websocket.network.tunnel import HUNG_UP, NO_HTTP, proxy_refusal
from tap_websocket.transports.answer import find_refusal

if TYPE_CHECKING:
    from tap_websocket.network.proxy import Proxy

__all__ = ["is_end", "protocol_error", "proxy_url"]


def protocol_error(
    error: exceptions.WebSocketException,
    head: bytes = b"",
) -> HandshakeError:
    """Say what an answer means that the library does not take.

    Args:
        error: What it says.
        head: What the server has answered.
    """
    if isinstance(error, exceptions.InvalidProxyStatus):
        return proxy_refusal(error.response.status_code)
    if isinstance(error, exceptions.ProxyError):
        if is_end(error):
            return Unreachable(HUNG_UP)
        return BadHandshake(NO_HTTP)
    if isinstance(error, exceptions.InvalidMessage):
        return find_refusal(head) or BadHandshake(
            "the server's answer is not HTTP; does it speak WebSocket?",
        )
    return BadHandshake(f"the server did not agree to the handshake: {error}")


def is_end(error: Exception) -> bool:
    """Tell the end of the connection from an answer that makes no sense."""
    return isinstance(error.__cause__, EOFError | OSError)


def proxy_url(proxy: Proxy) -> str:
    """Return a proxy's URL as the library wants it, with a password at any rate."""
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    userinfo = ""
    if proxy.username is not None:
        parts = (quote(part, safe="") for part in (proxy.username, proxy.password))
        userinfo = ":".join(parts) + "@"
    return f"{proxy.scheme}://{userinfo}{host}:{proxy.port}"
