"""What the system knows of a peer while its connection is not read to the end."""

from __future__ import annotations

import contextlib
import select
import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

__all__ = ["has_left", "has_unread", "undelivered"]

_LEFT: int = getattr(select, "POLLRDHUP", 0)
"""Linux only; elsewhere the peer is seen to have left when it is read, or resets."""


_PART_BYTES = 64 * 1024
"""What is read at once of that."""


def has_left(transport: asyncio.BaseTransport) -> bool:
    """Return whether the peer has ended the connection, though that is not read yet.

    Writing now would provoke a reset. The next write would then fail, and asyncio would
    drop the data that is still unread.
    """
    return _polls(transport, _LEFT, closed=True)


def has_unread(transport: asyncio.BaseTransport) -> bool:
    """Return whether something has arrived that was not read from the socket."""
    return _polls(transport, select.POLLIN, closed=False)


def _polls(transport: asyncio.BaseTransport, events: int, *, closed: bool) -> bool:
    """Return whether one of these events, an error or a hang-up has come."""
    opened = _extra(transport, "socket")
    if opened is None:
        return False
    if opened.fileno() < 0:
        return closed
    poll = select.poll()
    poll.register(opened, events)
    return bool(poll.poll(0))


def undelivered(transport: asyncio.BaseTransport) -> bytes:
    """Return what TLS has read from a connection that is over, and has not handed on.

    While reading is paused asyncio reads on a little for TLS, and drops that when the
    connection ends before it is resumed.
    """
    tls = _extra(transport, "ssl_object")
    parts: list[bytes] = []
    if tls is not None:
        # It says that there is no more, or no more that can be read.
        with contextlib.suppress(ssl.SSLError):
            while part := tls.read(_PART_BYTES):
                parts.append(part)
    return b"".join(parts)


def _extra(transport: asyncio.BaseTransport, name: str) -> Any:  # noqa: ANN401 - asyncio's
    try:
        return transport.get_extra_info(name)
    except AttributeError:
        # TLS transports of CPython 3.11 forget their protocol when they are aborted.
        return None
