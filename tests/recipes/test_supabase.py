"""The recipe for Supabase Realtime: Phoenix channels, messages that are arrays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.mishaps import answer, play_after, play_with_drops
from tests.support.recipes import drop, hear, play, recipe, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("supabase", "Changes of a table")
JOINED, SUBSCRIBED, CHANGE, BEAT = RECIPE.arrives


async def joined(peer: Peer) -> None:
    assert peer.path == "/realtime/v1/websocket?apikey=YOUR-API-KEY&vsn=2.0.0"
    join = await hear(peer)
    changes = [{"event": "*", "schema": "public", "table": "test"}]
    payload = {"config": {"postgres_changes": changes}, "access_token": "YOUR-API-KEY"}
    assert join == ["1", "1", "realtime:test", "phx_join", payload]
    await say(peer, JOINED, SUBSCRIBED)


async def beat(peer: Peer, refs: set[str]) -> None:
    """Take a heartbeat, whose reference must be a new one, and answer."""
    join, ref, *rest = await hear(peer)
    assert (join, rest) == (None, ["phoenix", "heartbeat", {}])
    assert isinstance(ref, str)
    assert ref not in refs
    refs.add(ref)
    answer = json.loads(BEAT)
    await say(peer, json.dumps([None, ref, *answer[2:]]))


async def script(peer: Peer) -> None:
    refs: set[str] = set()
    await joined(peer)
    await beat(peer, refs)
    if peer.number == 1:
        await drop(peer)
        return
    await beat(peer, refs)
    if peer.number == 2:
        end: list[Any] = ["1", "1", "realtime:test", "phx_error", {}]
        await say(peer, json.dumps(end))
    else:
        await say(peer, CHANGE)
    await peer.wait()


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    run = play(
        RECIPE,
        script,
        process=tmp_path if apart else None,
        heartbeat_interval=0.05,
        reconnect_backoff=0.1,
        max_messages=1,
    )
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert len(run.peers) == 3
    assert "YOUR-API-KEY" not in run.logs


def test_a_refused_join(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await hear(peer)
        response = {"reason": "InvalidJWTExpiration"}
        payload = {"status": "error", "response": response}
        refusal = ["1", "1", "realtime:test", "phx_reply", payload]
        await say(peer, json.dumps(refusal, separators=(",", ":")))
        await peer.wait()

    run = play(RECIPE, script, process=tmp_path)
    assert run.code == 1
    assert run.error in RECIPE.failures


def test_a_join_without_a_subscription() -> None:
    async def script(peer: Peer) -> None:
        await hear(peer)
        await say(peer, JOINED)
        await peer.wait()

    run = play(RECIPE, script, reply_timeout=2, max_reconnect_attempts=0)
    assert run.error is not None
    assert "subscribe_messages[1]: no reply within 2 s (reply_timeout)" in run.error


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes() -> None:
    run = play_with_drops(
        RECIPE, joined, script, heartbeat_interval=0.05, max_messages=1
    )
    run.gives(RECIPE.tables)


def refusal(reason: str) -> str:
    payload = {"status": "error", "response": {"reason": reason}}
    return json.dumps(["1", "1", "realtime:test", "phx_reply", payload])


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize(
    "reason",
    [
        "RealtimeRestarting: Realtime is restarting, please standby",
        "InitializingProjectConnection: Realtime is initializing",
        "DatabaseLackOfConnections: Database can't accept more connections",
        "ConnectionRateLimitReached: Too many connected users",
        "ClientJoinRateLimitReached: Too many joins per second",
    ],
)
def test_a_join_that_is_refused_for_now_is_made_again(reason: str) -> None:
    async def refuses(peer: Peer) -> None:
        await hear(peer)
        await say(peer, refusal(reason))

    play_after(RECIPE, refuses, script, heartbeat_interval=0.05, max_messages=1)


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize("status", ["error"])
def test_a_table_that_cannot_be_watched_ends_the_run(status: str) -> None:
    text = "Unable to subscribe to changes with given parameters"
    system = {"message": text, "status": status, "extension": "postgres_changes"}

    async def refuses(peer: Peer) -> None:
        await hear(peer)
        await say(
            peer, JOINED, json.dumps(["1", None, "realtime:test", "system", system])
        )
        await peer.wait()

    run = play(RECIPE, refuses)
    assert run.error is not None
    assert text in run.error


@pytest.mark.usefixtures("each_transport")
def test_a_channel_that_is_closed_is_joined_again() -> None:
    closed = answer(joined, '["1","1","realtime:test","phx_close",{}]')
    play_after(RECIPE, closed, script, heartbeat_interval=0.05, max_messages=1)


@pytest.mark.usefixtures("each_transport")
def test_a_message_of_a_new_kind_is_no_record() -> None:
    new = '[null,null,"realtime:test","presence_state",{}]'
    play(RECIPE, answer(joined, new, CHANGE), max_messages=1).gives(RECIPE.tables)
