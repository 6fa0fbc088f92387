"""The recipe for Bluesky Jetstream: the cursor goes on where the outage began."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from tests.support.mishaps import play_with_drops
from tests.support.recipes import drop, play, recipe, say

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("jetstream", "Posts")
EVENTS = {json.loads(event)["time_us"]: event for event in RECIPE.arrives}


def asked(peer: Peer) -> list[str]:
    """Return the cursor that a client asks for."""
    parts = urlsplit(peer.path)
    assert parts.path == "/subscribe"
    query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=True)
    assert query["wantedCollections"] == ["app.bsky.feed.post"]
    return query["cursor"]


def after(peer: Peer, times: Iterable[int]) -> list[int]:
    """Return the times of the events that a client wants: from its cursor on."""
    (cursor,) = asked(peer)
    return [time for time in times if not cursor or time > int(cursor)]


BACK = 5_000_000
"""Microseconds that the cursor goes back behind the last event."""


async def script(peer: Peer) -> None:
    one, two, three = EVENTS
    wanted = after(peer, EVENTS)
    if peer.number == 1:
        assert wanted == [one, two, three]
        await say(peer, EVENTS[one], EVENTS[two])
        await drop(peer)
        return
    assert asked(peer) == [str(two - BACK)]
    await say(peer, *(EVENTS[time] for time in wanted))
    await peer.wait()


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    run = play(RECIPE, script, process=tmp_path if apart else None, max_messages=2)
    assert run.code == 0
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_nothing_is_lost_and_nothing_comes_twice() -> None:
    times = range(1_725_911_162_000_000, 1_725_911_162_003_000)
    sent: list[list[int]] = []

    async def script(peer: Peer) -> None:
        wanted = iter(after(peer, times))
        if peer.number < 4:
            # The cursor goes back behind the first event: each connection goes further.
            wanted = itertools.islice(wanted, 700 * peer.number)
        sent.append([])
        for time in wanted:
            sent[-1].append(time)
            kind = "account" if time % 10 == 0 else "commit"
            await say(peer, json.dumps({"did": "d", "time_us": time, "kind": kind}))
        if peer.number < 4:
            await drop(peer)
        else:
            await peer.wait()

    count = sum(time % 10 != 0 for time in times)
    run = play(RECIPE, script, max_messages=count)
    assert run.error is None
    records = run.records["messages"]
    assert [row["time_us"] for row in records] == [t for t in times if t % 10]
    cursors = [asked(peer) for peer in run.peers]
    assert cursors == [[""], *([str(part[-1] - BACK)] for part in sent[:-1])]


def test_a_refused_parameter(tmp_path: Path) -> None:
    def refuse(_: web.Request) -> web.Response:
        return web.Response(status=400, text="invalid wantedCollections")

    run = play(RECIPE, drop, process=tmp_path, refuse=refuse)
    assert run.code == 1
    assert run.error in RECIPE.failures


@pytest.mark.usefixtures("each_transport")
def test_drops_before_anything_came() -> None:
    async def nothing(peer: Peer) -> None:
        assert asked(peer) == [""]

    play_with_drops(RECIPE, nothing, script, max_messages=2).gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_a_reader_that_is_too_slow_goes_on_where_it_was() -> None:
    one = next(iter(EVENTS))

    async def slow(peer: Peer) -> None:
        if peer.number == 1:
            await say(peer, EVENTS[one])
            await peer.close(1008, "consumer too slow")
            return
        assert asked(peer) == [str(one - BACK)]
        await say(peer, *EVENTS.values())
        await peer.wait()

    run = play(RECIPE, slow, max_messages=2, reconnect_backoff=0.1)
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
def test_an_event_of_a_new_kind_is_kept() -> None:
    async def shows(peer: Peer) -> None:
        event = {"did": "did:plc:eygm", "time_us": 1, "kind": "somethingNew", "x": 1}
        await say(peer, json.dumps(event))
        await peer.wait()

    (record,) = play(RECIPE, shows, max_messages=1).records["messages"]
    assert (record["kind"], record["x"]) == ("somethingNew", 1)
