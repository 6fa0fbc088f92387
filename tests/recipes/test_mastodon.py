"""The recipe for Mastodon: JSON inside JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from tests.support.mishaps import answer, play_with_drops
from tests.support.recipes import drop, hear, play, recipe, say, with_changes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("mastodon", "Posts with a hashtag")
POST, DELETE, FILTERS = RECIPE.arrives


async def subscribed(peer: Peer) -> None:
    assert peer.path == "/api/v1/streaming"
    assert peer.headers["authorization"] == "Bearer YOUR-ACCESS-TOKEN"
    message = await hear(peer)
    assert message == {"type": "subscribe", "stream": "hashtag", "tag": "caturday"}


async def script(peer: Peer) -> None:
    await subscribed(peer)
    await say(peer, DELETE, FILTERS)
    if peer.number == 1:
        await drop(peer)
        return
    await say(peer, POST)
    await peer.wait()


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    run = play(RECIPE, script, process=tmp_path if apart else None, max_messages=1)
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert len(run.peers) == 2


def test_an_unknown_stream(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await subscribed(peer)
        error = {"error": "Unknown stream type", "status": 400}
        await say(peer, json.dumps(error, separators=(",", ":")))
        await peer.wait()

    run = play(RECIPE, script, process=tmp_path)
    assert run.code == 1
    assert run.error in RECIPE.failures


def test_a_bad_token() -> None:
    def refuse(request: web.Request) -> web.Response | None:
        assert request.headers["Authorization"] == "Bearer WRONG"
        return web.json_response({"error": "Invalid access token"}, status=401)

    config = with_changes(RECIPE, auth={"type": "bearer", "token": "WRONG"})
    run = play(config, drop, refuse=refuse)
    assert run.error is not None
    assert "the credentials are refused" in run.error
    assert "WRONG" not in run.error


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes() -> None:
    play_with_drops(RECIPE, subscribed, script, max_messages=1).gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_events_of_another_kind_are_no_records() -> None:
    edit = json.dumps({"stream": ["x"], "event": "status.update", "payload": "{}"})
    new = json.dumps({"stream": ["x"], "event": "something_new", "payload": "no json"})
    shown = answer(subscribed, edit, new, POST)
    play(RECIPE, shown, max_messages=1).gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_a_scope_that_is_missing_ends_the_run() -> None:
    error = {"error": "Access token does not have the required scopes", "status": 401}
    run = play(RECIPE, answer(subscribed, json.dumps(error)))
    assert run.error is not None
    assert "required scopes" in run.error


@pytest.mark.usefixtures("each_transport")
def test_a_post_that_is_no_json_is_kept_as_text() -> None:
    broken = json.dumps({"stream": ["x"], "event": "update", "payload": '{"id":'})
    run = play(RECIPE, answer(subscribed, POST, broken), max_messages=2)
    assert run.error is None
    assert run.records["messages"][1] == {"data": '{"id":'}
