"""Which WebSocket library carries the frames of a run."""

from __future__ import annotations

import importlib.util
import logging
from typing import TYPE_CHECKING

from tap_websocket.errors import ConfigError
from tap_websocket.network.errors import BadHandshake, Incapable
from tap_websocket.transports.picows import LIBRARY as PICOWS
from tap_websocket.transports.websockets import LIBRARY as WEBSOCKETS

if TYPE_CHECKING:
    from tap_websocket.transports.base import (
        Handshake,
        Library,
        Listener,
        Transport,
    )

__all__ = ["AUTO", "CHOICES", "COMPRESSING", "LIBRARIES", "select_transport"]

_LOGGER = logging.getLogger("tap-websocket")

LIBRARIES: tuple[Library, ...] = (PICOWS, WEBSOCKETS)
"""In the order in which `auto` tries. The last one is always there and can do all."""

AUTO = "auto"
CHOICES = (AUTO, *(library.name for library in reversed(LIBRARIES)))
"""The values of the setting `transport`; what is always there comes first."""

COMPRESSING = tuple(library.name for library in LIBRARIES if library.compresses)


def select_transport(
    choice: str,
    *,
    compression: bool,
    connections: int,
) -> Transport:
    """Return the transport that the settings ask for.

    Args:
        choice: The setting `transport`.
        compression: The setting of that name.
        connections: Number of connections of the run; each has a read buffer.

    Raises:
        ConfigError: When the one that is asked for cannot carry the run.
    """
    read_bytes = _read_bytes(connections)
    if choice != AUTO:
        (library,) = (each for each in LIBRARIES if each.name == choice)
        if reason := _reason_against(library, compression=compression):
            msg = f"transport: {choice} cannot be used: {reason}"
            raise ConfigError([msg])
        return _Only(library.make(read_bytes))
    *preferred, last = LIBRARIES
    for library in preferred:
        reason = _reason_against(library, compression=compression)
        if reason is None:
            return _Fallback(library.make(read_bytes), last, read_bytes)
    _say(last, str(reason))
    return last.make(read_bytes)


def _reason_against(library: Library, *, compression: bool) -> str | None:
    """Return why a library cannot carry a run, or None."""
    if compression and not library.compresses:
        return f"{library.name} has no compression"
    if library.extra and importlib.util.find_spec(library.name) is None:
        hint = f"pip install 'tap-websocket[{library.extra}]'"
        return f"{library.name} is not installed ({hint})"
    return None


def _say(library: Library, reason: str) -> None:
    _LOGGER.info("The %s transport carries this run: %s", library.name, reason)


class _Only:
    """A transport that was asked for: there is no other."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.name = transport.name

    async def connect(self, handshake: Handshake, listener: Listener) -> None:
        try:
            await self._transport.connect(handshake, listener)
        except Incapable as error:
            last = LIBRARIES[-1].name
            msg = f"{error}; the {last} transport does: set transport: auto"
            raise BadHandshake(msg) from error


class _Fallback:
    """A transport that gives way where it cannot do what a connection takes.

    Args:
        first: The transport to begin with.
        last: Takes its place, for the rest of the run.
        read_bytes: Size of a connection's read buffer.
    """

    def __init__(self, first: Transport, last: Library, read_bytes: int) -> None:
        # The one that is used now.
        self._transport = first
        self._last = last
        self._read_bytes = read_bytes
        self.name = first.name

    async def connect(self, handshake: Handshake, listener: Listener) -> None:
        used = self._transport
        try:
            await used.connect(handshake, listener)
        except Incapable as error:
            # Another connection of the run may have come to the same end meanwhile.
            if self._transport is used:
                _say(self._last, str(error))
                self._transport = self._last.make(self._read_bytes)
                self.name = self._transport.name
            await self._transport.connect(handshake, listener)


_BUFFERS_BYTES = 4 * 1024 * 1024
_MIN_BYTES, _MAX_BYTES = 4 * 1024, 64 * 1024
"""Only frames that are no plain messages go through these buffers, and they grow where
a frame is larger."""


def _read_bytes(connections: int) -> int:
    """Return the size of each connection's read buffer, so that all stay bounded."""
    return max(_MIN_BYTES, min(_MAX_BYTES, _BUFFERS_BYTES // connections))
