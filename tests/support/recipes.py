"""The recipes of `docs/recipes` (see `scripts.recipes`), run as printed."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scripts.recipes import (
    ANYTHING,
    PAGES,
    SCHEMES,
    Recipe,
    Table,
    located,
    recipe,
    urls,
)
from tests.support.receive import receive
from tests.support.servers import Gone, serve
from tests.support.tap import parse, run_tap

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from aiohttp import web

    from tests.support.servers import Kind, Peer, Server

__all__ = [
    "ANYTHING",
    "PAGES",
    "Outcome",
    "Recipe",
    "drop",
    "hear",
    "play",
    "recipe",
    "say",
    "with_changes",
]

_RESCUED = "_rescued_data"
_CHANGED = frozenset(
    [
        "max_messages",
        "max_duration",
        "idle_timeout",
        "heartbeat_interval",
        "reconnect_backoff",
        "reconnect_backoff_max",
        "connect_interval",
        "ping_interval",
        "stale_timeout",
        "overlap",
        "max_reconnect_attempts",
    ],
)
"""What a test may change besides hosts: when the run ends, and how long it waits."""


def with_changes(given: Recipe, **changed: Any) -> Recipe:
    """Return a recipe that a user got wrong, or whose settings have less patience."""
    return dataclasses.replace(given, config=given.config | changed)


@dataclasses.dataclass
class Outcome:
    """What a run gave."""

    code: int
    error: str | None
    records: dict[str, Table]
    peers: list[Peer]
    logs: str = ""

    def gives(self, tables: Mapping[str, Table]) -> None:
        """Assert that the run gave what a page shows."""
        assert self.error is None
        assert self.records.keys() == tables.keys()
        for stream, rows in tables.items():
            shown = set().union(*rows)
            records = self.records[stream]
            for record in records:
                unshown = {name: record[name] for name in record.keys() - shown}
                assert not any(value is not None for value in unshown.values()), unshown
                assert unshown.keys() <= {_RESCUED}
            found = [{name: record.get(name) for name in shown} for record in records]
            assert found == rows


def play(
    given: Recipe,
    script: Callable[[Peer], Awaitable[object]],
    *,
    process: Path | None = None,
    http: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None,
    kind: Kind = "aiohttp",
    refuse: Callable[[web.Request], web.StreamResponse | None] | None = None,
    subprotocols: tuple[str, ...] = (),
    reply_timeout: float | None = None,
    **changed: Any,
) -> Outcome:
    """Run a recipe's config as printed, against a server that plays its protocol.

    Only the hosts of its URLs are others, and what `changed` says of the run's end. A
    script that raises anything fails the test: the client broke the protocol.

    Args:
        given: The recipe.
        script: Plays the server's part on each connection.
        process: A folder, to run the tap as a process of its own.
        http: Answers plain requests, of tokens say.
        kind: The server.
        refuse: Answers handshakes that shall fail, and None to others.
        subprotocols: What the server speaks.
        reply_timeout: Another one for each awaited reply.
        changed: Other values of settings, among those of `_CHANGED`.
    """
    assert changed.keys() <= _CHANGED
    broken: list[BaseException] = []

    async def watched(peer: Peer) -> None:
        try:
            await script(peer)
        except (Gone, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 - raised where the test sees it
            broken.append(error)
            await peer.close(4999, "the client broke the protocol")

    with serve(
        watched, kind, http=http, refuse=refuse, subprotocols=subprotocols
    ) as server:
        config = located(given.config, server.port) | {"max_duration": 20} | changed
        if reply_timeout is not None:
            for item in config["subscribe_messages"]:
                if isinstance(item, dict) and "reply" in item:
                    item["reply_timeout"] = reply_timeout
        outcome = _run(config, server, process)
    for holder, key in urls(given.config):
        if outcome.error is not None:
            parts = urlsplit(holder[key])
            scheme = SCHEMES.get(parts.scheme, parts.scheme)
            there, shown = (
                f"{scheme}://localhost:{server.port}",
                f"{parts.scheme}://{parts.netloc}",
            )
            outcome.error = outcome.error.replace(there, shown)
    if broken:
        raise broken[0]
    return outcome


def _run(config: dict[str, Any], server: Server, process: Path | None) -> Outcome:
    if process is None:
        received = receive(**config)
        stream = config.get("stream_name", "messages")
        error = None if received.error is None else str(received.error)
        records = {stream: received.records} if received.records else {}
        return Outcome(int(error is not None), error, records, server.peers)
    run = run_tap(process, config)
    errors = run.errors
    assert len(errors) <= 1, errors
    tables: dict[str, Table] = {}
    for message in run.of_type("RECORD"):
        tables.setdefault(message["stream"], []).append(message["record"])
    error = errors[0].rpartition(" | ")[2] if errors else None
    return Outcome(run.code, error, tables, server.peers, run.stderr)


async def hear(peer: Peer) -> Any:
    """Receive a JSON message."""
    return parse(await peer.recv())


async def say(peer: Peer, *messages: str) -> None:
    """Send messages."""
    for message in messages:
        await peer.send(message)


async def drop(peer: Peer) -> None:
    """Reset the connection, once the client has read what was sent."""
    await peer.all_read()
    await peer.reset()
