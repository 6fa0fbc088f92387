"""The recipe for Ethereum JSON-RPC, against a node that checks each request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tests.support.mishaps import answer, play_after, play_with_drops
from tests.support.recipes import drop, hear, play, recipe, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("ethereum", "New blocks")
ACK, FIRST, SECOND = RECIPE.arrives


async def subscribed(peer: Peer) -> Any:
    """Take the subscription."""
    assert peer.path == "/v3/YOUR-KEY"
    request = await hear(peer)
    assert request["jsonrpc"] == "2.0"
    assert request["method"] == "eth_subscribe"
    assert request["params"] == ["newHeads"]
    return request["id"]


async def node(peer: Peer) -> None:
    identity = await subscribed(peer)
    assert identity == json.loads(ACK)["id"]
    if peer.number == 1:
        await say(peer, ACK, FIRST)
        await drop(peer)
        return
    await say(peer, SECOND, ACK)
    await peer.wait()


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    run = play(RECIPE, node, process=tmp_path if apart else None, max_messages=2)
    assert run.code == 0
    run.gives(RECIPE.tables)


def test_a_refused_subscription(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        error = {
            "code": -32601,
            "message": "the method eth_subscribe does not exist/is not available",
        }
        reply = {"jsonrpc": "2.0", "id": await subscribed(peer), "error": error}
        await say(peer, json.dumps(reply, separators=(",", ":")))
        await peer.wait()

    run = play(RECIPE, script, process=tmp_path)
    assert run.code == 1
    assert run.error in RECIPE.failures
    assert "YOUR-KEY" not in run.logs


def test_no_reply() -> None:
    async def script(peer: Peer) -> None:
        await subscribed(peer)
        await peer.wait()

    run = play(RECIPE, script, reply_timeout=0.2, max_reconnect_attempts=0)
    assert run.error is not None
    assert "subscribe_messages[0]: no reply within 0.2 s (reply_timeout)" in run.error


def test_transaction_hashes_are_strings() -> None:
    async def script(peer: Peer) -> None:
        await hear(peer)
        await say(peer, ACK)
        for number in range(2):
            params = {"subscription": "0xsub", "result": f"0x{number}"}
            message = {"jsonrpc": "2.0", "method": "eth_subscription", "params": params}
            await say(peer, json.dumps(message))
        await peer.wait()

    run = play(RECIPE, script, max_messages=2)
    rows = [(row["data"], row["subscription"]) for row in run.records["messages"]]
    assert rows == [("0x0", "0xsub"), ("0x1", "0xsub")]


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes() -> None:
    async def acknowledged(peer: Peer) -> None:
        await subscribed(peer)
        await say(peer, ACK)

    play_with_drops(RECIPE, acknowledged, node, max_messages=2).gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize("code", [429, -32005])
def test_a_limit_of_the_provider_is_tried_again(code: int) -> None:
    error = {"code": code, "message": "rate limit exceeded"}
    text = json.dumps({"jsonrpc": "2.0", "id": 1, "error": error})

    async def refuses(peer: Peer) -> None:
        await subscribed(peer)
        await say(peer, text)

    play_after(RECIPE, refuses, node, max_messages=2)


@pytest.mark.usefixtures("each_transport")
def test_what_is_no_notification_is_no_record() -> None:
    async def acknowledged(peer: Peer) -> None:
        await subscribed(peer)
        await say(peer, ACK)

    new = '{"jsonrpc":"2.0","method":"somethingNew","params":{"x":1}}'
    shown = answer(acknowledged, new, FIRST, SECOND)
    play(RECIPE, shown, max_messages=2).gives(RECIPE.tables)


@pytest.mark.parametrize(("status", "hint"), [(401, "credentials"), (404, "path")])
def test_a_key_that_is_not_known(status: int, hint: str) -> None:
    def refuse(_: web.Request) -> web.Response:
        return web.Response(status=status)

    run = play(RECIPE, node, refuse=refuse)
    assert run.error is not None
    assert f"HTTP {status}" in run.error
    assert hint in run.error
    assert "YOUR-KEY" not in run.error
