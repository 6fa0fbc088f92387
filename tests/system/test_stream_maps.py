"""What the SDK does to records: stream maps and flattening."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.support.scripts import trades
from tests.support.servers import serve
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer
    from tests.support.tap import Run


def run_mapped(
    directory: Path, script: Any, maps: dict[str, Any], *arguments: str, **given: Any
) -> Run:
    """Run the tap with stream maps."""
    with serve(script) as server:
        config = {"url": server.url, "stream_maps": maps, **given}
        return run_tap(directory, config, *arguments)


def test_stream_maps_filter_rename_and_alias(tmp_path: Path) -> None:
    maps = {
        "messages": {
            "__alias__": "even",
            "__filter__": "trade_id % 2 == 0",
            "double": "trade_id * 2",
            "venue": "__NULL__",
        },
    }
    run = run_mapped(tmp_path, trades, maps, max_messages=20)
    assert run.code == 0
    assert {message["stream"] for message in run.messages} == {"even"}
    assert [record["trade_id"] for record in run.records] == list(range(2, 21, 2))
    assert run.records[0]["double"] == 4
    assert "venue" not in run.records[0]


async def sometimes_lacks_a_field(peer: Peer) -> None:
    await peer.send('{"kind": "a", "price": 1.5}')
    await peer.send('{"kind": "a"}')
    await peer.send('{"kind": "b"}')
    await peer.wait()


def test_a_field_that_a_record_lacks_is_null_to_stream_maps(tmp_path: Path) -> None:
    maps = {
        "prices": {
            "__source__": "messages",
            "__filter__": "price is None or price > 1",
            "cost": "price",
            "__else__": "__NULL__",
        },
        "messages": "__NULL__",
    }
    run = run_mapped(tmp_path, sometimes_lacks_a_field, maps, max_messages=3)
    assert run.code == 0, run.stderr
    assert run.schemas[0]["properties"]["cost"] == {"type": ["number", "null"]}
    assert run.records == [{"cost": Decimal("1.5")}, {"cost": None}, {"cost": None}]


def test_a_stream_map_that_fails_is_one_line(tmp_path: Path) -> None:
    maps = {"messages": {"bad": "price * 1.5"}}
    run = run_mapped(tmp_path, trades, maps, max_messages=20)
    assert run.code == 1
    (error,) = run.errors
    assert "bad" in error
    assert "price * 1.5" in error


async def odd_one_out(peer: Peer) -> None:
    for number in range(1, 11):
        price = 0 if number == 8 else 1
        await peer.send(json.dumps({"trade_id": number, "price": price}))
    await peer.wait()


def test_what_came_before_a_failing_expression_is_written(tmp_path: Path) -> None:
    maps = {"messages": {"ratio": "trade_id / price"}}
    run = run_mapped(tmp_path, odd_one_out, maps, max_messages=10)
    assert run.code == 1
    assert [record["trade_id"] for record in run.records] == list(range(1, 8))
    (error,) = run.errors
    assert "ZeroDivisionError" in error


def test_the_connection_test_with_stream_maps_shows_its_record(tmp_path: Path) -> None:
    maps = {"messages": {"twice": "trade_id * 2"}}
    run = run_mapped(tmp_path, odd_one_out, maps, "--test", idle_timeout=60)
    assert run.code == 0
    assert [record["twice"] for record in run.records] == [2]


def test_flattening(tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "properties": {
            "trade_id": {"type": "integer"},
            "venue": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "fee": {"type": "number"}},
            },
        },
    }
    with serve(trades) as server:
        config = {
            "url": server.url,
            "max_messages": 5,
            "schema": schema,
            "flattening_enabled": True,
            "flattening_max_depth": 1,
        }
        run = run_tap(tmp_path, config)
    assert run.code == 0
    assert run.records[0]["venue__name"] == "North"
    assert "venue__fee" in run.schemas[0]["properties"]
