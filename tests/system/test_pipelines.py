"""The pipelines of docs/production.md: what fails in them, and how they stop."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import start, wait_until
from tests.support.production import Numbers, blocks, commands
from tests.support.servers import serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.postgres import Postgres


def signal_to(
    shell: subprocess.Popen[bytes], command: str, signal_: signal.Signals
) -> None:
    """Send a signal to the one process of a shell's session with this command."""
    found = subprocess.run(
        ["pgrep", "--session", str(shell.pid), "--full", command],
        stdout=subprocess.PIPE,
        check=True,
    )
    os.kill(int(found.stdout), signal_)


def test_the_pipeline_of_the_page_fails_with_the_tap(tmp_path: Path) -> None:
    pipeline = blocks("bash")[0]
    found = commands(tmp_path, "target-postgres")
    (tmp_path / "config.json").write_text(
        '{"url": "ws://127.0.0.1:9/", "max_messages": 1}'
    )
    target = {"host": "127.0.0.1", "user": "a", "password": "b", "database": "c"}
    (tmp_path / "postgres.json").write_text(json.dumps(target))

    def code(script: str) -> int:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=found,
            capture_output=True,
            timeout=60,
            check=False,
        )
        return done.returncode

    assert code(pipeline) == 1
    assert code(pipeline.replace("set -o pipefail", "")) == 0


@dataclasses.dataclass(frozen=True)
class Stopped:
    """A pipeline into target-jsonl that a signal stopped."""

    code: int
    log: str
    numbers: list[int]


def stop_pipeline(
    directory: Path,
    signal_: signal.Signals,
    *,
    group: bool,
) -> Stopped:
    """Send a signal to the page's pipeline, or to the tap in it alone."""
    pipeline = blocks("bash")[0].replace("target-postgres", "target-jsonl")
    target = {"destination_path": str(directory), "do_timestamp_file": False}
    (directory / "postgres.json").write_text(json.dumps(target))
    path = directory / "messages.jsonl"
    with serve(Numbers()) as server:
        config = json.loads(blocks("json")[0]) | {
            "url": server.url,
            "schema_location": str(directory / "trades.json"),
            "infer_messages": 10,
        }
        (directory / "config.json").write_text(json.dumps(config))
        with start(
            ["bash", "-c", pipeline],
            cwd=directory,
            env=commands(directory, "target-jsonl"),
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as shell:
            wait_until(lambda: path.exists() and path.stat().st_size > 1000)
            if group:
                os.killpg(shell.pid, signal_)
            else:
                signal_to(shell, "bin/tap-websocket", signal_)
            _, log = shell.communicate(timeout=60)
    lines = path.read_text().splitlines()
    return Stopped(
        shell.returncode,
        log.decode(),
        [json.loads(line)["trade_id"] for line in lines],
    )


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_tap_of_a_pipeline_loses_nothing(
    signal_: signal.Signals, tmp_path: Path
) -> None:
    done = stop_pipeline(tmp_path, signal_, group=False)
    assert done.code == 0, done.log
    first = done.numbers[0]
    assert done.numbers == list(range(first, first + len(done.numbers)))
    (counted,) = re.findall(r"The run ended.* records=(\d+)", done.log)
    assert len(done.numbers) == int(counted)


def test_a_signal_to_a_whole_pipeline_is_not_taken_for_success(tmp_path: Path) -> None:
    done = stop_pipeline(tmp_path, signal.SIGINT, group=True)
    assert done.code != 0, done.log
    first = done.numbers[0]
    assert done.numbers == list(range(first, first + len(done.numbers)))


def test_a_killed_tap_fails_its_pipeline(tmp_path: Path) -> None:
    done = stop_pipeline(tmp_path, signal.SIGKILL, group=False)
    assert done.code == 128 + signal.SIGKILL, done.log
    first = done.numbers[0]
    assert done.numbers == list(range(first, first + len(done.numbers)))


def test_what_a_failing_target_held_is_loaded_from_the_kept_file(
    tmp_path: Path,
    postgres: Postgres,
    database: str,
) -> None:
    _, pipeline, load, *_ = blocks("bash")
    target = postgres.config(database) | {"batch_size_rows": 50}
    (tmp_path / "postgres.json").write_text(json.dumps(target))
    found = commands(tmp_path, "target-postgres")

    def rows() -> list[int]:
        with postgres.connect(database) as connection:
            if connection.execute("SELECT to_regclass('messages')").fetchone() == (
                None,
            ):
                return []
            query = "SELECT trade_id FROM messages ORDER BY 1"
            return [int(str(row[0])) for row in connection.execute(query)]

    feed = Numbers()
    with serve(feed) as server:
        config = json.loads(blocks("json")[1]) | {
            "url": server.url,
            "schema_location": "trades.json",
            "infer_messages": 10,
        }
        (tmp_path / "config.json").write_text(json.dumps(config))
        with start(
            ["bash", "-c", pipeline],
            cwd=tmp_path,
            env=found,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as shell:
            wait_until(rows)
            signal_to(shell, "bin/target-postgres --config", signal.SIGKILL)
            failed = feed.current()
            wait_until(lambda: feed.current() > failed + 100)
            signal_to(shell, "bin/tap-websocket --config", signal.SIGTERM)
            _, log = shell.communicate(timeout=60)
    assert shell.returncode == 128 + signal.SIGKILL, log.decode()
    written = rows()
    done = subprocess.run(
        ["bash", "-c", load], cwd=tmp_path, env=found, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    loaded = rows()
    (counted,) = re.findall(rb"The run ended.* records=(\d+)", log)
    assert loaded == list(range(loaded[0], loaded[0] + int(counted)))
    assert loaded[-1] > failed > written[-1]


def test_the_loop_of_the_page_loads_what_was_kept_and_leaves_the_run_alone(
    tmp_path: Path,
    postgres: Postgres,
    database: str,
) -> None:
    (loop,) = (block for block in blocks("bash") if block.startswith("for file"))
    loop = loop.replace("/etc/tap-websocket", str(tmp_path))
    loop = loop.replace("/var/lib/tap-websocket", str(tmp_path))
    # The password comes from the environment, as in the unit.
    loop = loop.replace("--config ", "--config=ENV --config ")
    target = postgres.config(database)
    password = target.pop("password")
    (tmp_path / "target.json").write_text(json.dumps(target))
    schema = {"properties": {"trade_id": {"type": ["integer", "null"]}}}
    names = {"type": "SCHEMA", "stream": "messages", "key_properties": []}
    for number, name in enumerate(("a.jsonl", "b.jsonl", "c.part")):
        record = {"type": "RECORD", "stream": "messages", "record": {}}
        record["record"] = {"trade_id": number}
        lines = [names | {"schema": schema}, record]
        (tmp_path / name).write_text("\n".join(map(json.dumps, lines)) + "\n")
    subprocess.run(
        ["bash", "-c", loop],
        env=commands(tmp_path, "target-postgres")
        | {"TARGET_POSTGRES_PASSWORD": str(password)},
        check=True,
    )
    assert not list(tmp_path.glob("*.jsonl"))
    assert (tmp_path / "c.part").exists()
    with postgres.connect(database) as connection:
        rows = list(connection.execute("SELECT trade_id FROM messages ORDER BY 1"))
    assert rows == [(0,), (1,)]
