"""An exchange with thousands of symbols and limits: whoever breaks one is cut off.

Symbols are listed over HTTP. A subscribe message is `{"op": "subscribe", "args":
[…], "id": …}`; it is acknowledged by its `id`, and each symbol then has one trade.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import time
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.support.servers import Peer, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Exchange", "Limits", "serve_exchange"]

_POLICY_VIOLATION = 1008
_SERVICE_RESTART = 1012


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a client may do.

    Attributes:
        connection: Symbols of one connection.
        message: Symbols of one subscribe message.
        connects: Connection attempts within one second.
    """

    connection: int = 200
    message: int = 50
    connects: int = 5


class Exchange:
    """The state of a run of the exchange, as the tests see it.

    Attributes:
        port: Where it listens.
        symbols: All symbols, in the order of the list.
        traded: For each symbol, how many trades were sent.
        breaches: A line for each broken limit.
        dropped: How many connections were closed before all their trades were sent.
        lists: How often the list was fetched.
        acknowledged: How many subscribe messages were acknowledged.
        attempts: When each connection attempt arrived, in seconds from any start.
    """

    def __init__(
        self,
        symbols: int = 3000,
        limits: Limits | None = None,
        *,
        drops: int = 0,
    ) -> None:
        """Open an exchange.

        Args:
            symbols: How many symbols it has.
            limits: What a client may do.
            drops: How many connections are closed with 1012 in place of an
                acknowledgement of their second subscribe message.
        """
        self.port = 0
        self.symbols = [f"S{number:04d}-USDT" for number in range(symbols)]
        self._numbers = {name: number for number, name in enumerate(self.symbols)}
        self.limits = limits or Limits()
        self.traded: collections.Counter[str] = collections.Counter()
        self.breaches: list[str] = []
        self.dropped = 0
        self.lists = 0
        self.acknowledged = 0
        self.attempts: list[float] = []
        self._drops = drops

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/stream"

    @property
    def list_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/symbols"

    @property
    def subscription(self) -> dict[str, Any]:
        """The item of `subscribe_messages` that the exchange asks for."""
        return {
            "message": {"op": "subscribe", "args": "{topics}", "id": "{$counter}"},
            "reply": {"id": {"$exists": True}, "result": "ok"},
        }

    async def http(self, request: web.Request) -> web.StreamResponse:
        """Answer a request for the list."""
        if request.path != "/symbols":
            return web.Response(status=404)
        self.lists += 1
        rows = [{"symbol": name, "status": "TRADING"} for name in self.symbols]
        return web.json_response({"symbols": rows})

    def refuse(self, _: web.Request) -> web.StreamResponse | None:
        """Count a connection attempt; refuse it where too many came."""
        now = time.monotonic()
        self.attempts.append(now)
        within = sum(moment > now - 1 for moment in self.attempts)
        if within <= self.limits.connects:
            return None
        self.breaches.append(f"{within} connects within a second")
        return web.Response(status=429, text="too many connections")

    async def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        subscribed: set[str] = set()
        messages = 0
        while True:
            request = json.loads(await peer.recv())
            messages += 1
            args = request["args"]
            subscribed.update(args)
            if self._breaks(args, subscribed):
                await peer.close(_POLICY_VIOLATION, "a limit was broken")
                return
            if messages == 2 and self._drops > 0:
                self._drops -= 1
                self.dropped += 1
                await peer.close(_SERVICE_RESTART, "restart")
                return
            await peer.send(json.dumps({"id": request["id"], "result": "ok"}))
            self.acknowledged += 1
            for symbol in args:
                self.traded[symbol] += 1
                trade = {"symbol": symbol, "price": f"{self._numbers[symbol]}.5"}
                await peer.send(json.dumps(trade))

    def _breaks(self, args: list[str], subscribed: set[str]) -> bool:
        """Return whether a message breaks a limit, and count the breach."""
        found = []
        if len(args) > self.limits.message:
            found.append(f"{len(args)} symbols in a message")
        if len(subscribed) > self.limits.connection:
            found.append(f"{len(subscribed)} symbols on a connection")
        found += [f"{one} is no symbol" for one in args if one not in self._numbers]
        self.breaches += found
        return bool(found)


@contextlib.contextmanager
def serve_exchange(
    symbols: int = 3000,
    limits: Limits | None = None,
    *,
    drops: int = 0,
) -> Iterator[Exchange]:
    """Run an exchange on loopback until the block is left (see `Exchange`)."""
    exchange = Exchange(symbols, limits, drops=drops)
    with serve(exchange, http=exchange.http, refuse=exchange.refuse) as server:
        exchange.port = server.port
        yield exchange
