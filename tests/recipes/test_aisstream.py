"""The recipe for AISStream: JSON in binary frames, below the name of its type."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.mishaps import first, play_with_drops
from tests.support.recipes import drop, hear, play, recipe, with_changes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("aisstream", "Positions")
CONFIRMATION, REPORT = (line.encode() for line in RECIPE.arrives)


async def subscribed(peer: Peer) -> None:
    assert peer.path == "/v0/stream"
    message = await hear(peer)
    assert message.keys() == {"APIKey", "BoundingBoxes", "FilterMessageTypes"}
    assert message["BoundingBoxes"] == [[[-90, -180], [90, 180]]]
    if message["APIKey"] != "YOUR-API-KEY":
        error = {"error": "Api Key Is Not Valid"}
        await peer.send(json.dumps(error, separators=(",", ":")).encode())
        await peer.wait()
    await peer.send(CONFIRMATION)


async def script(peer: Peer) -> None:
    await subscribed(peer)
    if peer.number == 1:
        await drop(peer)
        return
    await peer.send(REPORT)
    await peer.wait()


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    run = play(RECIPE, script, process=tmp_path if apart else None, max_messages=1)
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert len(run.peers) == 2


def test_a_bad_key(tmp_path: Path) -> None:
    config = with_changes(RECIPE, placeholders={"key": "WRONG"})
    run = play(config, subscribed, process=tmp_path)
    assert run.code == 1
    assert run.error in RECIPE.failures
    assert "WRONG" not in run.logs


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes() -> None:
    run = play_with_drops(RECIPE, subscribed, script, max_messages=1)
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_one_connection_too_many_is_tried_again() -> None:
    async def refuses(peer: Peer) -> None:
        await hear(peer)
        await peer.send(b'{"error":"concurrent connections per user exceeded"}')

    run = play(RECIPE, first(refuses, script), max_messages=1, reconnect_backoff=0.1)
    run.gives(RECIPE.tables)
    assert len(run.peers) == 3


@pytest.mark.usefixtures("each_transport")
def test_messages_of_another_type_are_no_records() -> None:
    async def other(peer: Peer) -> None:
        await subscribed(peer)
        static = {"ShipStaticData": {"UserID": 250013879, "Name": "DINOPOTES"}}
        message = {"MessageType": "ShipStaticData", "MetaData": {}, "Message": static}
        await peer.send(json.dumps(message).encode())
        await peer.send(REPORT)
        await peer.wait()

    play(RECIPE, other, max_messages=1).gives(RECIPE.tables)
