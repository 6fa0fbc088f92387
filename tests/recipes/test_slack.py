"""The recipe for Slack Socket Mode: a ticket for each connection, and envelopes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

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


async def deliver(peer: Peer, message: str) -> None:
    """Send an envelope, and wait for its acknowledgement."""
    await say(peer, message)
    assert await hear(peer) == {"envelope_id": json.loads(message)["envelope_id"]}


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    slack = Slack()

    async def script(peer: Peer) -> None:
        slack.redeem(peer)
        await say(peer, HELLO)
        if peer.number == 1:
            await deliver(peer, FIRST)
            await say(peer, DISCONNECT)
        elif peer.number == 2:
            await drop(peer)
            return
        else:
            await deliver(peer, SECOND)
        await peer.wait()

    process = tmp_path if apart else None
    run = play(RECIPE, script, process=process, http=slack.open, max_messages=2)
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
