"""Columns that last from run to run, in the file of `schema_location`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.catalogs import select
from tests.support.columns import column
from tests.support.drift import sending
from tests.support.saved_columns import BROKEN, WHOLE, run, stored
from tests.support.servers import serve
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer


def catalog(directory: Path, records: list[Any], **given: Any) -> Path:
    found = run(directory, records, "--discover", **given)
    assert found.code == 0, found.stderr
    return select(directory, found.stdout)


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
    with serve(sending([json.dumps(record) for record in WHOLE])) as server:
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
    select(tmp_path, path.read_bytes(), side=False)
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
    select(tmp_path, path.read_bytes(), side=False)
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
    select(tmp_path, path.read_bytes(), E_2=False)
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
    with serve(sending([json.dumps(trade)])) as server:
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


def test_a_type_that_is_widened_by_hand_counts(tmp_path: Path) -> None:
    run(tmp_path, WHOLE)
    path = tmp_path / "columns.json"
    path.write_text(path.read_text().replace('"integer"', '"number"'))
    ended = run(tmp_path, BROKEN)
    assert ended.schemas[0]["properties"]["price"] == column("number")
    assert not any("_rescued_data" in record for record in ended.records)
