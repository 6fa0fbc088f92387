"""The transport on the picows library (extra `fast`)."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tap_websocket.network.errors import Incapable
from tap_websocket.network.failures import network_error
from tap_websocket.network.tcp import WINDOW_BYTES
from tap_websocket.network.tunnel import proxy_of, reach
from tap_websocket.transports.base import awaited
from tap_websocket.transports.picows.connection import Frames
from tap_websocket.transports.picows.handshake import Upgrade
from tap_websocket.transports.picows.log import make_logger
from tap_websocket.transports.picows.reads import hand_over

if TYPE_CHECKING:
    import socket

    from tap_websocket.transports.base import Handshake, Listener

__all__ = ["PicowsTransport"]

_READ_BYTES = 64 * 1024
"""Of a connection alone; many share less (`transports.select`)."""


class PicowsTransport:
    """Opens connections with picows.

    Args:
        read_bytes: Size of a connection's read buffer at its start.
    """

    name = "picows"

    def __init__(self, *, read_bytes: int = _READ_BYTES) -> None:
        self._read_bytes = read_bytes

    async def connect(self, handshake: Handshake, listener: Listener) -> None:
        """Perform the opening handshake (see `Transport.connect`).

        Raises:
            HandshakeError: One of its subclasses, for whatever went wrong.
        """
        proxy = proxy_of(handshake.proxy)
        if proxy is not None and proxy.scheme == "https":
            msg = "picows does not go through an https:// proxy"
            raise Incapable(msg)
        opened = await reach(handshake.url, proxy, WINDOW_BYTES)
        listener.waiting(awaited(handshake.url))
        frames = Frames(handshake, listener)
        logger = make_logger(frames.refused)
        upgrade = Upgrade(handshake, frames, logger, self._read_bytes)
        transport = await _start(handshake, upgrade, opened)
        try:
            rest = await upgrade.agreement()
        except BaseException:  # when it is cancelled, too
            transport.abort()
            raise
        # From here on nothing waits, so that an open connection is always handed over.
        hand_over(frames, upgrade.inner, transport, rest)


async def _start(
    handshake: Handshake,
    upgrade: Upgrade,
    opened: socket.socket,
) -> asyncio.Transport:
    """Make a transport of a socket, over TLS where the URL says so.

    Raises:
        HandshakeError: When TLS fails.
    """
    parts = urlsplit(handshake.url)
    options: dict[str, Any] = {}
    if parts.scheme == "wss":
        options["ssl"] = handshake.tls or ssl.create_default_context()
        options["server_hostname"] = handshake.server_name or parts.hostname
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_connection(
            lambda: upgrade, sock=opened, **options
        )
    except (OSError, ValueError) as error:
        opened.close()
        raise network_error(error) from error
    except BaseException:
        opened.close()
        raise
    return transport
