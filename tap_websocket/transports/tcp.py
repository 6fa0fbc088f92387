"""A TCP connection, made here so that it can be given up at any time."""

from __future__ import annotations

import asyncio
import socket

__all__ = ["open_tcp"]


async def open_tcp(host: str, port: int) -> socket.socket:
    """Connect to the first address of a host that answers.

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
