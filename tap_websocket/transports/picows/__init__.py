"""The picows library: its transport, handshake and what it logs."""

from __future__ import annotations

from tap_websocket.transports.base import Library, Transport

__all__ = ["LIBRARY"]


def _make(read_bytes: int) -> Transport:
    from tap_websocket.transports.picows.transport import (  # noqa: PLC0415 - an extra
        PicowsTransport,
    )

    return PicowsTransport(read_bytes=read_bytes)


LIBRARY = Library("picows", compresses=False, extra="fast", make=_make)
