"""TCP: a connection that can be given up at any time."""

from __future__ import annotations

import asyncio
import functools
import socket

__all__ = ["WINDOW_BYTES", "bound_window", "open_tcp"]

WINDOW_BYTES = 2 * 1024 * 1024
"""What a server may send before it is read.

So much of a feed's end has arrived when its server leaves: what has not is lost as soon
as something is written. More would let picows' buffer grow, which it doubles whenever a
read fills it, and never halves.
"""


async def open_tcp(
    host: str,
    port: int,
    window: int | None = None,
) -> socket.socket:
    """Connect to the first address of a host that answers.

    Args:
        host: A name or an address.
        port: The port.
        window: Bytes that the peer may send before they are read, and so the most
            that is read at once. Where the system allows less, its own bounds stay,
            as they do with None.

    Raises:
        OSError: When the name is unknown, or no address answers.
    """
    loop = asyncio.get_running_loop()
    failure: OSError | None = None
    for family, kind, protocol, _, address in await loop.getaddrinfo(
        host,
        port,
        type=socket.SOCK_STREAM,
    ):
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(0)
            if window is not None:
                bound_window(opened, window)
            await loop.sock_connect(opened, address)
        except OSError as error:
            opened.close()
            failure = error
        except asyncio.CancelledError:
            opened.close()
            raise
        else:
            return opened
    raise failure or OSError("the name has no address")


def bound_window(opened: socket.socket, window: int) -> None:
    """Bound what is read at once from a socket (see `open_tcp`)."""
    if _takes(window):
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)


@functools.cache
def _takes(window: int) -> bool:
    """Tell whether the system lets a socket have a receive buffer of that size.

    A smaller one would cost throughput on a long way: without any word of ours, the
    system lets the buffer grow.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        return probe.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= window
