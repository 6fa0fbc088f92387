"""Shards as an engine starts them: a process each, with its number."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.settings.connections import stable_hash
from tests.support.exchange import Limits, serve_exchange
from tests.support.receive import receive
from tests.support.scripts import greets
from tests.support.servers import serve
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.exchange import Exchange
    from tests.support.servers import Peer


def config(exchange: Exchange, **more: Any) -> dict[str, Any]:
    return {
        "url": exchange.url,
        "topics": {"url": exchange.list_url, "path": "$.symbols[*].symbol"},
        "topics_per_connection": 20,
        "topics_per_message": 10,
        "subscribe_messages": [exchange.subscription],
        "idle_timeout": 2,
        **more,
    }


def test_shards_have_each_symbol_once(tmp_path: Path) -> None:
    with serve_exchange(60, Limits(connects=1000)) as exchange:
        runs = [
            run_tap(
                tmp_path,
                config(exchange),
                "--config=ENV",
                env={
                    "TAP_WEBSOCKET_SHARD_INDEX": str(index),
                    "TAP_WEBSOCKET_SHARD_COUNT": "2",
                },
            )
            for index in range(2)
        ]
    assert [run.code for run in runs] == [0, 0]
    for index, run in enumerate(runs):
        own = {name for name in exchange.symbols if stable_hash(name) % 2 == index}
        assert {record["symbol"] for record in run.records} == own
        assert f"60 listed, {len(own)} for shard {index} of 2, on 2 conn" in run.stderr
    assert set(exchange.traded.values()) == {1}


def test_a_shard_that_has_nothing_to_do_says_so_and_ends(tmp_path: Path) -> None:
    with serve_exchange(1) as exchange:
        (symbol,) = exchange.symbols
        other = 1 - stable_hash(symbol) % 2
        begin = time.monotonic()
        run = run_tap(
            tmp_path,
            config(exchange, shard_index=other, shard_count=2, idle_timeout=600),
        )
    assert run.code == 0
    assert time.monotonic() - begin < 60
    assert f"shard {other} of 2 has nothing to do" in run.ending
    assert run.records == []
    (schema,) = run.schemas
    assert schema["properties"]
    assert exchange.attempts == []


def test_contexts_are_shared_too(tmp_path: Path) -> None:
    accounts = [str(number) for number in range(8)]
    seen: list[str] = []
    with serve(greets) as server:
        for index in range(2):
            run = run_tap(
                tmp_path,
                {
                    "url": server.url + "?account={account}",
                    "contexts": [{"account": account} for account in accounts],
                    "shard_index": index,
                    "shard_count": 2,
                    "idle_timeout": 3,
                },
            )
            assert run.code == 0, run.stderr
            seen += [record["account"] for record in run.records]
            assert run.records
    assert sorted(seen) == accounts


@pytest.mark.parametrize("arguments", [("--test",), ("--discover",)])
def test_a_look_at_the_feed_opens_one_connection(
    tmp_path: Path,
    arguments: tuple[str, ...],
) -> None:
    with serve_exchange(60, Limits(connects=1000)) as exchange:
        given = config(exchange, infer_messages=5)
        run = run_tap(tmp_path, given, *arguments)
    assert run.code == 0, run.stderr
    assert len(exchange.attempts) == 1
    if arguments == ("--discover",):
        (stream,) = json.loads(run.stdout)["streams"]
        assert "symbol" in stream["schema"]["properties"]


def test_clocks_of_the_subscription_run_while_acknowledgements_take_long() -> None:
    """Heartbeats come, and silence is found, before the last acknowledgement."""
    heartbeats: list[int] = []

    async def acknowledge_slowly(peer: Peer) -> None:
        subscribed = 0
        while True:
            message = await peer.recv()
            if message == "beat":
                heartbeats.append(subscribed)
                continue
            if subscribed < 3:
                # The first beat is long there when the first acknowledgement comes.
                await asyncio.sleep(0.3 if subscribed else 2)
                await peer.send("ack")
            subscribed += 1

    with serve(acknowledge_slowly) as server:
        run = receive(
            url=server.url,
            topics=["a", "b", "c", "d", "e"],
            subscribe_messages=[
                {"message": "{topic}", "reply": "ack", "reply_timeout": 30},
            ],
            heartbeat_message="beat",
            heartbeat_interval=0.1,
            stale_timeout=3,
            infer_messages=0,
            max_duration=30,
        )
    assert "no data message for 3 s (stale_timeout)" in str(run.error)
    assert run.seconds < 20
    assert heartbeats[0] <= 1


def test_everything_may_come_from_the_environment(tmp_path: Path) -> None:
    with serve_exchange(3, Limits(connects=1000)) as exchange:
        request = {"url": exchange.list_url, "path": "$.symbols[*].symbol"}
        run = run_tap(
            tmp_path,
            None,
            "--config=ENV",
            env={
                "TAP_WEBSOCKET_URL": exchange.url,
                "TAP_WEBSOCKET_TOPICS": json.dumps(request),
                "TAP_WEBSOCKET_TOPICS_PER_CONNECTION": "2",
                "TAP_WEBSOCKET_TOPICS_PER_MESSAGE": "",
                "TAP_WEBSOCKET_CONNECT_INTERVAL": "0.05",
                "TAP_WEBSOCKET_SHARD_INDEX": "",
                "TAP_WEBSOCKET_SHARD_COUNT": "",
                "TAP_WEBSOCKET_SUBSCRIBE_MESSAGES": json.dumps([exchange.subscription]),
                "TAP_WEBSOCKET_MAX_MESSAGES": "3",
                "TAP_WEBSOCKET_MAX_DURATION": "60",
            },
        )
    assert run.code == 0, run.stderr
    assert {record["symbol"] for record in run.records} == set(exchange.symbols)
    assert "3 listed, 3 for this run, on 2 connections, in 2 subs" in run.stderr


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"SHARD_INDEX": "2", "SHARD_COUNT": "2"}, "shard_index: must be below"),
        ({"SHARD_INDEX": "x", "SHARD_COUNT": "2"}, "shard_index: must be a whole"),
        ({"SHARD_INDEX": "1", "SHARD_COUNT": ""}, "shard_count: is required with"),
    ],
)
def test_a_wrong_number_is_a_config_error(
    tmp_path: Path,
    variables: dict[str, str],
    problem: str,
) -> None:
    config = {
        "url": "ws://localhost:1/{topics}",
        "topics": ["a"],
        "max_duration": 1,
    }
    env = {f"TAP_WEBSOCKET_{name}": value for name, value in variables.items()}
    run = run_tap(tmp_path, config, "--config=ENV", env=env)
    assert run.code == 1
    (error,) = run.errors
    assert problem in error
