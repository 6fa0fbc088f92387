"""The recipes of `docs/recipes`: read from their pages, and run as printed.

A page has a section of the second level for each recipe: one that begins with its
config, a block of JSON. Below it, at the third level:

- "What arrives": a block with a message on each line, which the test's server sends;
- "What you get": the table. Several streams have a table each, below a line that is
  the stream's name as code and a colon. A cell that is JSON is that value, `…` is
  any value, an empty one is null, and any other one is the text that it shows; code
  marks are taken off. `_rescued_data` is null where the table does not show it;
- "When it goes wrong", where it is not said elsewhere on the page: blocks with the
  line that the run ends with.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.support.receive import receive
from tests.support.servers import Gone, serve
from tests.support.tap import parse, run_tap

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

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

PAGES = Path(__file__).parents[2] / "docs" / "recipes"

Table = list[dict[str, Any]]
_RESCUED = "_rescued_data"
_CHANGED = frozenset(
    [
        "max_messages",
        "max_duration",
        "idle_timeout",
        "heartbeat_interval",
        "reconnect_backoff",
        "ping_interval",
        "stale_timeout",
        "max_reconnect_attempts",
    ],
)
"""What a test may change besides hosts: when the run ends, and how long it waits."""


_SCHEMES = {"wss": "ws", "https": "http"}


class _Anything:
    """Equal to whatever it is compared with."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True

    def __repr__(self) -> str:
        return "…"


ANYTHING = _Anything()


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a page says of one config."""

    config: dict[str, Any]
    arrives: list[str]
    tables: dict[str, Table]
    failures: list[str]

    @property
    def table(self) -> Table:
        (table,) = self.tables.values()
        return table


def recipe(page: str, section: str) -> Recipe:
    """Read a recipe from its page.

    Args:
        page: The file's name without its ending.
        section: The heading of the recipe.
    """
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    body = _section(text, f"## {section}")
    (config,) = _blocks(body.partition("\n### ")[0], "json")
    given = json.loads(config)
    stream = given.get("stream_name", "messages")
    return Recipe(
        given,
        "\n".join(_blocks(_section(body, "### What arrives"))).splitlines(),
        _tables(_section(body, "### What you get"), stream),
        [line.strip() for line in _blocks(_section(body, "### When it goes wrong"))],
    )


def with_changes(given: Recipe, **changed: Any) -> Recipe:
    """Return a recipe that a user got wrong, or whose settings have less patience."""
    return dataclasses.replace(given, config=given.config | changed)


def _section(text: str, heading: str) -> str:
    """Return what stands below a heading, up to the next one of its level or above.

    That is nothing where the heading is missing.
    """
    level = len(heading.partition(" ")[0])
    below = re.split(rf"^{re.escape(heading)}$", text, flags=re.MULTILINE)
    assert len(below) <= 2, f"{heading!r} is there {len(below) - 1} times"
    if len(below) == 1:
        return ""
    return re.split(rf"^#{{1,{level}}} ", below[1], flags=re.MULTILINE)[0]


def _blocks(text: str, language: str = r"\w*") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _tables(text: str, stream: str) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    columns: list[str] = []
    for line in text.splitlines():
        if named := re.fullmatch(r"`(\w+)`:", line):
            stream = named[1]
        elif not line.startswith("|"):
            columns = []
        elif not columns:
            columns = _cells(line)
            tables[stream] = []
        elif not re.fullmatch(r"[|: -]+", line):
            values = map(_value, _cells(line))
            tables[stream].append(dict(zip(columns, values, strict=True)))
    return tables


def _cells(line: str) -> list[str]:
    cells = re.split(r"(?<!\\)\|", line.strip())[1:-1]
    return [cell.strip().strip("`").replace("\\|", "|") for cell in cells]


def _value(cell: str) -> Any:
    if cell == "…":
        return ANYTHING
    try:
        return parse(cell) if cell else None
    except ValueError:
        return cell


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
    script: Callable[[Peer], Awaitable[None]],
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
        config = _located(given.config, server) | {"max_duration": 20} | changed
        if reply_timeout is not None:
            for item in config["subscribe_messages"]:
                if isinstance(item, dict) and "reply" in item:
                    item["reply_timeout"] = reply_timeout
        outcome = _run(config, server, process)
    for holder, key in _urls(given.config):
        if outcome.error is not None:
            parts = urlsplit(holder[key])
            scheme = _SCHEMES.get(parts.scheme, parts.scheme)
            there, shown = (
                f"{scheme}://localhost:{server.port}",
                f"{parts.scheme}://{parts.netloc}",
            )
            outcome.error = outcome.error.replace(there, shown)
    if broken:
        raise broken[0]
    return outcome


def _located(config: Mapping[str, Any], server: Server) -> dict[str, Any]:
    """Return a config whose URLs lead to the server."""
    moved: dict[str, Any] = json.loads(json.dumps(config))
    for holder, key in _urls(moved):
        parts = urlsplit(holder[key])
        scheme = _SCHEMES.get(parts.scheme, parts.scheme)
        there = parts._replace(scheme=scheme, netloc=f"localhost:{server.port}")
        holder[key] = there.geturl()
    return moved


def _urls(config: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    """Yield where a config holds URLs that begin with a host."""
    for holder in (config, config.get("auth", {})):
        for key in ("url", "token_url"):
            if "://" in holder.get(key, ""):
                yield holder, key


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
    """Reset the connection, once the client had the time to read."""
    await asyncio.sleep(0.1)
    await peer.reset()
