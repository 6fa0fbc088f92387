"""The DAG of `deploy/airflow`, run by a real Apache Airflow into PostgreSQL."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.tools import ROOT, tool
from tests.support import airflow
from tests.support.exchange import Limits, serve_exchange
from tests.support.tap import write_config

if TYPE_CHECKING:
    from tests.support.airflow import Airflow
    from tests.support.postgres import Postgres

DAG = ROOT / "deploy" / "airflow" / "tap_websocket_shards.py"
SHARDS = 4
KILLED = 2


def tap_of_shard(index: int) -> int | None:
    """Return the process of a shard's tap, once it runs."""
    wanted = f"TAP_WEBSOCKET_SHARD_INDEX={index}".encode()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        is_tap = any(part.endswith(b"/tap-websocket") for part in command)
        if is_tap and wanted in variables:
            return int(process.name)
    return None


def kill_once_it_runs(index: int, running: Airflow) -> None:
    """Kill a shard's tap while it still subscribes."""
    deadline = time.monotonic() + 120
    while (process := tap_of_shard(index)) is None:
        assert time.monotonic() < deadline, running.logs()
        time.sleep(0.1)
    time.sleep(1)
    os.kill(process, signal.SIGKILL)


def wait_for_all(running: Airflow) -> list[airflow.Task]:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        tasks = running.tasks(DAG.stem)
        states = {state for _, state, _ in tasks}
        if len(tasks) == SHARDS and states <= {"success", "failed"}:
            return tasks
        time.sleep(0.5)
    pytest.fail(running.logs())


@pytest.mark.timeout(400)
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds by /proc")
def test_four_shards_of_an_exchange_and_one_that_is_killed(
    tmp_path: Path,
    postgres: Postgres,
    database: str,
) -> None:
    # One address connects for all shards here, as in front of a server that counts.
    limits = Limits(connection=200, message=50, connects=50)
    with serve_exchange(3000, limits) as exchange:
        config = {
            "url": exchange.url,
            "topics": {"url": exchange.list_url, "path": "$.symbols[*].symbol"},
            "topics_per_connection": 200,
            "topics_per_message": 50,
            "connect_interval": 1,
            "subscribe_messages": [exchange.subscription],
            "reconnect": True,
            "idle_timeout": 5,
            "stream_name": "trades",
            "primary_keys": ["symbol"],
            "schema_location": str(tmp_path / "schema.json"),
        }
        environment = {
            "TAP": str(Path(sys.executable).parent / "tap-websocket"),
            "TAP_CONFIG": str(write_config(tmp_path, config)),
            "TAP_WEBSOCKET_SHARD_COUNT": str(SHARDS),
            "TARGET": str(tool("target-postgres")),
            "TARGET_CONFIG": str(write_config(tmp_path, postgres.config(database))),
        }
        with airflow.start(tmp_path / "airflow", DAG, environment) as running:
            kill_once_it_runs(KILLED, running)
            tasks = wait_for_all(running)
            logs = running.logs()
    assert [state for _, state, _ in tasks] == ["success"] * SHARDS, logs
    assert [tries for _, _, tries in tasks] == [
        2 if index == KILLED else 1 for index in range(SHARDS)
    ], logs
    assert exchange.breaches == []
    with postgres.connect(database) as connection:
        rows = connection.execute("SELECT symbol FROM trades ORDER BY 1").fetchall()
    assert [symbol for (symbol,) in rows] == exchange.symbols
