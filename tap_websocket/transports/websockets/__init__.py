"""The websockets library: its transport, its errors, and compression."""

from __future__ import annotations

from tap_websocket.transports.base import Library, Transport

__all__ = ["LIBRARY"]


def _make(_: int) -> Transport:
    from tap_websocket.transports.websockets.transport import (  # noqa: PLC0415 - it takes time
        WebsocketsTransport,
    )

    return WebsocketsTransport()


LIBRARY = Library("websockets", compresses=True, extra=None, make=_make)
