"""Polygon: greeting, login, statuses, and arrays of several kinds of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.recipes import drop, hear, play, recipe, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

EVENTS = recipe("polygon", "Trades and quotes")


async def _logged_in(peer: Peer) -> None:
    assert peer.path == "/stocks"
    await say(peer, EVENTS.arrives[0])
    assert await hear(peer) == {"action": "auth", "params": "YOUR-API-KEY"}


async def script(peer: Peer) -> None:
    _, authenticated, trades, quotes, first, second = EVENTS.arrives
    await _logged_in(peer)
    await say(peer, authenticated)
    subscription = {"action": "subscribe", "params": "T.AAPL,Q.AAPL"}
    assert await hear(peer) == subscription
    if peer.number == 1:
        await say(peer, trades, quotes, first)
        await drop(peer)
    else:
        await say(peer, trades, f"{quotes[:-1]},{second[1:]}")
        await peer.wait()


def test_each_kind_has_its_table(tmp_path: Path) -> None:
    outcome = play(EVENTS, script, process=tmp_path, max_messages=2)
    outcome.gives(EVENTS.tables)
    assert len(outcome.peers) == 2


def test_a_refused_key_ends_the_run(tmp_path: Path) -> None:
    (failure,) = EVENTS.failures

    async def refuses(peer: Peer) -> None:
        await _logged_in(peer)
        await say(peer, f"[{failure.partition('fatal: ')[2]}]")
        await peer.wait()

    outcome = play(EVENTS, refuses, process=tmp_path)
    assert (outcome.code, outcome.error) == (1, failure)
    assert "YOUR-API-KEY" not in outcome.logs
