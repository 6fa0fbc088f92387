"""BATCH: the files hold the records that a run without it writes."""

from __future__ import annotations

import asyncio
import gzip
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.helpers._batch import BatchConfig

from scripts.tools import tool
from tap_websocket.delivery.pages import Page
from tap_websocket.demo import trades
from tap_websocket.singer.batch_files import BatchFiles, split_lines, until_failure
from tap_websocket.stream import WebSocketStream
from tap_websocket.tap import TapWebSocket
from tests.support.drift import as_sent, check, drift, sending
from tests.support.processes import start
from tests.support.servers import serve
from tests.support.tap import (
    Run,
    clean_environment,
    parse,
    pipe,
    run_tap,
    start_tap,
    write_config,
)

if TYPE_CHECKING:
    from tests.support.postgres import Postgres
    from tests.support.servers import Peer


def batch_config(root: Path, compression: str = "gzip", **more: Any) -> dict[str, Any]:
    return {
        "encoding": {"format": "jsonl", "compression": compression},
        "storage": {"root": root.as_uri(), "prefix": "pre-"},
        **more,
    }


def path_of(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def lines_of(url: str) -> list[bytes]:
    path = path_of(url)
    assert path.name.startswith("pre-tap-websocket--messages-")
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()


def batches_of(run: Run) -> list[list[bytes]]:
    return [
        lines_of(url) for message in run.of_type("BATCH") for url in message["manifest"]
    ]


def lines(run: Run) -> list[bytes]:
    return [line for batch in batches_of(run) for line in batch]


def records(run: Run) -> list[dict[str, Any]]:
    return [parse(line) for line in lines(run)]


def without_nulls(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in record.items() if value is not None}
        for record in found
    ]


def served(
    directory: Path,
    messages: list[str],
    config: dict[str, Any],
) -> Run:
    with serve(sending(messages)) as server:
        return run_tap(directory, {"url": server.url, "idle_timeout": 30, **config})


MAPS: dict[str, Any] = {"stream_maps": {"messages": {"__else__": None}}}


@pytest.mark.parametrize("more", [{}, MAPS], ids=["pages", "sdk"])
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_the_files_hold_what_a_run_without_them_writes(
    compression: str,
    more: dict[str, Any],
    tmp_path: Path,
) -> None:
    messages = list(map(as_sent, drift()))
    config = batch_config(tmp_path / "files", compression, batch_size=250)
    plain = served(tmp_path, messages, {})
    run = served(tmp_path, messages, {"batch_config": config, **more})
    assert run.code == 0, run.stderr
    if more:  # stream maps find null where a record lacks a column
        assert without_nulls(records(run)) == without_nulls(plain.records)
    else:
        assert records(run) == plain.records
    assert len(plain.records) == len(messages)
    assert run.records == []
    batches = batches_of(run)
    assert [len(batch) for batch in batches] == [250] * (len(batches) - 1) + [
        len(messages) % 250,
    ]
    for message in run.of_type("BATCH"):
        assert message["encoding"] == config["encoding"]
        assert path_of(*message["manifest"]).suffix == (
            ".gz" if compression == "gzip" else ".json"
        )


def test_a_new_schema_comes_before_the_batch_that_has_it(tmp_path: Path) -> None:
    messages = list(map(as_sent, drift()))
    # Columns are announced at most once a page.
    files = batch_config(tmp_path, batch_size=70)
    run = served(tmp_path, messages, {"batch_config": files, "batch_size": 20})
    assert len(run.schemas) > 3
    columns: set[str] = set()
    for message in run.messages:
        if message["type"] == "SCHEMA":
            columns = set(message["schema"]["properties"])
        else:
            for url in message["manifest"]:
                for line in lines_of(url):
                    fields = parse(line).items()
                    assert {
                        name for name, value in fields if value is not None
                    } <= columns


def test_pages_go_in_as_they_were_sent(tmp_path: Path) -> None:
    sent = '{"price":42000.10,"symbol":"\\u00e9\\/","id":%d}'
    messages = [sent % number for number in range(1000)]
    run = served(tmp_path, messages, {"batch_config": batch_config(tmp_path)})
    sample = 100
    assert lines(run)[sample:] == [message.encode() for message in messages[sample:]]


def test_nothing_is_done_to_a_record_of_a_page(tmp_path: Path) -> None:
    messages = [json.dumps({"id": number}) for number in range(300)]
    given_config = batch_config(tmp_path, batch_size=128)
    with serve(sending(messages)) as server:
        config = {"url": server.url, "idle_timeout": 30}
        tap = TapWebSocket(config=config)
        stream = tap.streams["messages"]
        assert isinstance(stream, WebSocketStream)
        with mock.patch.object(Page, "records", side_effect=AssertionError):
            found = list(stream.get_batches(BatchConfig.from_dict(given_config)))
    assert [len(lines_of(manifest[0])) for _, manifest in found] == [128, 128, 44]


def test_a_failure_comes_behind_the_last_batch(tmp_path: Path) -> None:
    messages = ['{"id": 1}', '{"id": 2}', "no JSON", '{"id": 3}']
    for more in ({}, MAPS):
        config = {
            "batch_config": batch_config(tmp_path),
            "schema": {"properties": {"id": {"type": "integer"}}},
            **more,
        }
        run = served(tmp_path, messages, config)
        assert run.code == 1
        assert len(run.errors) == 1
        assert [record["id"] for record in records(run)] == [1, 2]


def test_what_came_before_a_signal_is_in_a_batch(tmp_path: Path) -> None:
    messages = [json.dumps({"id": number}) for number in range(500)]

    async def play(peer: Peer) -> None:
        for message in messages:
            await peer.send(message)
        await peer.wait()

    with serve(play) as server:
        config = {
            "url": server.url,
            "max_duration": 60,
            "flush_interval": 0.05,
            "infer_messages": 10,
            "batch_config": batch_config(tmp_path, batch_size=400),
        }
        with start_tap(tmp_path, config) as tap:
            assert tap.stdout is not None
            first = [tap.stdout.readline(), tap.stdout.readline()]
            tap.send_signal(signal.SIGTERM)
            rest, stderr = tap.communicate(timeout=60)
    run = Run(tap.returncode, b"".join(first) + rest, stderr.decode())
    assert run.code == 0, run.stderr
    ids = [record["id"] for record in records(run)]
    assert ids == list(range(len(ids)))
    assert len(ids) >= 400
    assert f"records={len(ids)} " in run.ending


SLOW = """
import sys, time
from tap_websocket.singer import batch_files
close = batch_files._File.close
def slowly(file):
    print("closing", file=sys.stderr, flush=True)
    time.sleep(1)
    close(file)
batch_files._File.close = slowly
from tap_websocket.__main__ import main
main()
"""
"""A tap whose storage takes its time, as an upload does."""


def test_a_signal_while_the_last_file_is_written_loses_nothing(tmp_path: Path) -> None:
    async def play(peer: Peer) -> None:
        await peer.send('{"id": 1}')
        await peer.close(1000)

    with serve(play) as server:
        config = {
            "url": server.url,
            "max_duration": 60,
            "batch_config": batch_config(tmp_path),
        }
        command = [sys.executable, "-c", SLOW]
        with start(
            [*command, "--config", write_config(tmp_path, config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=clean_environment(),
            cwd=tmp_path,
        ) as tap:
            assert tap.stderr is not None
            assert any(b"closing" in line for line in tap.stderr), "the tap ended early"
            tap.send_signal(signal.SIGTERM)
            stdout, stderr = tap.communicate(timeout=60)
    assert tap.returncode == 0
    assert len(records(Run(0, stdout, stderr.decode()))) == 1


def test_a_storage_that_cannot_be_written_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for root in ((tmp_path / "file").as_uri(), "nowhere://user:secret@host/path"):
        config = batch_config(tmp_path)
        config["storage"]["root"] = root
        run = served(tmp_path, ['{"id": 1}'], {"batch_config": config})
        assert run.code == 1
        (error,) = run.errors
        assert "batch_config" in error
        assert "secret" not in run.stderr


@pytest.mark.parametrize("maps", [{}, {"stream_maps": {"messages": {"id": "id"}}}])
def test_a_run_that_a_storage_ends_says_so_before_the_error(
    maps: dict[str, Any], tmp_path: Path
) -> None:
    async def steady(peer: Peer) -> None:
        while True:
            await peer.send('{"id": 1}')
            await asyncio.sleep(0.01)

    (tmp_path / "file").write_text("in the way")
    config = batch_config(tmp_path / "file")
    with serve(steady) as server:
        run = run_tap(
            tmp_path,
            {
                "url": server.url,
                "idle_timeout": 60,
                "infer_messages": 1,
                "flush_interval": 0.1,
                "batch_config": config,
                **maps,
            },
        )
    assert run.code == 1
    assert "messages=" in run.ending
    assert run.stderr.index(run.ending) < run.stderr.index("| ERROR")


def test_a_silent_feed_writes_no_batch(tmp_path: Path) -> None:
    run = served(
        tmp_path,
        [],
        {"batch_config": batch_config(tmp_path / "files"), "infer_messages": 0},
    )
    assert run.code == 0, run.stderr
    assert run.of_type("BATCH") == []
    assert not (tmp_path / "files").exists()


def test_into_postgres(
    tmp_path: Path,
    postgres: Postgres,
    database: str,
) -> None:
    messages = drift()
    with serve(sending(list(map(as_sent, messages)))) as server:
        config = {
            "url": server.url,
            "idle_timeout": 30,
            "batch_config": batch_config(tmp_path / "files", batch_size=300),
        }
        target = [tool("target-postgres")]
        run, code, errors = pipe(tmp_path, config, target, postgres.config(database))
    assert run.code == 0, run.stderr
    assert code == 0, errors
    with postgres.connect(database) as connection:
        cursor = connection.execute("SELECT row_to_json(messages)::text FROM messages")
        rows = [parse(str(row[0])) for row in cursor]
    check(rows, messages)


def test_a_batch_has_ten_thousand_records_unless_told(tmp_path: Path) -> None:
    feed = trades(5)
    messages = [next(feed) for _ in range(20_000)]
    run = served(tmp_path, messages, {"batch_config": batch_config(tmp_path)})
    assert [len(batch) for batch in batches_of(run)] == [10_000, 10_000]
    assert records(run) == [parse(message) for message in messages]


CHUNKS = st.lists(
    st.lists(st.binary(max_size=3).filter(lambda line: b"\n" not in line), min_size=1),
    max_size=8,
)


@given(chunks=CHUNKS, most=st.integers(1, 7))
def test_lines_keep_their_order_in_files_of_equal_size(
    chunks: list[list[bytes]],
    most: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    directory = tmp_path_factory.mktemp("files")
    config = BatchConfig.from_dict(batch_config(directory, "none", batch_size=most))
    written = BatchFiles(config, "t").write(map(b"\n".join, chunks))
    files = [path_of(url).read_bytes() for url in written]
    expected = [line for chunk in chunks for line in chunk]
    assert b"".join(files) == b"".join(line + b"\n" for line in expected)
    counts = [data.count(b"\n") for data in files]
    assert all(count == most for count in counts[:-1])
    assert all(0 < count <= most for count in counts)


def test_split_lines() -> None:
    assert split_lines(b"a\nb\nc", 3) == (b"a\nb\nc", 3, None)
    assert split_lines(b"a\nb\nc", 2) == (b"a\nb", 2, b"c")
    assert split_lines(b"", 1) == (b"", 1, None)
    assert split_lines(b"\n", 1) == (b"", 1, b"")


def test_until_failure_keeps_the_failure() -> None:
    def failing() -> Any:
        yield 1
        raise ValueError

    failures: list[Exception] = []
    assert list(until_failure(failing(), failures)) == [1]
    assert [type(failure) for failure in failures] == [ValueError]
