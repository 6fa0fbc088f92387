"""The recipe for Alpaca: MessagePack, and control messages among the data."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import msgpack
import pytest

from tests.support.mishaps import play_after, play_with_drops
from tests.support.recipes import drop, hear, play, recipe, with_changes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

RECIPE = recipe("alpaca", "Trades")
CONNECTED, AUTHENTICATED, SUBSCRIBED, TRADES = map(json.loads, RECIPE.arrives)


def _time(text: str) -> msgpack.Timestamp:
    whole, _, fraction = text.removesuffix("Z").partition(".")
    time = dt.datetime.fromisoformat(f"{whole}+00:00")
    return msgpack.Timestamp(int(time.timestamp()), int(f"{fraction:0<9}"))


async def _say(peer: Peer, message: list[dict[str, Any]]) -> None:
    timed = [
        {name: _time(item[name]) if name == "t" else item[name] for name in item}
        for item in message
    ]
    await peer.send(msgpack.packb(timed))


async def _logged_in(peer: Peer) -> None:
    assert peer.headers["content-type"] == "application/msgpack"
    await _say(peer, CONNECTED)
    login = await hear(peer)
    if login != {"action": "auth", "key": "YOUR-KEY", "secret": "YOUR-SECRET"}:
        await _say(peer, [{"T": "error", "code": 402, "msg": "auth failed"}])
        await peer.wait()
    await _say(peer, AUTHENTICATED)
    assert await hear(peer) == {"action": "subscribe", "trades": ["AAPL", "MSFT"]}
    await _say(peer, SUBSCRIBED)


async def script(peer: Peer) -> None:
    await _logged_in(peer)
    if peer.number == 1:
        await _say(peer, TRADES[:1])
        await drop(peer)
    else:
        await _say(peer, TRADES[1:])
        await peer.wait()


@pytest.mark.parametrize("apart", [True, False])
def test_table(tmp_path: Path, *, apart: bool) -> None:
    process = tmp_path if apart else None
    run = play(RECIPE, script, process=process, max_messages=2, reconnect_backoff=0.1)
    assert run.code == 0
    run.gives(RECIPE.tables)
    assert len(run.peers) == 2


def test_wrong_keys(tmp_path: Path) -> None:
    config = with_changes(RECIPE, placeholders={"key": "WRONG", "secret": "WRONG-TOO"})
    run = play(config, _logged_in, process=tmp_path)
    assert run.code == 1
    assert run.error in RECIPE.failures


@pytest.mark.usefixtures("each_transport")
def test_drops_while_it_subscribes() -> None:
    run = play_with_drops(RECIPE, _logged_in, script, max_messages=2)
    run.gives(RECIPE.tables)


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (404, "auth timeout"),
        (406, "connection limit exceeded"),
        (407, "slow client"),
        (500, "internal error"),
    ],
)
def test_an_error_that_passes_is_tried_again(code: int, text: str) -> None:
    async def refuses(peer: Peer) -> None:
        await _say(peer, CONNECTED)
        await hear(peer)
        await _say(peer, [{"T": "error", "code": code, "msg": text}])

    play_after(RECIPE, refuses, script, max_messages=2)


def test_a_limit_that_stays_ends_the_run() -> None:
    async def refuses(peer: Peer) -> None:
        await _say(peer, CONNECTED)
        await hear(peer)
        error = {"T": "error", "code": 406, "msg": "connection limit exceeded"}
        await _say(peer, [error])
        await peer.wait()

    run = play(RECIPE, refuses, max_duration=2, reconnect_backoff=0.1)
    assert run.error is not None
    assert run.error.startswith("never subscribed")


@pytest.mark.usefixtures("each_transport")
def test_a_subscription_that_is_refused_ends_the_run() -> None:
    async def refuses(peer: Peer) -> None:
        await _say(peer, CONNECTED)
        await hear(peer)
        await _say(peer, AUTHENTICATED)
        await hear(peer)
        await _say(peer, [{"T": "error", "code": 405, "msg": "symbol limit exceeded"}])
        await peer.wait()

    run = play(RECIPE, refuses)
    assert run.error is not None
    assert "symbol limit exceeded" in run.error


@pytest.mark.usefixtures("each_transport")
def test_a_message_that_is_no_messagepack_ends_the_run() -> None:
    async def breaks(peer: Peer) -> None:
        await _logged_in(peer)
        await _say(peer, TRADES[:1])
        await peer.send(b"\x92\xa1")
        await peer.wait()

    run = play(RECIPE, breaks)
    assert run.error is not None
    assert "MessagePack" in run.error
    assert len(run.records["trades"]) == 1
