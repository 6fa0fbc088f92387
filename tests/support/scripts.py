"""Parts that a server plays in many tests (see `servers.serve`)."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from tests.support.receive import Received, receive
from tests.support.servers import serve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.servers import Kind, Peer

__all__ = [
    "TRADE",
    "answers",
    "greets",
    "receive_messages",
    "says_nothing",
    "sends",
    "trades",
]


TRADE = {
    "symbol": "BTC-USD",
    "price": 42000.1,
    "trade_id": 1,
    "maker": True,
    "venue": {"name": "North", "fee": 0.1},
    "flags": ["block"],
}


async def answers(peer: Peer) -> None:
    """Take one message, send one, and close."""
    await peer.recv()
    await peer.send('{"n":1}')
    await peer.close()
    await peer.wait()


async def greets(peer: Peer) -> None:
    """Send one message, and stay open."""
    await peer.send("{}")
    await peer.wait()


async def says_nothing(peer: Peer) -> None:
    """Stay open."""
    await peer.wait()


def sends(
    *messages: str | bytes, code: int = 1000
) -> Callable[[Peer], Awaitable[None]]:
    """Return a script that sends messages and closes."""

    async def script(peer: Peer) -> None:
        for message in messages:
            await peer.send(message)
        await peer.close(code)
        await peer.wait()

    return script


def receive_messages(
    *messages: str | bytes, kind: Kind = "aiohttp", **given: Any
) -> Received:
    """Run the tap on a feed that sends these messages and closes."""
    with serve(sends(*messages), kind) as server:
        return receive(url=server.url, **given)


async def trades(peer: Peer) -> None:
    """Send trades for ever."""
    for number in itertools.count(1):
        await peer.send(json.dumps(TRADE | {"trade_id": number}))
        if number % 10 == 0:
            await peer.wait() if number >= 1000 else None
