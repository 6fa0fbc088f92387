"""What docs/production.md tells operators to do, done."""

from __future__ import annotations

import asyncio
import configparser
import dataclasses
import itertools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from scripts.project import environment, make_project
from scripts.tools import ROOT, tool
from tests.support.servers import serve
from tests.support.tap import clean_environment, pipe, write_config

if TYPE_CHECKING:
    from tests.support.postgres import Postgres
    from tests.support.servers import Peer

PAGE = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
UNIT = ROOT / "deploy" / "systemd" / "tap-websocket.service"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def commands(directory: Path, *names: str) -> dict[str, str]:
    """An environment in which the page's commands are found."""
    folder = directory / "bin"
    folder.mkdir()
    (folder / "tap-websocket").symlink_to(Path(sys.executable).parent / "tap-websocket")
    for name in names:
        (folder / name).symlink_to(tool(name))
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return clean_environment({"PATH": path})


class Unit(configparser.ConfigParser):
    """A unit file: its keys have capitals."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


class Numbers:
    """A feed of one number every 20 ms, the same to everybody who listens."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self.connections = 0
        self.second_began = 0

    def current(self) -> int:
        return int((time.monotonic() - self._start) * 50)

    async def __call__(self, peer: Peer) -> None:
        self.connections += 1
        if self.connections > 1:
            self.second_began = self.current()
        try:
            for number in itertools.count(self.current()):
                while self.current() < number:
                    await asyncio.sleep(0.005)
                await peer.send(json.dumps({"trade_id": number, "price": number / 8}))
        finally:
            self.connections -= 1


def wait_until(condition: Any, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def stop_tap(meltano: subprocess.Popen[bytes]) -> None:
    """Stop the tap as the page says, among this test's processes alone."""
    command = blocks("bash")[-1]
    command = command.replace("pgrep ", f"pgrep --parent {meltano.pid} ")
    subprocess.run(["bash", "-c", command], check=True)


def test_overlapping_runs_leave_no_gap_and_no_row_twice(
    tmp_path: Path,
    postgres: Postgres,
    database: str,
) -> None:
    """Each run ends by a signal here, when it is sure that both are connected."""
    overlapping = json.loads(blocks("json")[1])
    (line,) = blocks("crontab")
    feed = Numbers()
    with serve(feed) as server:
        config = overlapping | {
            "url": server.url,
            "schema_location": str(tmp_path / "trades.json"),
        }
        assert config["primary_keys"] == ["trade_id"]
        make_project(tmp_path, tap_config=config, output=tmp_path / "output")
        project = yaml.safe_load((tmp_path / "meltano.yml").read_text())
        project["plugins"]["loaders"].append(
            {
                "name": "target-postgres",
                "namespace": "target_postgres",
                "executable": str(tool("target-postgres")),
                "config": postgres.config(database),
            },
        )
        (tmp_path / "meltano.yml").write_text(yaml.safe_dump(project))

        def run(suffix: str) -> subprocess.Popen[bytes]:
            command = line.partition("&& ")[2].replace(r'"$(date +\%H)"', suffix)
            program, *arguments = command.split()
            return subprocess.Popen(
                [tool(program), *arguments],
                cwd=tmp_path,
                env=environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )

        first = run("00")
        # Its own discovery has the first connection; that of the second run finds the
        # columns in schema_location.
        wait_until(lambda: len(server.peers) == 2)
        second = run("01")
        wait_until(lambda: len(server.peers) == 3 and feed.connections == 2)
        stop_tap(first)
        _, log = first.communicate(timeout=60)
        assert first.returncode == 0, log.decode()
        end_of_first = feed.current()
        wait_until(lambda: feed.current() > end_of_first + 50)
        stop_tap(second)
        _, log = second.communicate(timeout=60)
        assert second.returncode == 0, log.decode()
    with postgres.connect(database) as connection:
        (row,) = connection.execute(
            "SELECT count(*), count(DISTINCT trade_id), min(trade_id), max(trade_id) "
            "FROM messages",
        )
    count, distinct, lowest, highest = (int(str(value)) for value in row)
    assert count == distinct == highest - lowest + 1
    assert lowest < feed.second_began < end_of_first < highest


def test_sigterm_to_the_tap_under_meltano_loses_nothing(tmp_path: Path) -> None:
    output = tmp_path / "output"
    path = output / "messages.jsonl"
    with serve(Numbers()) as server:
        config = {"url": server.url, "max_duration": 120, "infer_messages": 10}
        make_project(tmp_path, tap_config=config, output=output)
        meltano = subprocess.Popen(
            [tool("meltano"), "run", "tap-websocket", "target-jsonl"],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        wait_until(lambda: path.exists() and path.stat().st_size > 1000)
        stop_tap(meltano)
        _, log = meltano.communicate(timeout=60)
    text = log.decode()
    assert meltano.returncode == 0, text
    assert "SIGTERM was received" in text
    numbers = [json.loads(line)["trade_id"] for line in path.read_text().splitlines()]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    (counted,) = re.findall(r"The run ended.* records=(\d+)", text)
    assert len(numbers) == int(counted)


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


def test_the_unit_is_valid_and_stops_without_loss(tmp_path: Path) -> None:
    unit = Unit(strict=False, interpolation=None)
    unit.read_string(UNIT.read_text(encoding="utf-8"))
    service = unit["Service"]
    assert service["KillMode"] == "mixed"
    assert service["Restart"] == "always"
    # Copies of the unit run at once, and share what StateDirectory holds.
    assert service["DynamicUser"] == "yes"
    assert service["User"]
    assert int(service["TimeoutStopSec"]) > 30 + 5
    assert f"install deploy/kubernetes/run-shard {service['ExecStart']}" in PAGE
    analyze = shutil.which("systemd-analyze")
    if analyze:
        # The command need not be installed here.
        copy = tmp_path / UNIT.name
        copy.write_text(UNIT.read_text().replace(service["ExecStart"], "/bin/true"))
        done = subprocess.run(
            [analyze, "verify", copy], capture_output=True, text=True, check=False
        )
        assert UNIT.name not in done.stderr, done.stderr
    with serve(Numbers()) as server:
        config = {"url": server.url, "max_duration": 60, "infer_messages": 10}
        target = {"destination_path": str(tmp_path), "do_timestamp_file": False}
        main = subprocess.Popen(
            [ROOT / "deploy" / "kubernetes" / "run-shard"],
            cwd=tmp_path,
            env=commands(tmp_path, "target-jsonl")
            | {
                "TAP_CONFIG": str(write_config(tmp_path, config)),
                "TARGET": "target-jsonl",
                "TARGET_CONFIG": str(write_config(tmp_path, target)),
            },
            stderr=subprocess.PIPE,
        )
        path = tmp_path / "messages.jsonl"
        wait_until(lambda: path.exists() and path.stat().st_size > 1000)
        main.send_signal(signal.SIGTERM)  # as KillMode=mixed does
        _, log = main.communicate(timeout=60)
    assert main.returncode == 0, log.decode()
    numbers = [json.loads(line)["trade_id"] for line in path.read_text().splitlines()]
    (counted,) = re.findall(rb"The run ended.* records=(\d+)", log)
    assert len(numbers) == int(counted) > 0
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_the_target_writes_as_often_as_the_page_says() -> None:
    program = (
        "from target_postgres.sinks import PostgresSink as sink\n"
        "from target_postgres.target import TargetPostgres as target\n"
        "print(f'{sink.MAX_SIZE_DEFAULT:,} {target._MAX_RECORD_AGE_IN_MINUTES:g}')"
    )
    done = subprocess.run(
        [tool("target-postgres").parent / "python", "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    rows, minutes = done.stdout.split()
    assert f"writes when it has {rows} rows" in PAGE
    assert f"every {minutes} minutes" in PAGE


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
        shell = subprocess.Popen(
            ["bash", "-c", pipeline],
            cwd=tmp_path,
            env=found,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

        def signal_to(command: str, signal_: signal.Signals) -> None:
            arguments = ["--session", str(shell.pid), "--full", command]
            done = subprocess.run(
                ["pgrep", *arguments], stdout=subprocess.PIPE, check=True
            )
            os.kill(int(done.stdout), signal_)

        wait_until(rows)
        signal_to("bin/target-postgres --config", signal.SIGKILL)
        failed = feed.current()
        wait_until(lambda: feed.current() > failed + 100)
        signal_to("bin/tap-websocket --config", signal.SIGTERM)
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


def test_the_signs_of_the_page_find_an_outage_and_what_is_missing(
    tmp_path: Path,
    postgres: Postgres,
    database: str,
) -> None:
    search = next(line for line in PAGE.splitlines() if " --grep " in line)
    connections = itertools.count()

    async def feed(peer: Peer) -> None:
        first = 10 * next(connections)
        for number in range(first, first + 5):
            await peer.send(json.dumps({"trade_id": number}))
        await peer.close(1011 if first == 0 else 1000)
        await peer.wait()

    with serve(feed) as server:
        config = {
            "url": server.url,
            "max_messages": 10,
            "reconnect": True,
            "reconnect_backoff": 0.1,
            "record_metadata": True,
            "sequence": {"path": "$.trade_id"},
        }
        with postgres.connect(database) as connection:
            connection.execute(f"ALTER DATABASE {database} SET timezone TO 'UTC'")
        target = [tool("target-postgres")]
        run, code, errors = pipe(tmp_path, config, target, postgres.config(database))
    assert [run.code, code] == [0, 0], run.stderr + errors
    *options, pattern = shlex.split(search)
    found = [line for line in run.stderr.splitlines() if re.search(pattern, line)]
    assert {line.partition("| ")[2].split()[0] for line in found} == {"WARNING", "INFO"}
    counted = [line for line in found if "METRIC" in line]
    assert len(counted) == 2
    assert '"outage_count"' in counted[1]
    assert '"missing_count","value":5,' in counted[0]
    silent, missing = blocks("sql")[0].split(";\n\n")
    with postgres.connect(database) as connection:
        ((seconds,),) = connection.execute(silent.encode())
        rows = list(connection.execute(missing.encode()))
    assert 0 < float(str(seconds)) < 600
    assert [(outage is not None, lost) for _, outage, lost in rows] == [(True, 5)]
    if shutil.which(options[0]):
        done = subprocess.run([*options, pattern], capture_output=True, check=False)
        assert b"option" not in done.stderr
        assert b"pattern" not in done.stderr


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
        shell = subprocess.Popen(
            ["bash", "-c", pipeline],
            cwd=directory,
            env=commands(directory, "target-jsonl"),
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        wait_until(lambda: path.exists() and path.stat().st_size > 1000)
        if group:
            os.killpg(shell.pid, signal_)
        else:
            found = subprocess.run(
                ["pgrep", "--session", str(shell.pid), "--full", "bin/tap-websocket"],
                stdout=subprocess.PIPE,
                check=True,
            )
            os.kill(int(found.stdout), signal_)
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
