"""Polygon: greeting, login, statuses, and arrays of several kinds of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.mishaps import answer, play_after, play_with_drops
from tests.support.recipes import drop, hear, play, recipe, say, with_changes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

EVENTS = recipe("polygon", "Trades and quotes")


async def _logged_in(peer: Peer) -> None:
    assert peer.path == "/stocks"
    await say(peer, EVENTS.arrives[0])
    assert await hear(peer) == {"action": "auth", "params": "YOUR-API-KEY"}


async def _asked(peer: Peer) -> None:
    await _logged_in(peer)
    await say(peer, EVENTS.arrives[1])
    subscription = {"action": "subscribe", "params": "T.AAPL,Q.AAPL"}
    assert await hear(peer) == subscription


async def _subscribed(peer: Peer) -> None:
    await _asked(peer)
    await say(peer, *EVENTS.arrives[2:4])


async def script(peer: Peer) -> None:
    _, _, trades, quotes, one, two = EVENTS.arrives
    await _asked(peer)
    if peer.number == 1:
        await say(peer, trades, quotes, one)
        await drop(peer)
    else:
        await say(peer, trades, f"{quotes[:-1]},{two[1:]}")
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


# Stream maps are the SDK's, which a process alone has.


@pytest.mark.parametrize("transport", ["websockets", "picows"])
def test_drops_while_it_subscribes(tmp_path: Path, transport: str) -> None:
    given = with_changes(EVENTS, transport=transport)
    run = play_with_drops(given, _subscribed, script, process=tmp_path, max_messages=2)
    run.gives(EVENTS.tables)


def test_a_login_that_is_too_late_is_tried_again(tmp_path: Path) -> None:
    late = '[{"ev":"status","status":"auth_timeout","message":"too slow"}]'
    play_after(
        EVENTS, answer(_logged_in, late), script, process=tmp_path, max_messages=2
    )


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("max_connections", "Maximum number of websocket connections exceeded."),
        ("error", "not authorized"),
    ],
)
@pytest.mark.usefixtures("each_transport")
def test_another_status_ends_the_run(status: str, message: str) -> None:
    text = f'{{"ev":"status","status":"{status}","message":"{message}"}}'
    outcome = play(EVENTS, answer(_subscribed, f"[{text}]"))
    assert outcome.error is not None
    assert outcome.error.endswith(text)


def test_an_event_of_a_new_kind_is_in_no_table(tmp_path: Path) -> None:
    one, two = EVENTS.arrives[4:]
    new = '{"ev":"X","sym":"AAPL","t":1748476801234}'
    shown = answer(_subscribed, f"{one[:-1]},{new}]", two)
    run = play(EVENTS, shown, process=tmp_path, max_messages=2)
    run.gives(EVENTS.tables)
