"""The recipe for Binance's user data: a login that is signed with Ed25519."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.support.mishaps import answer, hears, play_after, play_with_drops, refuse
from tests.support.recipes import drop, hear, play, recipe, say

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("binance-user-data", "Account events")
LOGON, SUBSCRIBED, POSITION, TERMINATED, SHUTDOWN, BALANCE = RECIPE.arrives


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


@pytest.fixture
def logged_on(keys: Path) -> Callable[[Peer], Awaitable[None]]:
    """Play the server's part up to the end of the subscription."""
    return functools.partial(_logged_on, keys=keys)


@pytest.fixture
def script(
    logged_on: Callable[[Peer], Awaitable[None]],
) -> Callable[[Peer], Awaitable[None]]:
    """Play it as a whole."""

    async def script(peer: Peer) -> None:
        await logged_on(peer)
        if peer.number == 1:
            await say(peer, POSITION, TERMINATED)
        elif peer.number == 2:
            await drop(peer)
            return
        else:
            await say(peer, BALANCE)
        await peer.wait()

    return script


@pytest.mark.parametrize("apart", [True, False])
def test_table(
    tmp_path: Path,
    keys: Path,
    script: Callable[[Peer], Awaitable[None]],
    *,
    apart: bool,
) -> None:
    process = shutil.copytree(keys, tmp_path / "run") if apart else None
    run = play(RECIPE, script, process=process, max_messages=2, reconnect_backoff=0.1)
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert len(run.peers) == 3


def test_a_key_that_is_not_registered(tmp_path: Path, keys: Path) -> None:
    process = shutil.copytree(keys, tmp_path / "run")
    run = play(RECIPE, refuse(hears, RECIPE.failures[0]), process=process)
    assert run.code == 1
    assert run.error in RECIPE.failures


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes(
    logged_on: Callable[[Peer], Awaitable[None]],
    script: Callable[[Peer], Awaitable[None]],
) -> None:
    run = play_with_drops(RECIPE, logged_on, script, max_messages=2)
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_an_announced_end_loses_nothing(
    logged_on: Callable[[Peer], Awaitable[None]],
) -> None:
    replaced = asyncio.Event()

    async def script(peer: Peer) -> None:
        await logged_on(peer)
        if peer.number == 1:
            await say(peer, POSITION, SHUTDOWN)
            await replaced.wait()
        replaced.set()
        await say(peer, BALANCE)
        await peer.wait()

    play(RECIPE, script, max_messages=2, overlap=0.1).gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_status_that_passes_is_tried_again(
    status: int, script: Callable[[Peer], Awaitable[None]]
) -> None:
    async def busy(peer: Peer) -> None:
        await peer.recv()
        error = {"code": -1003, "msg": "Too many requests queued."}
        await say(peer, json.dumps({"id": "logon", "status": status, "error": error}))

    play_after(RECIPE, busy, script, max_messages=2)


@pytest.mark.usefixtures("each_transport")
def test_an_event_of_a_new_kind_is_kept(
    logged_on: Callable[[Peer], Awaitable[None]],
) -> None:
    event = {"e": "somethingNew", "E": 1728972148778, "x": {"y": 1}}
    message = json.dumps({"subscriptionId": 0, "event": event})
    run = play(RECIPE, answer(logged_on, message), max_messages=1)
    (record,) = run.records["account_events"]
    assert (record["e"], record["x"]) == ("somethingNew", {"y": 1})
