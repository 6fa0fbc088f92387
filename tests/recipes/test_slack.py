"""The recipe for Slack Socket Mode: a ticket for each connection, and envelopes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.support.mishaps import play_after, play_with_drops
from tests.support.recipes import drop, hear, play, recipe, say, with_changes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("slack", "Events")
HELLO, FIRST, DISCONNECT, SECOND = RECIPE.arrives
TOKEN = "xapp-YOUR-APP-LEVEL-TOKEN"


class Slack:
    """The HTTP call and the tickets, each of which is good for one connection."""

    def __init__(self) -> None:
        self.tickets: list[str] = []
        self.used: list[str] = []

    async def open(self, request: web.Request) -> web.Response:
        assert request.method == "POST"
        assert request.path == "/api/apps.connections.open"
        if request.headers["Authorization"] != f"Bearer {TOKEN}":
            return web.json_response({"ok": False, "error": "invalid_auth"})
        ticket = f"1234-{len(self.tickets)}"
        self.tickets.append(ticket)
        url = f"ws://{request.host}/link/?ticket={ticket}&app_id=a%2Bb"
        return web.json_response({"ok": True, "url": url})

    def redeem(self, peer: Peer) -> None:
        ticket = self.tickets[-1]
        assert peer.path == f"/link/?ticket={ticket}&app_id=a%2Bb"
        assert ticket not in self.used
        self.used.append(ticket)

    async def greeted(self, peer: Peer) -> None:
        self.redeem(peer)
        await say(peer, HELLO)

    async def __call__(self, peer: Peer) -> None:
        """Deliver an event, announce the end, lose the next, and go on."""
        await self.greeted(peer)
        if peer.number == 1:
            await deliver(peer, FIRST)
            await say(peer, DISCONNECT)
        elif peer.number == 2:
            await drop(peer)
            return
        else:
            await deliver(peer, SECOND)
        await peer.wait()


async def deliver(peer: Peer, message: str) -> None:
    """Send an envelope, and wait for its acknowledgement."""
    await say(peer, message)
    assert await hear(peer) == {"envelope_id": json.loads(message)["envelope_id"]}


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    slack = Slack()
    process = tmp_path if apart else None
    run = play(
        RECIPE,
        slack,
        process=process,
        http=slack.open,
        max_messages=2,
        reconnect_backoff=0.1,
    )
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert slack.used == slack.tickets == ["1234-0", "1234-1", "1234-2"]
    assert TOKEN not in run.logs
    assert "1234-" not in run.logs


def test_an_envelope_without_an_event_is_acknowledged() -> None:
    slack = Slack()
    command = {
        "payload": {"command": "/x"},
        "envelope_id": "e1",
        "type": "slash_commands",
    }

    async def script(peer: Peer) -> None:
        await say(peer, HELLO)
        await deliver(peer, json.dumps(command))
        await deliver(peer, FIRST)
        await peer.wait()

    run = play(RECIPE, script, http=slack.open, max_messages=1)
    assert run.error is None
    assert run.records["messages"] == RECIPE.table[:1]


def test_a_bad_token(tmp_path: Path) -> None:
    auth = RECIPE.config["auth"]
    bad = with_changes(RECIPE, auth=auth | {"headers": {"Authorization": "Bearer no"}})
    run = play(bad, drop, process=tmp_path, http=Slack().open)
    assert run.code == 1
    assert run.error in RECIPE.failures


def test_a_link_that_is_disabled() -> None:
    async def script(peer: Peer) -> None:
        gone = json.loads(DISCONNECT) | {"reason": "link_disabled"}
        await say(peer, HELLO, json.dumps(gone))
        await peer.wait()

    run = play(RECIPE, script, http=Slack().open)
    assert run.error is not None
    assert "link_disabled" in run.error


@pytest.mark.usefixtures("each_transport")
def test_drops_before_the_greeting() -> None:
    slack = Slack()
    run = play_with_drops(
        RECIPE, slack.greeted, slack, http=slack.open, max_messages=2, overlap=0.1
    )
    run.gives(RECIPE.tables)


TOO_MANY = json.dumps({"type": "disconnect", "reason": "too_many_websockets"})


@pytest.mark.usefixtures("each_transport")
def test_a_connection_too_many_is_tried_again() -> None:
    slack = Slack()

    async def refuses(peer: Peer) -> None:
        slack.redeem(peer)
        await say(peer, TOO_MANY)

    play_after(RECIPE, refuses, slack, http=slack.open, max_messages=2, overlap=0.1)


@pytest.mark.usefixtures("each_transport")
def test_connections_that_stay_too_many_end_the_run() -> None:
    slack = Slack()

    async def refuses(peer: Peer) -> None:
        slack.redeem(peer)
        await say(peer, TOO_MANY)
        await peer.wait()

    run = play(RECIPE, refuses, http=slack.open, max_duration=2, reconnect_backoff=0.1)
    assert run.error is not None
    assert "never subscribed" in run.error


@pytest.mark.usefixtures("each_transport")
def test_a_call_that_comes_too_often_is_made_again() -> None:
    slack = Slack()
    statuses = [503, 429]

    async def http(request: web.Request) -> web.Response:
        if statuses:
            return web.Response(status=statuses.pop(), headers={"Retry-After": "0"})
        return await slack.open(request)

    run = play(
        RECIPE,
        slack,
        http=http,
        max_messages=2,
        reconnect_backoff=0.1,
        overlap=0.1,
    )
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_an_event_whose_acknowledgement_was_lost_comes_once() -> None:
    slack = Slack()
    again = json.loads(FIRST) | {"envelope_id": "e2", "retry_attempt": 1}

    async def script(peer: Peer) -> None:
        await slack.greeted(peer)
        if peer.number == 1:
            await say(peer, FIRST)
            await drop(peer)
            return
        await deliver(peer, json.dumps(again))
        await deliver(peer, SECOND)
        await peer.wait()

    run = play(RECIPE, script, http=slack.open, max_messages=2, reconnect_backoff=0.1)
    run.gives(RECIPE.tables)
