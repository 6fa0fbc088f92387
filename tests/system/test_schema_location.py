"""Columns that last from run to run, in the file of `schema_location`."""

from __future__ import annotations

import asyncio
import fcntl
import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.columns.stored_columns import load_columns
from tests.support.servers import serve
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer
    from tests.support.tap import Run

WHOLE = [{"price": price, "side": "buy"} for price in range(5)]
BROKEN = [{"price": 104.5, "side": "buy"}, {"price": 7, "side": "sell"}]


def sending(records: list[Any], *, pause: float = 0) -> Any:
    async def script(peer: Peer) -> None:
        for record in records:
            await peer.send(record if isinstance(record, str) else json.dumps(record))
            await asyncio.sleep(pause)
        await peer.close(1000)

    return script


def run(directory: Path, records: list[Any], *arguments: str, **given: Any) -> Run:
    config = {
        "idle_timeout": 30,
        "infer_messages": 5,
        "schema_location": "columns.json",
        **given,
    }
    with serve(sending(records)) as server:
        return run_tap(directory, {"url": server.url, **config}, *arguments)


def stored(directory: Path, stream: str = "messages") -> dict[str, Any]:
    """Return column to schema, after a check of the whole document."""
    data = (directory / "columns.json").read_bytes()
    columns = load_columns(data, stream=stream, where="columns.json").columns
    return {column.name: column.schema for column in columns}


def column(kind: str) -> dict[str, Any]:
    return {"type": [kind, "null"]}


def catalog(directory: Path, records: list[Any], **given: Any) -> Path:
    found = run(directory, records, "--discover", **given)
    assert found.code == 0, found.stderr
    path = directory / "catalog.json"
    document = json.loads(found.stdout)
    for entry in document["streams"][0]["metadata"]:
        if not entry["breadcrumb"]:
            entry["metadata"]["selected"] = True
    path.write_text(json.dumps(document))
    return path


def select(path: Path, **names: bool) -> None:
    document = json.loads(path.read_text())
    for entry in document["streams"][0]["metadata"]:
        name = entry["breadcrumb"][-1] if entry["breadcrumb"] else None
        if name in names:
            entry["metadata"]["selected"] = names[name]
    path.write_text(json.dumps(document))


def test_types_last_from_run_to_run(tmp_path: Path) -> None:
    first = run(tmp_path, WHOLE)
    assert first.code == 0, first.stderr
    assert stored(tmp_path) == {"price": column("integer"), "side": column("string")}
    assert "schema_location has no columns yet" in first.stderr
    second = run(tmp_path, BROKEN)
    assert second.code == 0, second.stderr
    assert "begins with the 2 columns that schema_location has" in second.stderr
    assert second.schemas == first.schemas
    assert second.records == [
        {"side": "buy", "_rescued_data": '{"price":104.5}'},
        {"price": 7, "side": "sell"},
    ]
    (warning,) = second.warnings
    assert "'price'" in warning
    assert "to widen the column, change its type in the file of schema_location" in (
        warning
    )


def test_without_it_the_log_says_that_the_columns_are_this_runs(tmp_path: Path) -> None:
    config = {"idle_timeout": 30, "infer_messages": 5}
    with serve(sending(WHOLE)) as server:
        ended = run_tap(tmp_path, {"url": server.url, **config})
    assert ended.code == 0, ended.stderr
    (line,) = (line for line in ended.stderr.splitlines() if "schema_location" in line)
    assert "INFO" in line
    assert "this run's sample alone" in line


def test_a_new_column_is_in_the_file(tmp_path: Path) -> None:
    run(tmp_path, WHOLE)
    second = run(tmp_path, [*WHOLE, {"price": 1, "fresh": True}])
    assert [set(schema["properties"]) for schema in second.schemas] == [
        {"price", "side", "_rescued_data"},
        {"price", "side", "fresh", "_rescued_data"},
    ]
    assert stored(tmp_path)["fresh"] == column("boolean")
    third = run(tmp_path, [{"price": 1, "fresh": False}])
    assert third.schemas == second.schemas[1:]


def test_discovery_writes_it_and_then_opens_no_connection(tmp_path: Path) -> None:
    path = catalog(tmp_path, WHOLE)
    assert set(stored(tmp_path)) == {"price", "side"}
    config = {
        "url": "ws://127.0.0.1:1",
        "idle_timeout": 1,
        "schema_location": "columns.json",
    }
    again = run_tap(tmp_path, config, "--discover")
    assert again.code == 0, again.stderr
    found = json.loads(again.stdout)["streams"][0]
    assert found["schema"] == json.loads(path.read_text())["streams"][0]["schema"]


def test_types_come_from_the_file_and_selection_from_the_catalog(
    tmp_path: Path,
) -> None:
    path = catalog(tmp_path, WHOLE)
    select(path, side=False)
    document = json.loads(path.read_text())
    document["streams"][0]["schema"]["properties"]["price"] = column("number")
    document["streams"][0]["schema"]["properties"]["by_hand"] = column("string")
    path.write_text(json.dumps(document))
    records = [{"price": 1.5, "side": "x", "by_hand": "y", "fresh": 1}]
    ended = run(tmp_path, records, "--catalog", str(path))
    assert ended.code == 0, ended.stderr
    assert ended.records == [
        {"by_hand": "y", "fresh": 1, "_rescued_data": '{"price":1.5}'},
    ]
    assert ended.schemas[-1]["properties"]["price"] == column("integer")
    assert "side" not in ended.schemas[-1]["properties"]
    assert set(stored(tmp_path)) == {"price", "side", "by_hand", "fresh"}
    assert any("differ on the types of 'price'" in line for line in ended.warnings)


def test_a_catalog_is_the_start_where_there_is_no_file_yet(tmp_path: Path) -> None:
    path = catalog(tmp_path, WHOLE)
    (tmp_path / "columns.json").unlink()
    select(path, side=False)
    ended = run(tmp_path, BROKEN, "--catalog", str(path))
    assert ended.code == 0, ended.stderr
    assert stored(tmp_path) == {"price": column("integer")}
    assert ended.records == [{"_rescued_data": '{"price":104.5}'}, {"price": 7}]


def test_portable_names_are_kept(tmp_path: Path) -> None:
    trade = {"e": "trade", "E": 123, "T": 5, "t": 6}
    first = run(tmp_path, [trade] * 3, column_names="portable")
    assert first.code == 0, first.stderr
    named = {"e": "trade", "E_2": 123, "T": 5, "t_2": 6}
    assert first.records == [named] * 3
    turned = dict(reversed(trade.items()))
    second = run(
        tmp_path, [turned, {"t": "x", "s.x": 1, "s-x": 2}], column_names="portable"
    )
    assert second.code == 0, second.stderr
    assert second.records == [
        named,
        {"s.x": 1, "s-x_2": 2, "_rescued_data": '{"t":"x"}'},
    ]
    path = catalog(tmp_path, [], column_names="portable")
    select(path, E_2=False)
    third = run(tmp_path, [trade], "--catalog", str(path), column_names="portable")
    assert third.records == [{"e": "trade", "T": 5, "t_2": 6}]
    assert not third.warnings


def test_portable_needs_names_that_last(tmp_path: Path) -> None:
    config = {"url": "ws://127.0.0.1:1", "idle_timeout": 1, "column_names": "portable"}
    ended = run_tap(tmp_path, config)
    assert ended.code == 1
    assert "column_names: portable needs schema_location (or schema)" in ended.stderr


def test_portable_with_a_schema_and_a_catalog(tmp_path: Path) -> None:
    given = {
        "schema": {"properties": {"e": column("string"), "E": column("integer")}},
        "schema_location": None,
        "column_names": "portable",
    }
    given.pop("schema_location")
    config = {"idle_timeout": 30, **given}
    trade = {"E": 123, "e": "trade"}
    with serve(sending([trade])) as server:
        first = run_tap(tmp_path, {"url": server.url, **config})
        assert first.records == [{"e": "trade", "E_2": 123}]
        found = run_tap(tmp_path, {"url": server.url, **config}, "--discover")
        path = tmp_path / "catalog.json"
        document = json.loads(found.stdout)
        document["streams"][0]["metadata"] = [
            {"breadcrumb": [], "metadata": {"selected": True}},
        ]
        path.write_text(json.dumps(document))
        second = run_tap(
            tmp_path, {"url": server.url, **config}, "--catalog", str(path)
        )
    assert second.records == first.records, second.stderr


@pytest.mark.parametrize("nested", [False, True])
def test_keys_text_columns_and_nested_types_last(
    nested: bool,
    tmp_path: Path,
) -> None:
    records = [
        {"id": 1, "mixed": "x", "venue": {"name": "N"}},
        {"id": 2, "mixed": 12, "venue": {"name": "M"}},
    ]
    given = {"primary_keys": ["id"], "infer_nested": nested}
    first = run(tmp_path, records, **given)
    second = run(tmp_path, records, **given)
    assert first.code == second.code == 0, second.stderr
    assert first.schemas == second.schemas
    assert first.records == second.records
    properties = second.schemas[0]["properties"]
    assert properties["id"] == {"type": "integer"}
    assert ("properties" in properties["venue"]) == nested
    # Another key, which no run had so far, and one that was a column.
    third = run(tmp_path, [{"mixed": 1, "new": 5}], primary_keys=["mixed", "new"])
    assert third.code == 0, third.stderr
    assert third.records == [{"mixed": "1", "new": "5"}]
    assert stored(tmp_path)["new"] == {
        "type": ["string", "null"],
        "contentMediaType": "application/json",
    }


def test_a_run_without_records_saves_no_type_of_a_key(tmp_path: Path) -> None:
    given = {"primary_keys": ["price"]}
    first = run(tmp_path, WHOLE, records_path="$.wrong", **given)
    assert first.code == 0, first.stderr
    assert list(first.schemas[0]["properties"]) == ["price", "_rescued_data"]
    assert not (tmp_path / "columns.json").exists()
    later = run(tmp_path, WHOLE, **given)
    assert later.code == 0, later.stderr
    assert later.records == WHOLE
    assert stored(tmp_path) == {"price": column("integer"), "side": column("string")}


@pytest.mark.parametrize("ends", ["infer_timeout", "server"])
def test_discovery_without_records_says_so_and_saves_nothing(
    ends: str, tmp_path: Path
) -> None:
    async def script(peer: Peer) -> None:
        for record in WHOLE:
            await peer.send(json.dumps(record))
        if ends == "server":
            await peer.close(1000)
        await peer.wait()

    config = {
        "idle_timeout": 30,
        "infer_timeout": 0.3 if ends == "infer_timeout" else 20,
        "primary_keys": ["price"],
        "records_path": "$.wrong",
        "schema_location": "columns.json",
    }
    with serve(script) as server:
        ended = run_tap(tmp_path, {"url": server.url, **config}, "--discover")
    assert ended.code == 0
    (said,) = (line for line in ended.stderr.splitlines() if "no record came (" in line)
    assert ("infer_timeout: 0.3 s" in said) == (ends == "infer_timeout")
    assert "5 documents were ignored" in said
    assert not (tmp_path / "columns.json").exists()


def test_records_that_come_after_the_sample_was_silent(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await asyncio.sleep(1)
        for record in WHOLE:
            await peer.send(json.dumps(record))
        await peer.close(1000)

    config = {
        "idle_timeout": 30,
        "infer_timeout": 0.3,
        "primary_keys": ["price"],
        "schema_location": "columns.json",
    }
    with serve(script) as server:
        ended = run_tap(tmp_path, {"url": server.url, **config})
    assert ended.code == 0, ended.stderr
    assert ended.records == WHOLE
    assert len(ended.schemas) == 1
    assert ended.schemas[0]["properties"]["price"] == {"type": "integer"}
    assert stored(tmp_path) == {"price": column("integer"), "side": column("string")}


def test_several_contexts_share_the_columns(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        name = peer.path.rpartition("/")[2]
        for number in range(20):
            await peer.send(json.dumps({"n": number, f"only_{name}": 1}))
        await peer.close(1000)

    with serve(script) as server:
        config = {
            "url": server.url + "/{room}",
            "idle_timeout": 30,
            "infer_messages": 3,
            "contexts": [{"room": "a"}, {"room": "b"}, {"room": "c"}],
            "schema_location": "columns.json",
        }
        ended = run_tap(tmp_path, config)
    assert ended.code == 0, ended.stderr
    assert set(stored(tmp_path)) == {"n", "only_a", "only_b", "only_c"}
    assert len(ended.records) == 60
    assert not any("_rescued_data" in record for record in ended.records)


def test_columns_that_cannot_be_saved_are_rescued_and_tried_again(
    tmp_path: Path,
) -> None:
    lock = tmp_path / "columns.json.lock"

    async def script(peer: Peer) -> None:
        for record in WHOLE:
            await peer.send(json.dumps(record))
        while not (tmp_path / "columns.json").exists():
            await asyncio.sleep(0.02)
        with lock.open("w") as held:
            # As a run does that was stopped while it wrote.
            fcntl.flock(held, fcntl.LOCK_EX)
            for _ in range(5):
                await peer.send('{"price": 1, "fresh": 2}')
            await asyncio.sleep(3)
        for _ in range(20):
            await peer.send('{"price": 1, "fresh": 3}')
            await asyncio.sleep(0.1)
        await peer.close(1000)

    config = {
        "idle_timeout": 30,
        "infer_messages": 5,
        "schema_location": "columns.json",
    }
    with serve(script) as server:
        ended = run_tap(tmp_path, {"url": server.url, **config})
    assert ended.code == 0, ended.stderr
    rescued = [row for row in ended.records if "_rescued_data" in row]
    assert rescued[:5] == [{"price": 1, "_rescued_data": '{"fresh":2}'}] * 5
    assert ended.records[-1] == {"price": 1, "fresh": 3}
    assert stored(tmp_path)["fresh"] == column("integer")
    (warning,) = ended.warnings
    assert "'fresh' are still being saved" in warning


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"schema": {"properties": {"price": column("integer")}}}, "with schema"),
        ({"infer_messages": 0}, "with infer_messages: 0"),
        ({"message_format": "raw_string"}, "with message_format: raw_string"),
        ({"envelope": True}, "with envelope"),
    ],
)
def test_where_nothing_is_inferred_it_is_without_effect(
    given: dict[str, Any],
    words: str,
    tmp_path: Path,
) -> None:
    ended = run(tmp_path, WHOLE, **given)
    assert ended.code == 0, ended.stderr
    assert f"schema_location: has no effect {words}" in "\n".join(ended.warnings)
    assert not (tmp_path / "columns.json").exists()


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("missing/columns.json", "does not exist"),
        ("config", "Is a directory"),
        ("other.json", 'it has no "format"'),
        ("nope://x", "Protocol not known"),
    ],
)
@pytest.mark.parametrize("arguments", [(), ("--discover",)], ids=["sync", "discover"])
def test_a_location_that_is_none_is_an_error_of_one_line(
    location: str,
    words: str,
    arguments: tuple[str, ...],
    tmp_path: Path,
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "other.json").write_text('{"streams": []}')
    with serve(sending(WHOLE)) as server:
        config = {
            "url": server.url,
            "idle_timeout": 5,
            "schema_location": location,
        }
        ended = run_tap(tmp_path, config, *arguments)
        assert not server.peers
    assert ended.code == 1
    assert not ended.stdout
    (error,) = ended.errors
    assert words in error
    assert "schema_location" in error
    assert "Traceback" not in ended.stderr


def test_the_columns_of_another_stream_are_refused(tmp_path: Path) -> None:
    run(tmp_path, WHOLE)
    ended = run(tmp_path, WHOLE, stream_name="trades")
    assert ended.code == 1
    (error,) = ended.errors
    assert "it is of the stream 'messages'" in error


def test_a_type_that_is_widened_by_hand_counts(tmp_path: Path) -> None:
    run(tmp_path, WHOLE)
    path = tmp_path / "columns.json"
    path.write_text(path.read_text().replace('"integer"', '"number"'))
    ended = run(tmp_path, BROKEN)
    assert ended.schemas[0]["properties"]["price"] == column("number")
    assert not any("_rescued_data" in record for record in ended.records)
