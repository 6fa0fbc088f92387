"""A small feed on loopback to try the tap on: `python -m tap_websocket.demo`.

It sends made-up market trades, one JSON object each, the same ones for the same
seed. The numbering goes on over reconnects: after a drop the next connection goes on
with the next trade.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import datetime as dt
import itertools
import json
import logging
import random
import socket
import struct
from typing import TYPE_CHECKING, Literal

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Demo", "main", "trades"]

_SYMBOLS = {"BTC-USD": 42_000.0, "ETH-USD": 2_300.0, "SOL-USD": 98.0}
_VENUES = ({"name": "North", "fee": 0.001}, {"name": "South", "fee": 0.0005})
_FLAGS = ("block", "odd_lot", "late")
_START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_SERVICE_RESTART = 1012
_BURST = 500
"""Trades between two looks at the event loop, at full speed."""

_FLAGGED_EVERY = 10


def trades(seed: int) -> Iterator[str]:
    """Yield trades without end, each a JSON object.

    Args:
        seed: The same seed gives the same trades.
    """
    numbers = random.Random(seed)  # noqa: S311 - made-up data
    prices = dict(_SYMBOLS)
    time = _START
    for trade_id in itertools.count(1):
        symbol = numbers.choice(list(prices))
        prices[symbol] *= 1 + numbers.uniform(-0.001, 0.001)
        time += dt.timedelta(milliseconds=numbers.randrange(1, 200))
        trade: dict[str, object] = {
            "symbol": symbol,
            "price": round(prices[symbol], 3),
            "quantity": numbers.randrange(1, 10_000_000) / 1_000_000,
            "trade_id": trade_id,
            "buyer_is_maker": numbers.random() < 0.5,  # noqa: PLR2004 - a coin
            "traded_at": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "venue": numbers.choice(_VENUES),
        }
        if numbers.randrange(_FLAGGED_EVERY) == 0:
            trade["flags"] = numbers.sample(_FLAGS, numbers.randrange(1, 3))
        yield json.dumps(trade, separators=(",", ":"))


@dataclasses.dataclass(slots=True)
class Demo:
    """A feed of trades for one client at a time.

    Attributes:
        feed: The trades still to be sent.
        rate: Trades a second; 0: as fast as the client takes them.
        messages: Close with 1000 after this many trades; 0: never.
        drop_every: Drop the connection after this many trades; 0: never.
        drop: How: a Close frame with 1012, or a reset of the TCP connection.
        sent: Number of trades sent so far.
    """

    feed: Iterator[str]
    rate: float = 0.0
    messages: int = 0
    drop_every: int = 0
    drop: Literal["close", "reset"] = "close"
    sent: int = 0

    async def serve(self, connection: ServerConnection) -> None:
        """Send trades to a client until it leaves or is dropped."""
        try:
            while not self._complete:
                await self._burst(connection)
                if self.drop_every and self.sent % self.drop_every == 0:
                    await self._drop(connection)
                    return
        except ConnectionClosed:
            return
        await connection.close()

    @property
    def _complete(self) -> bool:
        return 0 < self.messages <= self.sent

    async def _burst(self, connection: ServerConnection) -> None:
        """Send some trades, up to the next drop or the end."""
        burst = _BURST if self.rate == 0 else max(1, round(self.rate / 20))
        if self.messages:
            burst = min(burst, self.messages - self.sent)
        if self.drop_every:
            burst = min(burst, self.drop_every - self.sent % self.drop_every)
        for trade in itertools.islice(self.feed, burst):
            await connection.send(trade)
            self.sent += 1
        await asyncio.sleep(burst / self.rate if self.rate else 0)

    async def _drop(self, connection: ServerConnection) -> None:
        if self.drop == "close":
            await connection.close(_SERVICE_RESTART, "restarting")
            return
        raw = connection.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.transport.abort()


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tap_websocket.demo",
        description="A WebSocket feed of made-up trades on loopback.",
    )
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same trades")
    parser.add_argument(
        "--rate",
        type=float,
        default=100.0,
        help="trades a second; 0: as fast as the client takes them",
    )
    parser.add_argument(
        "--messages",
        type=int,
        default=0,
        help="close with 1000 after this many trades; 0: never",
    )
    parser.add_argument(
        "--drop-every",
        type=int,
        default=0,
        help="drop the connection each time this many trades were sent; 0: never",
    )
    parser.add_argument(
        "--drop",
        choices=("close", "reset"),
        default="close",
        help="how to drop: a Close frame with 1012, or a TCP reset",
    )
    return parser.parse_args(arguments)


async def _run(options: argparse.Namespace) -> None:
    demo = Demo(
        trades(options.seed),
        rate=options.rate,
        messages=options.messages,
        drop_every=options.drop_every,
        drop=options.drop,
    )
    async with serve(
        demo.serve,
        "127.0.0.1",
        options.port,
        compression=None,
        ping_interval=None,
    ) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"ws://127.0.0.1:{port}/", flush=True)  # noqa: T201 - for the caller
        await server.serve_forever()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted; the URL is the first line on stdout."""
    logging.getLogger("websockets.server").setLevel(logging.ERROR)
    try:
        asyncio.run(_run(_arguments(arguments)))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
