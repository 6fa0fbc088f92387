"""Columns that grow in mid-run, through everything the SDK offers."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.catalogs import select
from tests.support.servers import serve
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer

OLD = {"id": 1, "price": 1.5, "venue": {"name": "N"}}
NEW = {"id": 2, "price": 2.5, "venue": {"name": "N"}, "fresh": "yes"}


async def growing(peer: Peer) -> None:
    for number in range(20):
        await peer.send(json.dumps((OLD if number < 10 else NEW) | {"id": number}))
    await peer.close(1000)


def feed(url: str, **given: Any) -> dict[str, Any]:
    return {"url": url, "max_duration": 20, "infer_messages": 5, **given}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"stream_maps": {"messages": {"__alias__": "other", "twice": "id * 2"}}},
        {"flattening_enabled": True, "flattening_max_depth": 2, "infer_nested": True},
    ],
    ids=["page path", "stream maps", "flattening"],
)
def test_a_new_field_is_announced_before_its_first_record(
    given: dict[str, Any],
    tmp_path: Path,
) -> None:
    with serve(growing) as server:
        run = run_tap(tmp_path, feed(server.url, **given))
    assert run.code == 0, run.stderr
    kinds = [message["type"] for message in run.messages]
    assert kinds == ["SCHEMA", *["RECORD"] * 10, "SCHEMA", *["RECORD"] * 10]
    before, after = run.schemas
    assert "fresh" not in before["properties"]
    assert after["properties"]["fresh"] == {"type": ["string", "null"]}
    assert before["properties"].items() <= after["properties"].items()
    assert [record.get("fresh") for record in run.records] == [None] * 10 + ["yes"] * 10
    if "stream_maps" in given:
        assert [record["twice"] for record in run.records] == list(range(0, 40, 2))
        assert {message["stream"] for message in run.messages} == {"other"}
    if "flattening_enabled" in given:
        assert {record["venue__name"] for record in run.records} == {"N"}


def test_evolution_goes_on_from_a_catalog(tmp_path: Path) -> None:
    with serve(growing) as server:
        config = feed(server.url)
        found = run_tap(tmp_path, config, "--discover").stdout
        path = select(tmp_path, found, price=False)
        run = run_tap(tmp_path, config, "--catalog", str(path))
    assert run.code == 0, run.stderr
    before, after = run.schemas
    assert set(before["properties"]) == {"id", "venue", "_rescued_data"}
    assert set(after["properties"]) == {"id", "venue", "fresh", "_rescued_data"}
    assert len(run.records) == 20
    assert not any("price" in record for record in run.records)


def test_metadata_columns_can_be_deselected(tmp_path: Path) -> None:
    with serve(growing) as server:
        config = feed(server.url, record_metadata=True, contexts=[{"region": "eu"}])
        found = run_tap(tmp_path, config, "--discover").stdout
        out = ({"_received_at", "_sequence"}, {"region"})
        path = select(tmp_path, found, **dict.fromkeys(out[0] | out[1], False))
        run = run_tap(tmp_path, config, "--catalog", str(path))
    assert run.code == 0, run.stderr
    assert len(run.records) == 20
    for record in run.records:
        assert record["_connection"] == 1
        assert not (out[0] | out[1]) & record.keys()


def test_batch_files_hold_the_new_field(tmp_path: Path) -> None:
    batch = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": f"file://{tmp_path}/batches"},
        "batch_size": 5,
    }
    (tmp_path / "batches").mkdir()
    with serve(growing) as server:
        run = run_tap(tmp_path, feed(server.url, batch_config=batch))
    assert run.code == 0, run.stderr
    rows: list[Any] = []
    announced = False
    for message in run.messages:
        if message["type"] == "SCHEMA":
            announced = "fresh" in message["schema"]["properties"]
            continue
        for name in message["manifest"]:
            with gzip.open(name.removeprefix("file://")) as lines:
                new = [json.loads(line) for line in lines]
            assert announced or not any("fresh" in row for row in new)
            rows += new
    assert [row["id"] for row in rows] == list(range(20))
    assert [row.get("fresh") for row in rows] == [None] * 10 + ["yes"] * 10


def test_a_catalog_is_the_start_and_nothing_is_sampled(tmp_path: Path) -> None:
    async def one(peer: Peer) -> None:
        await peer.send('{"a": 1, "late": 2}')
        await peer.close(1000)

    schema = {"properties": {"a": {"type": ["integer", "null"]}}}
    entry = {"tap_stream_id": "messages", "stream": "messages", "schema": schema}
    metadata = [{"breadcrumb": [], "metadata": {"selected": True}}]
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps({"streams": [entry | {"metadata": metadata}]}))
    with serve(one) as server:
        run = run_tap(tmp_path, feed(server.url), "--catalog", str(path))
    assert run.code == 0, run.stderr
    assert list(run.schemas[0]["properties"]) == ["a"]
    assert set(run.schemas[-1]["properties"]) == {"a", "late", "_rescued_data"}
    assert run.records == [{"a": 1, "late": 2}]


def test_a_key_that_is_missing_ends_the_run_behind_what_came_before(
    tmp_path: Path,
) -> None:
    async def script(peer: Peer) -> None:
        for number in range(5):
            await peer.send(f'{{"id": {number}}}')
        await peer.send('{"other": 1}')
        await peer.send('{"id": 6}')
        await peer.wait()

    with serve(script) as server:
        config = feed(server.url, primary_keys=["id"], infer_messages=3)
        run = run_tap(tmp_path, config)
    assert run.code == 1
    assert [record["id"] for record in run.records] == list(range(5))
    assert run.of_type("SCHEMA")[0]["key_properties"] == ["id"]
    (error,) = run.errors
    assert "a record has no 'id', which primary_keys names" in error


@pytest.mark.parametrize("sampled", [3, 100])
def test_a_run_that_a_missing_key_ends_says_so_and_counts_what_was_written(
    sampled: int,
    tmp_path: Path,
) -> None:
    async def script(peer: Peer) -> None:
        for number in range(5):
            await peer.send(f'{{"id": {number}}}')
        for _ in range(5):
            await peer.send('{"other": 1}')
        await peer.wait()

    with serve(script) as server:
        config = {"url": server.url, "primary_keys": ["id"], "max_messages": 10}
        run = run_tap(tmp_path, config | {"infer_messages": sampled})
    assert run.code == 1
    assert [record["id"] for record in run.records] == list(range(5))
    assert "was fatal (see the error); " in run.ending
    assert " records=5 " in run.ending


def test_placeholders_of_a_context(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        said = await peer.recv()
        answer = {"path": peer.path, "said": said, "header": peer.headers["x-room"]}
        await peer.send(json.dumps(answer))
        await peer.close(1000)

    with serve(script) as server:
        config = feed(
            server.url + "/{room}?q={query}",
            headers={"X-Room": "r-{room}"},
            subscribe_messages=['{"join": "{room}", "other": "{unknown}"}'],
            contexts=[{"room": "a", "query": "x y&z"}, {"room": "b", "query": "/"}],
        )
        run = run_tap(tmp_path, config)
    assert run.code == 0, run.stderr
    first, second = sorted(run.records, key=lambda record: str(record["room"]))
    assert first == {
        "path": "/feed/a?q=x%20y%26z",
        "said": '{"join": "a", "other": "{unknown}"}',
        "header": "r-a",
        "room": "a",
        "query": "x y&z",
    }
    assert second["path"] == "/feed/b?q=%2F"
