"""TCP: a connection that can be given up at any time."""

from __future__ import annotations

import asyncio
import functools
import socket

__all__ = ["WINDOW_BYTES", "bound_window", "open_tcp"]

WINDOW_BYTES = 2 * 1024 * 1024
"""What a server may send before it is read.

This much of a feed's end has arrived when its server leaves; what has not is lost as
soon as something is written. More would let a library's buffer grow that doubles
whenever a read fills it, and never shrinks.
"""

_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
"""Seconds of silence after which the system asks whether the peer is there, seconds
between two questions, and how many may stay unanswered: two minutes in all. Some feeds
let a client send nothing, so that a peer which is gone would never be missed."""

_NEXT_AFTER_SECONDS = 0.25
"""After this long without an answer the next address is tried, too (RFC 8305)."""


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
    waiting = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    waiting.reverse()
    failure: OSError | None = None
    attempts: set[asyncio.Task[socket.socket]] = set()
    try:
        while waiting or attempts:
            if waiting:
                attempt = _attempt(*waiting.pop(), window=window)
                attempts.add(loop.create_task(attempt))
            done, _ = await asyncio.wait(
                attempts,
                timeout=_NEXT_AFTER_SECONDS if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for ended in done:
                attempts.discard(ended)
                try:
                    return ended.result()
                except OSError as error:
                    failure = error
    finally:
        for attempt_under_way in attempts:
            attempt_under_way.add_done_callback(_give_up)
            attempt_under_way.cancel()
    raise failure or OSError("the name has no address")


async def _attempt(
    family: int,
    kind: int,
    protocol: int,
    _: str,
    address: tuple[str | int, ...],
    *,
    window: int | None,
) -> socket.socket:
    opened = socket.socket(family, kind, protocol)
    try:
        opened.settimeout(0)
        _keep_alive(opened)
        if window is not None:
            bound_window(opened, window)
        await asyncio.get_running_loop().sock_connect(opened, address)
    except BaseException:  # when it is cancelled, too
        opened.close()
        raise
    return opened


def _give_up(attempt: asyncio.Task[socket.socket]) -> None:
    """Close the socket of an attempt that lost the race or was cancelled."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()


def _keep_alive(opened: socket.socket) -> None:
    """Let the system find out that a peer is gone without a word.

    Where it cannot be told when to ask, its own times stay (two hours, mostly).
    """
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        option = getattr(socket, name, None)
        if option is not None:
            opened.setsockopt(socket.IPPROTO_TCP, option, value)


def bound_window(opened: socket.socket, window: int) -> None:
    """Bound what is read at once from a socket (see `open_tcp`)."""
    if _takes(window):
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)


@functools.cache
def _takes(window: int) -> bool:
    """Return whether the system lets a socket have a receive buffer of that size.

    A smaller one would cost throughput over a long distance, where the system lets the
    buffer grow by itself unless a size is set.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        return probe.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= window
