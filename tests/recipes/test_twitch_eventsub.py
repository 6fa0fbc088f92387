"""The recipe for Twitch EventSub: subscribed over HTTP, and moved before the end."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tests.support.mishaps import play_after, play_with_drops
from tests.support.recipes import drop, play, recipe, say

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("twitch-eventsub", "Follows")
WELCOME, FIRST, KEEPALIVE, MOVE, SECOND = RECIPE.arrives


def moves(peer: Peer) -> str:
    """Return the message that moves a session to another address of this server."""
    move = json.loads(MOVE)
    address = f"ws://{peer.headers['host']}/moved?id=1"
    move["payload"]["session"]["reconnect_url"] = address
    return json.dumps(move)


class Twitch:
    """Twitch's two sides: the feed, and the one that takes subscriptions."""

    def __init__(self, *statuses: int) -> None:
        self.taken: list[Any] = []
        self._statuses = list(statuses)

    async def __call__(self, peer: Peer) -> None:
        """Play the feed: one drop, and one session that is moved."""
        moved = await self.welcomed(peer)
        if peer.number == 1:
            await self.subscribed()
            await say(peer, KEEPALIVE, FIRST)
            await drop(peer)
            return
        if peer.number == 2:
            await self.subscribed()
            await say(peer, moves(peer))
        else:
            assert moved
            await say(peer, SECOND)
        await peer.wait()
        assert not peer.received, "Twitch ends a connection that sends anything"

    async def welcomed(self, peer: Peer) -> bool:
        """Greet, and return whether it is the address that a session moved to."""
        moved = peer.path == "/moved?id=1"
        assert moved or peer.path == "/ws?keepalive_timeout_seconds=30"
        self._before = len(self.taken)
        await say(peer, WELCOME)
        return moved

    async def subscribed(self) -> None:
        """Wait until a subscription was taken since the greeting."""
        while len(self.taken) == self._before:
            await asyncio.sleep(0.01)
        # Their answers, too, are on their way.
        await asyncio.sleep(0.1)

    async def subscribe(self, request: web.Request) -> web.Response:
        assert (request.method, request.path) == (
            "POST",
            "/helix/eventsub/subscriptions",
        )
        assert request.headers["Authorization"] == "Bearer YOUR-USER-TOKEN"
        assert request.headers["Client-Id"] == "YOUR-CLIENT-ID"
        if self._statuses:
            headers = {"Retry-After": "0"}
            return web.Response(status=self._statuses.pop(0), headers=headers)
        self.taken.append(await request.json())
        return web.json_response({"data": []}, status=202)


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    twitch = Twitch()
    run = play(
        RECIPE,
        twitch,
        process=tmp_path if apart else None,
        http=twitch.subscribe,
        max_messages=2,
        reconnect_backoff=0.1,
    )
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert len(run.peers) == 3
    # Once for each session; the one that was moved keeps its subscription.
    assert len(twitch.taken) == 2
    assert twitch.taken[0] == {
        "type": "channel.follow",
        "version": "2",
        "condition": {"broadcaster_user_id": "1337", "moderator_user_id": "1337"},
        "transport": {
            "method": "websocket",
            "session_id": "AQoQexAWVYKSTIu4ec_2VAxyuhAB",
        },
    }


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_subscription_that_is_refused(tmp_path: Path, status: int) -> None:
    """For a bad token, a missing scope, or an unknown channel."""
    twitch = Twitch(*[status] * 3)

    async def script(peer: Peer) -> None:
        await twitch.welcomed(peer)
        await peer.wait()

    run = play(RECIPE, script, process=tmp_path, http=twitch.subscribe)
    assert run.code == 1
    (failure,) = RECIPE.failures
    assert run.error == failure.replace("401", str(status))
    assert "YOUR-USER-TOKEN" not in run.logs


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes() -> None:
    twitch = Twitch()

    async def subscribed(peer: Peer) -> None:
        await twitch.welcomed(peer)
        await twitch.subscribed()

    run = play_with_drops(
        RECIPE, subscribed, twitch, http=twitch.subscribe, max_messages=2, overlap=0.1
    )
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize("status", [429, 500])
def test_a_subscription_that_fails_for_now_is_made_again(status: int) -> None:
    twitch = Twitch(status)

    async def welcomed(peer: Peer) -> None:
        await twitch.welcomed(peer)

    play_after(
        RECIPE, welcomed, twitch, http=twitch.subscribe, max_messages=2, overlap=0.1
    )


@pytest.mark.usefixtures("each_transport")
def test_a_drop_behind_a_move_begins_anew() -> None:
    """The address that a session moved to is good for that move alone."""
    twitch = Twitch()

    async def script(peer: Peer) -> None:
        moved = await twitch.welcomed(peer)
        assert moved == (peer.number == 2)
        if peer.number != 2:
            await twitch.subscribed()
        if peer.number == 1:
            await say(peer, FIRST, moves(peer))
            await peer.wait()
        elif peer.number == 2:
            await drop(peer)
        else:
            await say(peer, SECOND)
            await peer.wait()

    run = play(
        RECIPE,
        script,
        http=twitch.subscribe,
        max_messages=2,
        reconnect_backoff=0.1,
        overlap=0.05,
    )
    run.gives(RECIPE.tables)
    assert len(twitch.taken) == 2


@pytest.mark.usefixtures("each_transport")
def test_what_comes_while_a_session_moves_comes_once() -> None:
    twitch = Twitch()
    replaced = asyncio.Event()

    async def script(peer: Peer) -> None:
        if await twitch.welcomed(peer):
            replaced.set()
            await say(peer, FIRST, SECOND)
        else:
            await twitch.subscribed()
            await say(peer, moves(peer), FIRST)
            await replaced.wait()
        await peer.wait()

    run = play(RECIPE, script, http=twitch.subscribe, max_messages=2, overlap=0.2)
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_a_revoked_subscription_ends_the_run() -> None:
    twitch = Twitch()
    subscription = {"id": "s1", "status": "authorization_revoked"}
    metadata = {"message_id": "m9", "message_type": "revocation"}
    message = {"metadata": metadata, "payload": {"subscription": subscription}}

    async def revokes(peer: Peer) -> None:
        await twitch.welcomed(peer)
        await twitch.subscribed()
        await say(peer, FIRST, json.dumps(message))
        await peer.wait()

    run = play(RECIPE, revokes, http=twitch.subscribe)
    assert run.error is not None
    assert "authorization_revoked" in run.error
    assert run.records["follows"] == RECIPE.table[:1]


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize("code", [4000, 4003, 4004, 4006])
def test_a_close_code_is_followed_by_another_session(code: int) -> None:
    twitch = Twitch()

    async def closes(peer: Peer) -> None:
        await twitch.welcomed(peer)
        await twitch.subscribed()
        await peer.close(code)

    play_after(
        RECIPE, closes, twitch, http=twitch.subscribe, max_messages=2, overlap=0.1
    )
    assert len(twitch.taken) == 3


@pytest.mark.usefixtures("each_transport")
def test_a_message_of_a_new_kind_is_no_record() -> None:
    twitch = Twitch()
    new = '{"metadata":{"message_id":"m8","message_type":"something_new"},"payload":{}}'

    async def shows(peer: Peer) -> None:
        await twitch.welcomed(peer)
        await twitch.subscribed()
        await say(peer, new, FIRST, SECOND)
        await peer.wait()

    run = play(RECIPE, shows, http=twitch.subscribe, max_messages=2)
    run.gives(RECIPE.tables)
