"""Where `schema_location` gets no columns, or cannot be used."""

from __future__ import annotations

import asyncio
import fcntl
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.columns import column
from tests.support.saved_columns import WHOLE, run, stored
from tests.support.scripts import says_nothing
from tests.support.servers import serve
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer


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
        "infer_timeout": 2 if ends == "infer_timeout" else 20,
        "primary_keys": ["price"],
        "records_path": "$.wrong",
        "schema_location": "columns.json",
    }
    with serve(script) as server:
        ended = run_tap(tmp_path, {"url": server.url, **config}, "--discover")
    assert ended.code == 0
    (said,) = (line for line in ended.stderr.splitlines() if "no record came (" in line)
    assert ("infer_timeout: 2 s" in said) == (ends == "infer_timeout")
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
        # Until it is saved, and a bit longer until the tap knows.
        while "fresh" not in (tmp_path / "columns.json").read_text():
            await peer.send('{"price": 1, "fresh": 3}')
            await asyncio.sleep(0.1)
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
    with serve(says_nothing) as server:
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
