"""The recipe for GraphQL subscriptions, against a strict server of the protocol."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.mishaps import answer, play_after, play_with_drops
from tests.support.recipes import drop, hear, play, recipe, say, with_changes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("graphql", "A subscription")
ACK, PING, FIRST, SECOND, COMPLETE = RECIPE.arrives
SUBPROTOCOLS = ("graphql-transport-ws",)


async def agree(peer: Peer) -> Any:
    """Play the server up to the subscription, and return that."""
    assert peer.headers["sec-websocket-protocol"] == SUBPROTOCOLS[0]
    init = await hear(peer)
    assert init["type"] == "connection_init"
    if init["payload"] != {"Authorization": "Bearer YOUR-TOKEN"}:
        await peer.close(4403, "Forbidden")
    await asyncio.sleep(0.05)
    assert len(peer.received) == 1, "subscribed before the acknowledgement"
    await say(peer, ACK)
    message = await hear(peer)
    assert message["type"] == "subscribe"
    return message


async def serve_trades(peer: Peer) -> None:
    message = await agree(peer)
    assert message == RECIPE.config["subscribe_messages"][1]["message"]
    await say(peer, PING)
    assert await hear(peer) == {"type": "pong"}
    if peer.number == 1:
        await say(peer, FIRST)
        await drop(peer)
        return
    await say(peer, SECOND, COMPLETE)
    await peer.wait()


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    process = tmp_path if apart else None
    run = play(RECIPE, serve_trades, process=process, subprotocols=SUBPROTOCOLS)
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert [peer.close_code for peer in run.peers][1] == 1000


def test_a_refused_query(tmp_path: Path) -> None:
    refusal = {"message": 'Cannot query field "tradeAded".'}

    async def script(peer: Peer) -> None:
        message = await agree(peer)
        error = {"id": message["id"], "type": "error", "payload": [refusal]}
        await say(peer, json.dumps(error, separators=(",", ":")))
        await peer.wait()

    run = play(RECIPE, script, process=tmp_path, subprotocols=SUBPROTOCOLS)
    assert run.code == 1
    assert run.error in RECIPE.failures


def test_errors_beside_data_lose_no_data() -> None:
    async def script(peer: Peer) -> None:
        await agree(peer)
        await say(peer, PING)
        assert await hear(peer) == {"type": "pong"}
        for text in (FIRST, SECOND):
            message = json.loads(text, parse_float=str)
            message["payload"]["errors"] = [{"message": "the venue is not known"}]
            whole = json.dumps(message).replace('"42219.90"', "42219.90")
            await say(peer, whole.replace('"42220.15"', "42220.15"))
        await say(peer, COMPLETE)
        await peer.wait()

    run = play(RECIPE, script, subprotocols=SUBPROTOCOLS)
    assert run.error is None
    assert run.records["messages"] == RECIPE.table


def test_a_subprotocol_that_the_server_does_not_speak() -> None:
    async def script(peer: Peer) -> None:
        await peer.close(4406, "Subprotocol not acceptable")

    run = play(RECIPE, script, subprotocols=SUBPROTOCOLS)
    assert run.error is not None
    assert "code 4406" in run.error


@pytest.mark.parametrize("data", [None, {"tradeAdded": None}])
def test_errors_without_data(data: Any) -> None:
    async def script(peer: Peer) -> None:
        await agree(peer)
        await say(peer, FIRST)
        payload = {"data": data, "errors": [{"message": "the source is gone"}]}
        await say(peer, json.dumps({"id": "1", "type": "next", "payload": payload}))
        await peer.wait()

    run = play(RECIPE, script, subprotocols=SUBPROTOCOLS)
    assert run.error is not None
    assert "the source is gone" in run.error
    assert run.records["messages"] == RECIPE.table[:1]


def test_a_bad_token() -> None:
    config = with_changes(RECIPE, placeholders={"token": "WRONG"})
    run = play(config, agree, subprotocols=SUBPROTOCOLS)
    assert run.error is not None
    assert "code 4403 ('Forbidden'), which fatal_close_codes names" in run.error


def test_no_acknowledgement() -> None:
    async def script(peer: Peer) -> None:
        await hear(peer)
        await peer.wait()

    run = play(
        RECIPE,
        script,
        subprotocols=SUBPROTOCOLS,
        reply_timeout=0.2,
        max_reconnect_attempts=0,
    )
    assert run.error is not None
    assert "subscribe_messages[0]: no reply within 0.2 s (reply_timeout)" in run.error


def test_a_server_without_the_subprotocol() -> None:
    async def script(peer: Peer) -> None:
        await peer.wait()

    run = play(RECIPE, script)
    assert run.error is not None
    assert "subprotocol" in run.error


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes() -> None:
    async def subscribed(peer: Peer) -> None:
        await agree(peer)
        await say(peer, PING)
        assert await hear(peer) == {"type": "pong"}

    run = play_with_drops(RECIPE, subscribed, serve_trades, subprotocols=SUBPROTOCOLS)
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize(
    ("code", "reason"), [(4408, "Connection initialisation timeout"), (4500, "error")]
)
def test_a_close_code_that_passes_is_tried_again(code: int, reason: str) -> None:
    async def closes(peer: Peer) -> None:
        await hear(peer)
        await peer.close(code, reason)

    play_after(RECIPE, closes, serve_trades, subprotocols=SUBPROTOCOLS)


@pytest.mark.usefixtures("each_transport")
def test_a_token_that_expires_ends_the_run() -> None:
    async def expires(peer: Peer) -> None:
        await agree(peer)
        await say(peer, FIRST)
        await peer.close(4401, "Unauthorized")

    run = play(RECIPE, expires, subprotocols=SUBPROTOCOLS)
    assert run.error is not None
    assert "code 4401 ('Unauthorized')" in run.error
    assert run.records["messages"] == RECIPE.table[:1]


@pytest.mark.usefixtures("each_transport")
def test_a_message_of_a_new_kind_is_no_record() -> None:
    async def agreed(peer: Peer) -> None:
        await agree(peer)

    shown = answer(agreed, '{"type":"somethingNew"}', FIRST, SECOND, COMPLETE)
    run = play(RECIPE, shown, subprotocols=SUBPROTOCOLS)
    run.gives(RECIPE.tables)
