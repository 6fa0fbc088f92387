"""The opening handshake: picows asks, `AnswerReader` reads what the server answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import picows

# picows 2.3 has no public way to look at the answer before its parser does. The stub
# leaves the class out; `picows.api` makes it with these very arguments.
from picows.picows import WSProtocol  # type: ignore[attr-defined]

from tap_websocket.network.failures import hung_up
from tap_websocket.transports.answer import Agreement, AnswerReader

if TYPE_CHECKING:
    import logging

    from tap_websocket.transports.base import Handshake

__all__ = ["Upgrade"]


class Upgrade(asyncio.Protocol):
    """Sends the upgrade request on a connection and awaits the answer.

    Args:
        handshake: What to ask for.
        listener: Called back by picows.
        logger: Takes what picows logs.
        read_bytes: Size of picows' read buffer at its start.
    """

    def __init__(
        self,
        handshake: Handshake,
        listener: picows.WSListener,
        logger: logging.Logger,
        read_bytes: int,
    ) -> None:
        self._handshake = handshake
        self._reader: AnswerReader | None = None
        # Given the consent, or None where the handshake has failed.
        self._answered: asyncio.Future[Agreement | None] = (
            asyncio.get_running_loop().create_future()
        )
        # Why it has failed. A future would keep the error, whose traceback keeps this
        # object: it would wait for the garbage collector.
        self._error: Exception | None = None
        # What came behind the consent, until somebody takes it.
        self._rest = bytearray()
        self._transport: asyncio.Transport | None = None
        self.inner: Any = _make_protocol(handshake, listener, logger, read_bytes)

    async def agreement(self) -> bytes:
        """Return what came behind the server's consent, once that is there.

        Reading is paused then. To be called once.

        Raises:
            HandshakeError: When the server did not consent.
        """
        agreed = await self._answered
        if agreed is None:
            raise self._take_error()
        self._give(agreed.head)
        return agreed.rest + bytes(self._rest)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection (asyncio's callback)."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP or TLS
        self._transport = transport
        self.inner.connection_made(transport)
        self._reader = AnswerReader(
            self.inner.transport.request.headers["Sec-WebSocket-Key"],
            subprotocols=self._handshake.subprotocols,
        )

    def data_received(self, data: bytes) -> None:
        """Take what was read (asyncio's callback)."""
        if self._answered.done():
            self._rest += data
            return
        assert self._reader is not None  # noqa: S101 - the connection is made
        assert self._transport is not None  # noqa: S101 - likewise
        try:
            agreed = self._reader.feed(data)
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            self._error = error
            self._answered.set_result(None)
            return
        if agreed is not None:
            # What follows stays in the socket until there is a scanner for it.
            self._transport.pause_reading()
            self._answered.set_result(agreed)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of TCP (asyncio's callback)."""
        if not self._answered.done():
            self._answered.set_result(None)
        self.inner.connection_lost(exc)

    def _take_error(self) -> Exception:
        error, self._error = self._error, None
        return error or hung_up(self._handshake.url)

    def _give(self, head: bytes) -> None:
        """Give picows the answer, into its own buffer of at least 2 KiB."""
        buffer = self.inner.get_buffer(len(head))
        buffer[: len(head)] = head
        self.inner.buffer_updated(len(head))


def _make_protocol(
    handshake: Handshake,
    listener: picows.WSListener,
    logger: logging.Logger,
    read_bytes: int,
) -> Any:  # noqa: ANN401 - the stub has no such class
    parts = urlsplit(handshake.url)
    headers = list(handshake.headers)
    if handshake.subprotocols:
        offered = ", ".join(handshake.subprotocols)
        headers.append(("Sec-WebSocket-Protocol", offered))
    return WSProtocol(
        host_port=parts.netloc,
        ws_path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        is_client_side=True,
        ws_listener_factory=lambda *_: listener,
        logger=logger,
        disconnect_on_exception=True,
        websocket_handshake_timeout=None,
        enable_auto_ping=False,
        auto_ping_idle_timeout=0,
        auto_ping_reply_timeout=0,
        auto_ping_strategy=picows.WSAutoPingStrategy.PING_WHEN_IDLE,
        enable_auto_pong=False,
        max_frame_size=handshake.max_message_bytes,
        extra_headers=headers,
        read_buffer_init_size=read_bytes,
    )
