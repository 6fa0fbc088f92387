"""The recipe for MEXC: Protobuf in binary frames, answers in JSON."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.mishaps import play_after, play_with_drops, refuse
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


async def _acknowledged(peer: Peer) -> None:
    await _subscribed(peer)
    await say(peer, SUBSCRIBED)


class Market:
    """Pushes trades as Protobuf, and answers a ping."""

    def __init__(self, keys: Path) -> None:
        self._wrapper = message_class(keys / "mexc.pb", "PushDataV3ApiWrapper")

    async def push(self, peer: Peer, message: str) -> None:
        await peer.send(self._wrapper(**json.loads(message)).SerializeToString())

    async def __call__(self, peer: Peer) -> None:
        await _acknowledged(peer)
        if peer.number == 1:
            await self.push(peer, TRADES)
            await drop(peer)
        else:
            assert await hear(peer) == {"method": "PING"}
            await say(peer, PONG)
            await self.push(peer, TRADE)
            await peer.wait()


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, keys: Path, *, apart: bool) -> None:
    run = play(
        RECIPE,
        Market(keys),
        process=shutil.copytree(keys, tmp_path / "run") if apart else None,
        max_messages=2,
        reconnect_backoff=0.1,
        heartbeat_interval=0.1,
    )
    assert run.code == 0
    run.gives(RECIPE.tables)


def test_a_stream_that_is_not_there(tmp_path: Path, keys: Path) -> None:
    process = shutil.copytree(keys, tmp_path / "run")
    run = play(RECIPE, refuse(_subscribed, RECIPE.failures[0]), process=process)
    assert run.code == 1
    assert run.error in RECIPE.failures


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes(keys: Path) -> None:
    run = play_with_drops(
        RECIPE, _acknowledged, Market(keys), max_messages=2, heartbeat_interval=0.1
    )
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_the_end_of_a_day_is_no_end(keys: Path) -> None:
    async def closes(peer: Peer) -> None:
        await _acknowledged(peer)
        await peer.close(1000, "24 hours are over")

    play_after(RECIPE, closes, Market(keys), max_messages=2, heartbeat_interval=0.1)


@pytest.mark.usefixtures("each_transport")
def test_what_is_no_protobuf_ends_the_run(keys: Path) -> None:
    market = Market(keys)

    async def breaks(peer: Peer) -> None:
        await _acknowledged(peer)
        await market.push(peer, TRADES)
        await peer.send(b"\xff\xff")
        await peer.wait()

    run = play(RECIPE, breaks)
    assert run.error is not None
    assert "not valid Protobuf" in run.error
    assert run.records["trades"] == RECIPE.table[:2]


@pytest.mark.usefixtures("each_transport")
def test_a_push_of_another_kind_is_no_record(keys: Path) -> None:
    market = Market(keys)

    async def shows(peer: Peer) -> None:
        await _acknowledged(peer)
        await market.push(peer, '{"channel":"spot@somethingNew","symbol":"BTCUSDT"}')
        await market.push(peer, TRADES)
        await market.push(peer, TRADE)
        await peer.wait()

    play(RECIPE, shows, max_messages=2).gives(RECIPE.tables)
