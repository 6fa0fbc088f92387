"""Runs one after the other, and at once, into real targets: nothing is lost between."""

from __future__ import annotations

import asyncio
import concurrent.futures
import itertools
import json
import random
import signal
import subprocess
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from scripts.tools import tool
from tap_websocket.columns.stored_columns import load_columns
from tests.support.drift import as_sent, gather, plain, sending
from tests.support.servers import serve
from tests.support.tap import run_tap, start_tap, write_config
from tests.support.targets import Target, duckdb, postgres

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.postgres import Postgres
    from tests.support.servers import Peer

Record = dict[str, Any]

pytestmark = pytest.mark.timeout(900)
"""Each test starts ten processes or more, which a busy machine takes minutes for."""

KILLS = 40
RUNS = 10


def stored(directory: Path) -> set[str]:
    """Return the columns in the file, which has to be whole."""
    data = (directory / "columns.json").read_bytes()
    return set(load_columns(data, stream="messages", where="columns.json").names)


def load(target: Target, directory: Path, records: list[Record]) -> list[Record]:
    """Send records into a target; return all of its rows."""
    with serve(sending([as_sent(record) for record in records])) as server:
        loaded = target.load(
            directory,
            {
                "url": server.url,
                "idle_timeout": 60,
                "infer_messages": 5,
                "schema_location": "columns.json",
            },
        )
    assert loaded.run.code == 0, loaded.run.stderr
    assert loaded.code == 0, loaded.errors
    return loaded.rows


def check(rows: list[Record], records: list[Record]) -> None:
    """Check that a target has each field of each record, in its column or rescued."""
    found = {int(row["i"]): gather(row) for row in rows}
    assert len(found) == len(rows) == len(records)
    for record in records:
        fields = sorted(found[record["i"]], key=repr)
        assert fields == sorted(plain(record), key=repr)


@pytest.fixture(params=["target-postgres", "target-duckdb"])
def target(request: pytest.FixtureRequest) -> Target:
    if request.param == "target-duckdb":
        return duckdb()
    server: Postgres = request.getfixturevalue("postgres")
    return postgres(server, request.getfixturevalue("database"))


def test_a_type_that_changes_from_day_to_day(target: Target, tmp_path: Path) -> None:
    """Without the file PostgreSQL makes 105 of 104.5, and nobody says so."""
    first: list[Record] = [{"i": number, "price": 100 + number} for number in range(20)]
    second: list[Record] = [
        {"i": 20, "price": Decimal("104.5")},
        {"i": 21, "price": 7},
        {"i": 22, "price": "n/a"},
        {"i": 23, "price": Decimal("0.00000001")},
    ]
    load(target, tmp_path, first)
    rows = load(target, tmp_path, second)
    check(rows, first + second)
    prices = {int(row["i"]): row["_rescued_data"] for row in rows}
    assert prices[20] == '{"price":104.5}'
    assert prices[21] is None


def test_ten_runs_that_each_bring_a_field(target: Target, tmp_path: Path) -> None:
    sent: list[Record] = []
    rows: list[Record] = []
    for run in range(RUNS):
        new = {f"field_{run}": run, "mixed": run if run % 2 else f"text {run}"}
        more = [
            {"i": run * 20 + number, "always": 1, **(new if number > 9 else {})}
            for number in range(20)
        ]
        sent += more
        rows = load(target, tmp_path, more)
    check(rows, sent)
    assert stored(tmp_path) == {
        "i",
        "always",
        "mixed",
        *(f"field_{run}" for run in range(RUNS)),
    }


def test_runs_at_the_same_time_share_their_columns(
    postgres: Postgres,
    database: str,
    tmp_path: Path,
) -> None:
    """Two taps at once, ten in all; what they wrote is loaded in the order of start."""

    def run(number: int) -> tuple[list[Record], bytes]:
        # Fields of its own, fields that the other brings too, of another type at times.
        records = [
            {
                "i": number * 100 + each,
                f"own_{number}_{each % 7}": each,
                f"shared_{each % 5}": each if number % 2 else f"{each}",
            }
            for each in range(100)
        ]
        with serve(sending([as_sent(record) for record in records])) as server:
            config = {
                "url": server.url,
                "idle_timeout": 60,
                "infer_messages": 5,
                "schema_location": "columns.json",
            }
            folder = tmp_path / str(number)
            folder.mkdir()
            config["schema_location"] = str(tmp_path / "columns.json")
            done = run_tap(folder, config)
        assert done.code == 0, done.stderr
        return records, done.stdout

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        runs = list(threads.map(run, range(RUNS)))
    names = stored(tmp_path)
    types: dict[str, Any] = {}
    for _, output in runs:
        for line in output.splitlines():
            message = json.loads(line)
            if message["type"] == "SCHEMA":
                for name, declared in message["schema"]["properties"].items():
                    assert types.setdefault(name, declared) == declared
    assert types.keys() - {"_rescued_data"} <= names
    config_path = write_config(tmp_path, postgres.config(database))
    for _, output in runs:
        done = subprocess.run(
            [tool("target-postgres"), "--config", config_path],
            input=output,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
    with postgres.connect(database) as connection:
        cursor = connection.execute("SELECT row_to_json(messages)::text FROM messages")
        rows = [json.loads(str(row[0]), parse_float=Decimal) for row in cursor]
    check(rows, [record for records, _ in runs for record in records])


def test_a_killed_run_leaves_a_file_that_is_not_behind_the_table(
    tmp_path: Path,
) -> None:
    """Runs that bring fields all the time, two at once, each killed at any moment."""
    chance = random.Random(5)  # noqa: S311 - moments, not secrets
    delays = [chance.random() for _ in range(KILLS)]

    async def growing(peer: Peer) -> None:
        for number in itertools.count():
            await peer.send(json.dumps({"i": number, f"f{time.time_ns()}": 1}))
            await asyncio.sleep(0.005)

    def run(number: int) -> set[str]:
        folder = tmp_path / str(number)
        folder.mkdir()
        config = {
            "url": url,
            "idle_timeout": 60,
            "infer_messages": 1,
            "flush_interval": 0.01,
            "schema_location": str(tmp_path / "columns.json"),
        }
        with start_tap(folder, config) as tap:
            assert tap.stdout is not None
            # Every other one is killed as it starts.
            first = b"" if number % 2 else tap.stdout.readline()
            time.sleep(delays[number] / 2)
            tap.send_signal(signal.SIGKILL)
            output = first + tap.stdout.read()
        announced: set[str] = set()
        for line in output.splitlines(keepends=True):
            if line.startswith(b'{"type":"SCHEMA"') and line.endswith(b"\n"):
                announced |= json.loads(line)["schema"]["properties"].keys()
        announced -= {"_rescued_data"}
        assert not announced or announced <= stored(tmp_path)
        return announced

    with serve(growing) as server:
        url = server.url
        with concurrent.futures.ThreadPoolExecutor(2) as threads:
            announced = set().union(*threads.map(run, range(KILLS)))
    assert announced <= stored(tmp_path)
    assert len(announced) > KILLS // 4
    # The next run goes on, without a wait for a lock that nobody holds.
    started = time.monotonic()
    with serve(sending(['{"i": 1, "last": 2}'])) as server:
        config = {
            "url": server.url,
            "idle_timeout": 60,
            "schema_location": "columns.json",
        }
        ended = run_tap(tmp_path, config)
    assert ended.code == 0, ended.stderr
    assert time.monotonic() - started < 9
