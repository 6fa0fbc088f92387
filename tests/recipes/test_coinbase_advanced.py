"""The recipe for Coinbase Advanced Trade: each message with a token of its own."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from joserfc import jwk, jws, jwt

from tests.support.mishaps import hears, play_after, play_with_drops, refuse
from tests.support.recipes import drop, hear, play, recipe, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("coinbase-advanced", "Orders")
HEARTBEATS, BEAT, USER, SNAPSHOT, UPDATE = RECIPE.arrives
NAME = "organizations/YOUR-ORG/apiKeys/YOUR-KEY"

# Coinbase wants the header `nonce`, which is not a registered one.
_REGISTRY = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)


class Exchange:
    """Takes subscriptions whose tokens its key has signed, each token once."""

    def __init__(self, keys: Path) -> None:
        self._key = jwk.ECKey.import_key((keys / "coinbase.pem").read_bytes())
        self.nonces: set[str] = set()

    async def takes(self, peer: Peer, channel: str) -> None:
        message = await hear(peer)
        token = jwt.decode(message.pop("jwt"), self._key, registry=_REGISTRY)
        assert message == {"type": "subscribe", "channel": channel}
        assert token.header["kid"] == NAME
        claims = token.claims
        assert (claims["iss"], claims["sub"]) == ("cdp", NAME)
        assert claims["exp"] - claims["nbf"] == 120
        assert token.header["nonce"] not in self.nonces
        self.nonces.add(token.header["nonce"])

    async def subscribed(self, peer: Peer) -> None:
        await self.takes(peer, "heartbeats")
        await say(peer, HEARTBEATS, BEAT)
        await self.takes(peer, "user")
        await say(peer, USER)

    async def __call__(self, peer: Peer) -> None:
        await self.subscribed(peer)
        if peer.number == 1:
            await say(peer, SNAPSHOT)
            await drop(peer)
        else:
            await say(peer, UPDATE)
            await peer.wait()


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, keys: Path, *, apart: bool) -> None:
    exchange = Exchange(keys)
    process = shutil.copytree(keys, tmp_path / "run") if apart else None
    run = play(RECIPE, exchange, process=process, max_messages=2, reconnect_backoff=0.1)
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert len(exchange.nonces) == 4


def test_a_key_that_is_not_known(tmp_path: Path, keys: Path) -> None:
    process = shutil.copytree(keys, tmp_path / "run")
    run = play(RECIPE, refuse(hears, RECIPE.failures[0]), process=process)
    assert run.code == 1
    assert run.error in RECIPE.failures
    assert "PRIVATE KEY" not in run.logs


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes(keys: Path) -> None:
    exchange = Exchange(keys)
    run = play_with_drops(RECIPE, exchange.subscribed, exchange, max_messages=2)
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_a_closed_subscription_is_taken_again(keys: Path) -> None:
    exchange = Exchange(keys)

    async def closes(peer: Peer) -> None:
        await exchange.takes(peer, "heartbeats")
        await peer.close(1008, "no subscription within five seconds")

    play_after(RECIPE, closes, exchange, max_messages=2)


@pytest.mark.usefixtures("each_transport")
def test_messages_of_another_channel_are_no_records(keys: Path) -> None:
    exchange = Exchange(keys)
    new = {"channel": "somethingNew", "sequence_num": 3, "events": [{"type": "x"}]}

    async def script(peer: Peer) -> None:
        await exchange.subscribed(peer)
        await say(peer, json.dumps(new), SNAPSHOT, UPDATE)
        await peer.wait()

    play(RECIPE, script, max_messages=2).gives(RECIPE.tables)
