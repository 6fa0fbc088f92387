"""The transport on the websockets library.

`websockets.connect` does proxies that speak TLS, TLS and the request; the connection
that it makes is a subclass without the library's queue (see `connection`).
"""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, Any

from websockets import exceptions
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from tap_websocket.network.errors import forget_frames
from tap_websocket.network.failures import hung_up, network_error, proxy_error
from tap_websocket.network.tcp import WINDOW_BYTES
from tap_websocket.network.tunnel import proxy_of, reach
from tap_websocket.transports.base import awaited
from tap_websocket.transports.websockets.connection import FeedConnection
from tap_websocket.transports.websockets.deflate import DeflateFactory
from tap_websocket.transports.websockets.errors import (
    is_end,
    protocol_error,
    proxy_url,
)
from tap_websocket.transports.websockets.protocol import FeedProtocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from websockets.client import ClientProtocol

    from tap_websocket.network.errors import HandshakeError
    from tap_websocket.network.proxy import Proxy
    from tap_websocket.transports.base import Handshake, Listener

__all__ = ["WebsocketsTransport"]

_LOGGER = logging.getLogger("tap-websocket.websockets")
# At debug level the library logs each frame: a value that a rule is about to capture
# would show, since nobody knows yet that it is a secret.
_LOGGER.setLevel(logging.INFO)


class WebsocketsTransport:
    """Opens connections with the websockets library."""

    name = "websockets"

    async def connect(self, handshake: Handshake, listener: Listener) -> None:
        """Perform the opening handshake (see `Transport.connect`).

        The library's own way is taken for proxies that speak TLS only.

        Raises:
            HandshakeError: One of its subclasses, for whatever went wrong.
        """
        proxy = proxy_of(handshake.proxy)
        opened: socket.socket | None = None
        if proxy is None or proxy.scheme != "https":
            opened, proxy = await reach(handshake.url, proxy, WINDOW_BYTES), None
            listener.waiting(awaited(handshake.url))
        opening = _Opening(handshake, listener, proxy, opened)
        try:
            await opening
        except (exceptions.WebSocketException, OSError, ValueError) as error:
            # websockets 17.4 keeps the error in a variable of its traceback, and the
            # connection beside it: both would wait for the garbage collector.
            forget_frames(error)
            raise opening.failure(error) from error
        except TypeError as error:
            # How asyncio of Python 3.11.7 and 3.12.1 fails where a handshake of TLS
            # fails within that of a proxy.
            if not isinstance(error.__context__, ssl.SSLError):
                raise
            raise opening.failure(error.__context__) from error
        finally:
            if opening.made is not None:
                opening.made.abandon()
            elif opened is not None:
                opened.close()
        connection = opening.made
        assert connection is not None  # noqa: S101 - it is open
        # From here on nothing waits, so that an open connection is always handed over.
        connection.open()


class _Opening(connect):
    """One opening handshake; the redirects are left to the caller."""

    def __init__(
        self,
        handshake: Handshake,
        listener: Listener,
        proxy: Proxy | None,
        opened: socket.socket | None,
    ) -> None:
        options: dict[str, Any] = {"proxy": None}
        if opened is not None:
            options["sock"] = opened
        if handshake.url.startswith("wss:"):
            options["ssl"] = handshake.tls or ssl.create_default_context()
            if handshake.server_name is not None:
                options["server_hostname"] = handshake.server_name
        if proxy is not None:
            options["proxy"] = proxy_url(proxy)
            options["proxy_ssl"] = handshake.tls or ssl.create_default_context()
        self._made: list[FeedConnection] = []
        options["create_connection"] = _maker(handshake, listener, self._made)
        self._handshake = handshake
        self._to_proxy = proxy is not None
        super().__init__(
            handshake.url,
            subprotocols=[Subprotocol(name) for name in handshake.subprotocols] or None,
            extensions=[DeflateFactory()] if handshake.compression else None,
            compression=None,
            additional_headers=[
                (name, _on_the_wire(value)) for name, value in handshake.headers
            ],
            user_agent_header=None,
            open_timeout=None,
            ping_interval=None,
            close_timeout=handshake.close_timeout,
            max_queue=None,
            logger=_LOGGER,
            **options,
        )

    @property
    def made(self) -> FeedConnection | None:
        """The connection, once there is a way to the server."""
        return self._made[-1] if self._made else None

    def process_redirect(self, exc: Exception) -> Exception:
        return exc

    def failure(self, error: Exception) -> HandshakeError:
        """Return what a failed handshake means, without a part of the URL."""
        if self.made is not None:
            # The connection would keep what the errors' tracebacks keep: itself.
            self.made.protocol.handshake_exc = None
            if self.made.problem is not None:
                problem, self.made.problem = self.made.problem, None
                return problem
        if isinstance(error, exceptions.InvalidMessage) and is_end(error):
            return hung_up(self._handshake.url)
        if isinstance(error, exceptions.WebSocketException):
            return protocol_error(error)
        if self._to_proxy and self.made is None:
            return proxy_error(error)
        return network_error(error)


def _maker(
    handshake: Handshake,
    listener: Listener,
    made: list[FeedConnection],
) -> Callable[..., FeedConnection]:
    """Return what makes a connection and keeps it.

    It does not know the opening: without a circle of references, neither has to wait
    for the garbage collector.
    """

    def make(protocol: ClientProtocol, **options: Any) -> FeedConnection:  # noqa: ANN401
        ours = FeedProtocol(protocol, handshake.max_message_bytes)
        made.append(FeedConnection(ours, handshake, listener, **options))
        return made[-1]

    return make


def _on_the_wire(value: str) -> str:
    """Return a header's value so that the library, which writes Latin-1, writes UTF-8.

    picows writes UTF-8, and so do browsers' and curl's users.
    """
    return value.encode().decode("latin-1")
