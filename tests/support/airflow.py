"""An Apache Airflow of its own: database, scheduler, DAG processor and API server."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING

from scripts.tools import tool
from tests.support.servers import free_port
from tests.support.tap import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Airflow", "Task", "start"]

Task = tuple[int, str | None, int]
"""A mapped task's index, its state and its tries."""


class Airflow:
    """A running Airflow, looked at through its database."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def tasks(self, dag: str) -> list[Task]:
        """Return the tasks of a DAG, by index."""
        database = sqlite3.connect(f"file:{self.home / 'airflow.db'}?mode=ro", uri=True)
        with contextlib.closing(database):
            return database.execute(
                "SELECT map_index, state, try_number FROM task_instance "
                "WHERE dag_id = ? AND map_index >= 0 ORDER BY map_index",
                (dag,),
            ).fetchall()

    def logs(self) -> str:
        """Return everything that was logged, for the message of a failure."""
        return "\n".join(
            f"== {path}\n{path.read_text(errors='replace')[-4000:]}"
            for path in sorted(self.home.rglob("*.log"))
        )


@contextlib.contextmanager
def start(home: Path, dag: Path, extra: Mapping[str, str]) -> Iterator[Airflow]:
    """Run Airflow with one DAG until the block is left.

    Args:
        home: A folder for it.
        dag: The DAG's file.
        extra: The environment of the workers.
    """
    (home / "dags").mkdir(parents=True)
    shutil.copy(dag, home / "dags")
    port = free_port()
    environment = clean_environment(extra) | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": (
            f"http://127.0.0.1:{port}/execution/"
        ),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "8",
        # Shards that wait for a retry are looked for as often as this, in seconds.
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "NO_PROXY": "*",
        "no_proxy": "*",
    }
    command = tool("airflow")
    environment["PATH"] = f"{command.parent}{os.pathsep}{environment['PATH']}"
    subprocess.run(
        [command, "db", "migrate"],
        env=environment,
        check=True,
        capture_output=True,
    )
    with contextlib.ExitStack() as stack:
        for part in ("api-server", "dag-processor", "scheduler"):
            log = stack.enter_context((home / f"{part}.log").open("wb"))
            process = subprocess.Popen(
                [command, part],
                env=environment,
                cwd=home,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            stack.callback(_stop, process)
            if part == "api-server":
                # A task that cannot report to it fails.
                _wait_until_it_listens(port, process)
        yield Airflow(home)


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.2)
    msg = "Airflow's API server did not start"
    raise RuntimeError(msg)


def _stop(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
    # What a worker started stays in its group for a moment longer.
    time.sleep(0.1)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
