"""The recipe for Binance's user data: a login that is signed with Ed25519."""

from __future__ import annotations

import base64
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.support.recipes import drop, hear, play, recipe, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("binance-user-data", "Account events")
LOGON, SUBSCRIBED, POSITION, TERMINATED, BALANCE = RECIPE.arrives


async def _logged_on(peer: Peer, keys: Path) -> None:
    message = await hear(peer)
    params = message["params"]
    assert (message["method"], message["id"]) == ("session.logon", "logon")
    assert isinstance(params["timestamp"], int)
    key: Any = load_pem_private_key((keys / "binance.pem").read_bytes(), None)
    signed = f"apiKey=YOUR-API-KEY&timestamp={params['timestamp']}".encode()
    # It raises where the signature is another one.
    key.public_key().verify(base64.b64decode(params["signature"]), signed)
    await say(peer, LOGON)
    message = await hear(peer)
    assert message == {"id": "events", "method": "userDataStream.subscribe"}
    await say(peer, SUBSCRIBED)


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, keys: Path, *, apart: bool) -> None:
    async def script(peer: Peer) -> None:
        await _logged_on(peer, keys)
        if peer.number == 1:
            await say(peer, POSITION, TERMINATED)
        elif peer.number == 2:
            await drop(peer)
            return
        else:
            await say(peer, BALANCE)
        await peer.wait()

    process = shutil.copytree(keys, tmp_path / "run") if apart else None
    run = play(RECIPE, script, process=process, max_messages=2, reconnect_backoff=0.1)
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert len(run.peers) == 3


def test_a_key_that_is_not_registered(tmp_path: Path, keys: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.recv()
        await say(peer, RECIPE.failures[0].partition("fatal: ")[2])
        await peer.wait()

    process = shutil.copytree(keys, tmp_path / "run")
    run = play(RECIPE, script, process=process)
    assert run.code == 1
    assert run.error in RECIPE.failures
