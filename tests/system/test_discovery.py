"""Discovery and catalogs on the command line."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.catalogs import select
from tests.support.raw import never_reads, serve_raw
from tests.support.scripts import TRADE, says_nothing, trades
from tests.support.servers import free_port, serve
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from pathlib import Path


def test_discovery_prints_the_inferred_catalog(tmp_path: Path) -> None:
    with serve(trades) as server:
        run = run_tap(tmp_path, {"url": server.url, "max_messages": 250}, "--discover")
    assert run.code == 0
    (stream,) = json.loads(run.stdout)["streams"]
    assert stream["tap_stream_id"] == "messages"
    assert stream["replication_method"] == "LOG_BASED"
    assert stream["schema"]["properties"]["trade_id"] == {"type": ["integer", "null"]}
    assert len(server.peers) == 1
    assert "The sample for the catalog ended after" in run.stderr
    assert "The run ended" not in run.stderr


@pytest.mark.parametrize("transport", ["websockets", "picows"])
def test_discovery_does_not_wait_for_a_server_that_never_answers_a_close(
    transport: str, tmp_path: Path
) -> None:
    with serve_raw(never_reads) as server:
        config = {
            "url": server.url,
            "max_duration": 200,
            "close_timeout": 100,
            "transport": transport,
        }
        began = time.monotonic()
        run = run_tap(tmp_path, config, "--discover")
    assert run.code == 0
    assert time.monotonic() - began < 50


@pytest.mark.parametrize(
    "given",
    [
        {"schema": {"type": "object", "properties": {"a": {"type": "string"}}}},
        {"infer_messages": 0},
        {"envelope": True},
        {"message_format": "raw_string"},
        {"message_format": "binary"},
    ],
)
def test_discovery_connects_only_to_infer(
    given: dict[str, Any], tmp_path: Path
) -> None:
    url = f"ws://localhost:{free_port()}/"
    config = {"url": url, "max_messages": 1, **given}
    run = run_tap(tmp_path, config, "--discover")
    assert run.code == 0
    assert json.loads(run.stdout)["streams"][0]["schema"]["properties"]


@pytest.mark.parametrize(
    "keys",
    [
        {"primary_keys": ["price"]},
        {"stream_maps": {"messages": {"__key_properties__": ["price"]}}},
    ],
    ids=["primary_keys", "stream_maps"],
)
def test_a_run_with_the_catalog_of_a_silent_feed_infers_its_columns(
    keys: dict[str, object], tmp_path: Path
) -> None:
    """Meltano discovers before each run, and keeps the catalog."""
    config = {"max_messages": 1, "infer_timeout": 0.3, **keys}
    with serve(says_nothing) as server:
        found = run_tap(tmp_path, {"url": server.url, **config}, "--discover")
    assert found.code == 0
    assert "no record came (infer_timeout: 0.3 s have passed)" in found.stderr
    catalog = tmp_path / "catalog.json"
    catalog.write_bytes(found.stdout)
    with serve(trades) as server:
        config = {"url": server.url, **config}
        run = run_tap(tmp_path, config, "--catalog", str(catalog))
    assert run.code == 0
    (schema,) = run.schemas
    assert schema["properties"]["price"]["type"] != ["string"]
    assert run.records[0].keys() <= schema["properties"].keys()


def test_discovery_of_an_unreachable_feed_is_an_error(tmp_path: Path) -> None:
    config = {"url": f"ws://localhost:{free_port()}/", "max_messages": 1}
    run = run_tap(tmp_path, config, "--discover")
    assert run.code == 1
    assert run.stdout == b""
    (error,) = run.errors
    assert "cannot connect to ws://localhost:" in error


@pytest.mark.parametrize(
    ("given", "arguments", "warned"),
    [
        ({}, ["--discover"], True),
        ({"infer_messages": 0}, ["--discover"], False),
        ({}, [], False),
    ],
)
def test_discovery_warns_where_it_acknowledges_what_it_drops(
    given: dict[str, Any], arguments: list[str], tmp_path: Path, *, warned: bool
) -> None:
    acknowledge = {"match": {"price": {"$exists": True}}, "reply": {"ack": "{$.price}"}}
    with serve(trades) as server:
        config = {"url": server.url, "max_messages": 3, "message_rules": [acknowledge]}
        run = run_tap(tmp_path, config | given, *arguments)
    assert run.code == 0
    assert [line for line in run.warnings if "message_rules" in line] == run.warnings
    assert len(run.warnings) == warned


def test_a_catalog_deselects_properties_for_good(tmp_path: Path) -> None:
    with serve(trades) as server:
        config = {"url": server.url, "max_messages": 50}
        found = run_tap(tmp_path, config, "--discover").stdout
        path = select(tmp_path, found, price=False)
        run = run_tap(tmp_path, config, "--catalog", str(path))
    assert run.code == 0
    (schema,) = run.schemas
    assert "price" not in schema["properties"]
    assert len(run.records) == 50
    expected = {name for name in TRADE if name != "price"}
    assert all(set(record) == expected for record in run.records)


def test_a_deselected_stream_is_skipped(tmp_path: Path) -> None:
    with serve(trades) as server:
        config = {"url": server.url, "max_messages": 5}
        found = run_tap(tmp_path, config, "--discover").stdout
        path = select(tmp_path, found, stream=False)
        run = run_tap(tmp_path, config, "--catalog", str(path))
        assert len(server.peers) == 1
    assert run.code == 0
    assert run.messages == []
