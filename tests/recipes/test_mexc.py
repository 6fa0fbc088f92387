"""The recipe for MEXC: Protobuf in binary frames, answers in JSON."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.protobuf import message_class
from tests.support.recipes import drop, hear, play, recipe, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("mexc", "Trades")
SUBSCRIBED, TRADES, PONG, TRADE = RECIPE.arrives


async def _subscribed(peer: Peer) -> None:
    channel = "spot@public.aggre.deals.v3.api.pb@100ms@BTCUSDT"
    assert await hear(peer) == {"method": "SUBSCRIPTION", "params": [channel]}


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, keys: Path, *, apart: bool) -> None:
    wrapper = message_class(keys / "mexc.pb", "PushDataV3ApiWrapper")

    async def push(peer: Peer, message: str) -> None:
        await peer.send(wrapper(**json.loads(message)).SerializeToString())

    async def script(peer: Peer) -> None:
        await _subscribed(peer)
        await say(peer, SUBSCRIBED)
        if peer.number == 1:
            await push(peer, TRADES)
            await drop(peer)
        else:
            assert await hear(peer) == {"method": "PING"}
            await say(peer, PONG)
            await push(peer, TRADE)
            await peer.wait()

    run = play(
        RECIPE,
        script,
        process=shutil.copytree(keys, tmp_path / "run") if apart else None,
        max_messages=2,
        reconnect_backoff=0.1,
        heartbeat_interval=0.1,
    )
    assert run.code == 0
    run.gives(RECIPE.tables)


def test_a_stream_that_is_not_there(tmp_path: Path, keys: Path) -> None:
    async def script(peer: Peer) -> None:
        await _subscribed(peer)
        await say(peer, RECIPE.failures[0].partition("fatal: ")[2])
        await peer.wait()

    process = shutil.copytree(keys, tmp_path / "run")
    run = play(RECIPE, script, process=process)
    assert run.code == 1
    assert run.error in RECIPE.failures
