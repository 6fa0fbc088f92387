"""Which WebSocket library carries the frames of a run."""

from __future__ import annotations

import importlib.util
import logging
from typing import TYPE_CHECKING

from tap_websocket.errors import ConfigError
from tap_websocket.transports.base import Incapable
from tap_websocket.transports.websockets import WebsocketsTransport

if TYPE_CHECKING:
    from tap_websocket.settings import ConnectionSettings
    from tap_websocket.transports.base import Handshake, Listener, Transport

__all__ = ["choose", "reason_against_picows"]

_LOGGER = logging.getLogger("tap-websocket")


def choose(settings: ConnectionSettings, connections: int) -> Transport:
    """Return the transport that the settings ask for.

    Args:
        settings: `transport`, and what it has to be able to do.
        connections: Number of connections of the run; each has a read buffer.

    Raises:
        ConfigError: When picows is asked for and not installed.
    """
    if settings.transport == "websockets":
        return WebsocketsTransport()
    reason = reason_against_picows()
    if reason is None:
        from tap_websocket.transports.picows import (  # noqa: PLC0415 - an extra
            PicowsTransport,
        )

        return _Fallback(PicowsTransport(read_bytes=_read_bytes(connections)))
    if settings.transport == "picows":
        msg = f"transport: picows cannot be used: {reason}"
        raise ConfigError([msg])
    _LOGGER.info("The websockets transport carries this run: %s", reason)
    return WebsocketsTransport()


def reason_against_picows() -> str | None:
    """Return why picows cannot carry a run, or None."""
    if importlib.util.find_spec("picows") is None:
        return "picows, the faster one, is missing: pip install tap-websocket[fast]"
    return None


class _Fallback:
    """A transport that gives way where it does not take a server's answer."""

    def __init__(self, first: Transport) -> None:
        self._transport = first
        self.name = first.name

    async def connect(self, handshake: Handshake, listener: Listener) -> None:
        try:
            await self._transport.connect(handshake, listener)
        except Incapable as error:
            _LOGGER.info("The websockets transport carries this run: %s", error)
            self._transport = WebsocketsTransport()
            await self._transport.connect(handshake, listener)


_BUFFERS_BYTES = 16 * 1024 * 1024
_LEAST, _MOST = 4 * 1024, 256 * 1024


def _read_bytes(connections: int) -> int:
    """Return the size of each connection's read buffer, so that all stay bounded."""
    return max(_LEAST, min(_MOST, _BUFFERS_BYTES // connections))
