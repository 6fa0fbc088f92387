"""What the SDK's settings and catalogs are refused for: a line that says what to do."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.servers import serve
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer
    from tests.support.tap import Run


async def feed(peer: Peer) -> None:
    await peer.send('{"id": 1, "n": {"x": 1}, "price": 1.5}')
    await peer.send('{"id": 2, "n": {"x": 2}, "n__x": 5}')
    await peer.send('{"id": 3, "n": {"x": 3}}')
    await peer.close(1000)


def run(directory: Path, *arguments: str, **given: Any) -> tuple[Run, int]:
    """Run the tap; return the run and the number of connections."""
    with serve(feed) as server:
        config = {"url": server.url, "idle_timeout": 20, "infer_messages": 1, **given}
        return run_tap(directory, config, *arguments), len(server.peers)


def fails(ended: Run) -> str:
    """Return the one line that a run ended with."""
    assert ended.code == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "unexpected" not in ended.stderr
    (error,) = ended.errors
    return error


def catalog(directory: Path, *names: str) -> Path:
    path = directory / "catalog.json"
    entry = {"schema": {"type": "object", "properties": {"id": {"type": "integer"}}}}
    metadata = [{"breadcrumb": [], "metadata": {"selected": True}}]
    streams = [
        entry | {"tap_stream_id": name, "stream": name, "metadata": metadata}
        for name in names
    ]
    path.write_text(json.dumps({"streams": streams}))
    return path


@pytest.mark.parametrize(
    ("names", "words"),
    [(["messages", "old"], "(it has 'messages', 'old')"), ([], "(it has none)")],
)
def test_a_catalog_without_the_stream(
    names: list[str],
    words: str,
    tmp_path: Path,
) -> None:
    path = catalog(tmp_path, *names)
    ended, connections = run(tmp_path, "--catalog", str(path), stream_name="trades")
    error = fails(ended)
    assert "the catalog has no stream 'trades'" in error
    assert words in error
    assert "discover again, or set stream_name" in error
    assert connections == 0
    assert not ended.stdout


def test_a_catalog_with_other_streams_beside_it(tmp_path: Path) -> None:
    path = catalog(tmp_path, "messages", "other")
    ended, _ = run(tmp_path, "--catalog", str(path))
    assert ended.code == 0, ended.stderr
    assert [record["id"] for record in ended.records] == [1, 2, 3]


@pytest.mark.parametrize(
    "maps",
    [
        {"mesages": {"price": "None"}},
        {"messages": {}, "trade*": {"price": "None"}},
        {"masked": {"__source__": "mesages", "price": "None"}},
    ],
)
@pytest.mark.parametrize("arguments", [(), ("--discover",), ("--test",)])
def test_a_stream_map_of_no_stream(
    maps: Any,
    arguments: tuple[str, ...],
    tmp_path: Path,
) -> None:
    ended, connections = run(tmp_path, *arguments, stream_maps=maps)
    error = fails(ended)
    assert "stream_maps: no stream is called" in error
    assert "'messages' (stream_name)" in error
    assert connections == 0
    assert not ended.records


def test_stream_maps_of_the_stream_by_pattern_and_source(tmp_path: Path) -> None:
    maps = {"mess*": {"price": "None"}, "__else__": None}
    ended, _ = run(tmp_path, stream_maps=maps)
    assert ended.code == 0, ended.stderr
    maps = {"copied": {"__source__": "messages", "twice": "id * 2"}}
    ended, _ = run(tmp_path, stream_maps=maps)
    assert ended.code == 0, ended.stderr


@pytest.mark.parametrize(
    ("maps", "words"),
    [
        ({"id": None}, "use the `__key_properties__` operator"),
        ({"z": "id +"}, "Failed to parse expression id +."),
        ({"__else__": "x"}, "is not supported"),
        ({"__filter__": "id ="}, "Failed to parse expression id =."),
    ],
)
def test_stream_maps_that_cannot_be_set_up(
    maps: Any,
    words: str,
    tmp_path: Path,
) -> None:
    ended, _ = run(tmp_path, stream_maps={"messages": maps}, primary_keys=["id"])
    error = fails(ended)
    assert words in error
    assert "stream_maps" in error


@pytest.mark.parametrize(
    ("expression", "words", "hint"),
    [
        ("foo(id)", "Function 'foo' not defined", False),
        ("id.nothing", "nothing", False),
        ("unknown + 1", "'unknown' is not defined", False),
        ("id / 0", "ZeroDivisionError", False),
        ("id + 'x'", "TypeError", False),
        ("price * 0.5", "float(…) turns into floats", True),
    ],
)
def test_an_expression_that_fails_on_a_record(
    expression: str,
    words: str,
    hint: bool,
    tmp_path: Path,
) -> None:
    ended, _ = run(tmp_path, stream_maps={"messages": {"z": expression}})
    error = fails(ended)
    assert f"the expression {expression!r} of 'z' failed on a record" in error
    assert words in error
    assert ("decimals" in error) == hint


@pytest.mark.parametrize("location", [{}, {"schema_location": "columns.json"}])
def test_a_new_field_with_the_name_of_a_flattened_one_is_rescued(
    location: dict[str, Any],
    tmp_path: Path,
) -> None:
    flattening = {
        "flattening_enabled": True,
        "flattening_max_depth": 3,
        "infer_nested": True,
    }
    ended, _ = run(tmp_path, **flattening, **location)
    assert ended.code == 0, ended.stderr
    assert [record["n__x"] for record in ended.records] == [1, 2, 3]
    assert ended.records[1]["_rescued_data"] == '{"n__x":5}'
    assert "'n__x' went to _rescued_data: flattening gives" in ended.stderr
    # In the sample, the one that came first has the name.
    ended, _ = run(tmp_path, **flattening, **location | {"infer_messages": 3})
    assert ended.code == 0, ended.stderr
    assert [record["n__x"] for record in ended.records] == [1, 2, 3]


@pytest.mark.skipif(
    importlib.util.find_spec("pyarrow") is not None,
    reason="the package is there",
)
def test_batch_files_in_a_format_whose_package_is_missing(tmp_path: Path) -> None:
    batch = {
        "encoding": {"format": "parquet"},
        "storage": {"root": f"file://{tmp_path}/batches"},
    }
    ended, connections = run(tmp_path, batch_config=batch)
    error = fails(ended)
    assert "pip install 'singer-sdk[parquet]'" in error
    assert connections == 0
