"""The recipe for Centrifugo, against a server that keeps what was published."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jwk, jwt

from tests.support.mishaps import refuse
from tests.support.recipes import drop, hear, play, recipe, say, with_changes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("centrifugo", "A channel")
CONNECTED, SUBSCRIBED, FIRST, PING, RECOVERED, LAST = RECIPE.arrives
SECRET = jwk.OctKey.import_key("YOUR-HMAC-SECRET")


async def connected(peer: Peer) -> None:
    """Take the connection, and check its token."""
    assert peer.path == "/connection/websocket"
    command = await hear(peer)
    token = jwt.decode(command["connect"].pop("token"), SECRET, algorithms=["HS256"])
    assert token.claims["sub"] == "tap-websocket"
    assert command == {"id": 1, "connect": {"name": "tap-websocket"}}
    await say(peer, CONNECTED)


async def subscribed(peer: Peer) -> dict[str, Any]:
    """Take the connection and the subscription, and return what is to be recovered."""
    await connected(peer)
    command = await hear(peer)
    assert command["id"] == 2
    wanted: dict[str, Any] = command["subscribe"]
    assert (wanted.pop("channel"), wanted.pop("recoverable")) == ("prices", True)
    return wanted


async def prices(peer: Peer) -> None:
    wanted = await subscribed(peer)
    if peer.number == 1:
        assert wanted == {}
        await say(peer, SUBSCRIBED, FIRST, PING)
        assert await peer.recv() == "{}"
        await drop(peer)
        return
    assert wanted == {"recover": True, "epoch": "ZrcD", "offset": 17}
    # Several replies in a frame, as the server joins them.
    await say(peer, f"{RECOVERED}\n{PING}\n{LAST}\n")
    assert await peer.recv() == "{}"
    await peer.wait()


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    process = tmp_path if apart else None
    run = play(RECIPE, prices, process=process, max_messages=4, reconnect_backoff=0.1)
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert len(run.peers) == 2


def test_a_stream_that_began_anew() -> None:
    """The last offset is that of the latest subscription, even where that has none."""
    wanted: list[dict[str, Any]] = []

    async def script(peer: Peer) -> None:
        wanted.append(await subscribed(peer))
        reply = {"recoverable": True, "epoch": f"e{peer.number}"}
        if peer.number == 1:
            reply |= {"offset": 16}
        await say(peer, json.dumps({"id": 2, "subscribe": reply}))
        if peer.number < 3:
            await drop(peer)
        else:
            await say(peer, FIRST)
            await peer.wait()

    run = play(RECIPE, script, max_messages=1, reconnect_backoff=0.1)
    assert run.error is None
    assert [(one.get("epoch"), one.get("offset")) for one in wanted] == [
        (None, None),
        ("e1", 16),
        ("e2", 0),
    ]


def test_an_error_that_may_pass() -> None:
    async def script(peer: Peer) -> None:
        await subscribed(peer)
        if peer.number == 1:
            error = {"code": 100, "message": "internal server error", "temporary": True}
            await say(peer, json.dumps({"id": 2, "error": error}))
        elif peer.number == 2:
            away = {"unsubscribe": {"code": 2500, "reason": "insufficient state"}}
            await say(peer, SUBSCRIBED, json.dumps({"push": {"channel": "c", **away}}))
        else:
            await say(peer, SUBSCRIBED, FIRST)
        await peer.wait()

    run = play(RECIPE, script, max_messages=1, reconnect_backoff=0.1)
    assert run.error is None
    assert len(run.peers) == 3


def test_a_channel_that_may_not_be_subscribed(tmp_path: Path) -> None:
    refused, _ = RECIPE.failures

    run = play(RECIPE, refuse(subscribed, refused), process=tmp_path)
    assert run.code == 1
    assert run.error == refused


def test_a_token_that_is_not_valid(tmp_path: Path) -> None:
    _, refused = RECIPE.failures
    auth = RECIPE.config["auth"] | {"key": "ANOTHER-SECRET"}
    tokens: list[str] = []

    async def script(peer: Peer) -> None:
        tokens.append((await hear(peer))["connect"]["token"])
        await peer.close(3500, "invalid token")

    run = play(with_changes(RECIPE, auth=auth), script, process=tmp_path)
    assert run.code == 1
    assert run.error == refused
    assert "ANOTHER-SECRET" not in run.logs
    assert tokens[0] not in run.logs


def test_channels_as_contexts() -> None:
    """As the page says: each has its own position."""
    fixed = {
        name: value
        for name, value in RECIPE.config["placeholders"].items()
        if name != "channel"
    }
    config = RECIPE.config | {
        "placeholders": fixed,
        "contexts": [{"channel": "prices"}, {"channel": "orders"}],
    }

    async def script(peer: Peer) -> None:
        await connected(peer)
        channel = (await hear(peer))["subscribe"]["channel"]
        pub = {"data": {"from": channel}, "offset": 1}
        await say(
            peer, SUBSCRIBED, json.dumps({"push": {"channel": channel, "pub": pub}})
        )
        await peer.wait()

    run = play(dataclasses.replace(RECIPE, config=config), script, max_messages=2)
    rows = sorted((row["channel"], row["from"]) for row in run.records["prices"])
    assert rows == [("orders", "orders"), ("prices", "prices")]
