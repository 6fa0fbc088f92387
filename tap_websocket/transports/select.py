"""Which WebSocket library carries the frames of a run."""

from __future__ import annotations

import importlib.util
import logging
from typing import TYPE_CHECKING

from tap_websocket.errors import ConfigError
from tap_websocket.network.errors import BadHandshake, Incapable

if TYPE_CHECKING:
    from tap_websocket.settings import ConnectionSettings
    from tap_websocket.transports.base import Handshake, Listener, Transport

__all__ = ["reason_against_picows", "select_transport"]

_LOGGER = logging.getLogger("tap-websocket")
_SAYS = "The websockets transport carries this run: %s"


def select_transport(settings: ConnectionSettings, connections: int) -> Transport:
    """Return the transport that the settings ask for.

    Args:
        settings: `transport`, and what it has to be able to do.
        connections: Number of connections of the run; each has a read buffer.

    Raises:
        ConfigError: When picows is asked for and not installed.
    """
    if settings.transport == "websockets":
        return _websockets()
    reason = reason_against_picows(settings)
    if reason is None:
        from tap_websocket.transports.picows.transport import (  # noqa: PLC0415 - an extra
            PicowsTransport,
        )

        picows = PicowsTransport(read_bytes=_read_bytes(connections))
        return _Only(picows) if settings.transport == "picows" else _Fallback(picows)
    if settings.transport == "picows":
        msg = f"transport: picows cannot be used: {reason}"
        raise ConfigError([msg])
    _LOGGER.info(_SAYS, reason)
    return _websockets()


def _websockets() -> Transport:
    from tap_websocket.transports.websockets.transport import (  # noqa: PLC0415 - it takes time
        WebsocketsTransport,
    )

    return WebsocketsTransport()


def reason_against_picows(settings: ConnectionSettings) -> str | None:
    """Return why picows cannot carry a run, or None."""
    if settings.compression:
        return "picows has no compression"
    if importlib.util.find_spec("picows") is None:
        return "picows is not installed (pip install 'tap-websocket[fast]')"
    return None


class _Only:
    """A transport that was asked for: there is no other."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.name = transport.name

    async def connect(self, handshake: Handshake, listener: Listener) -> None:
        try:
            await self._transport.connect(handshake, listener)
        except Incapable as error:
            msg = f"{error}; the websockets transport does: set transport: auto"
            raise BadHandshake(msg) from error


class _Fallback:
    """A transport that gives way where it does not take a server's answer."""

    def __init__(self, first: Transport) -> None:
        self._transport = first
        self.name = first.name

    async def connect(self, handshake: Handshake, listener: Listener) -> None:
        used = self._transport
        try:
            await used.connect(handshake, listener)
        except Incapable as error:
            # Another connection of the run may have come to the same end meanwhile.
            if self._transport is used:
                _LOGGER.info(_SAYS, error)
                self._transport = _websockets()
                self.name = self._transport.name
            await self._transport.connect(handshake, listener)


_BUFFERS_BYTES = 16 * 1024 * 1024
_LEAST, _MOST = 4 * 1024, 256 * 1024


def _read_bytes(connections: int) -> int:
    """Return the size of each connection's read buffer, so that all stay bounded."""
    return max(_LEAST, min(_MOST, _BUFFERS_BYTES // connections))
