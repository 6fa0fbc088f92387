"""What is known of the peer of a connection that is not read to its end."""

from __future__ import annotations

import contextlib
import select
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

__all__ = ["has_left", "has_unread", "undelivered"]

_LEFT: int = getattr(select, "POLLRDHUP", 0)
"""Linux only; elsewhere the peer is seen to have left when it is read, or resets."""


_PART_BYTES = 64 * 1024


def has_left(transport: asyncio.BaseTransport) -> bool:
    """Tell whether the peer has ended the connection, though that is not read yet.

    It would answer a write with a reset, and the next write would fail then: with that
    asyncio gives the connection up, and with it all that was not read yet.
    """
    return _polls(transport, _LEFT, closed=True)


def has_unread(transport: asyncio.BaseTransport) -> bool:
    """Tell whether something has arrived that was not read from the socket."""
    return _polls(transport, select.POLLIN, closed=False)


def _polls(transport: asyncio.BaseTransport, events: int, *, closed: bool) -> bool:
    """Tell whether one of these events, an error or a hang-up has come."""
    opened = transport.get_extra_info("socket")
    if opened is None:
        return False
    if opened.fileno() < 0:
        return closed
    poll = select.poll()
    poll.register(opened, events)
    return bool(poll.poll(0))


def undelivered(transport: asyncio.BaseTransport) -> bytes:
    """Return what TLS has read from a connection that is over, and did not hand on.

    While reading is paused asyncio reads on a little for TLS, and drops that when the
    connection ends before it is resumed.
    """
    tls = transport.get_extra_info("ssl_object")
    parts: list[bytes] = []
    if tls is not None:
        # It says that there is no more, or no more that can be read.
        with contextlib.suppress(ssl.SSLError):
            while part := tls.read(_PART_BYTES):
                parts.append(part)
    return b"".join(parts)
