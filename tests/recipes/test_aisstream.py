"""The recipe for AISStream: JSON in binary frames, below the name of its type."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

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


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    async def script(peer: Peer) -> None:
        await subscribed(peer)
        if peer.number == 1:
            await drop(peer)
            return
        await peer.send(REPORT)
        await peer.wait()

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
