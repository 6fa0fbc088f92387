"""What docs/production.md tells operators to do, done."""

from __future__ import annotations

import configparser
import itertools
import json
import re
import shlex
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import yaml

from scripts.project import make_project
from scripts.tools import ROOT, tool
from tests.support.meltano import start_meltano
from tests.support.processes import start, wait_until
from tests.support.production import PAGE, Numbers, blocks, commands
from tests.support.servers import serve
from tests.support.tap import pipe, write_config

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.support.postgres import Postgres
    from tests.support.servers import Peer

UNIT = ROOT / "deploy" / "systemd" / "tap-websocket.service"


class Unit(configparser.ConfigParser):
    """A unit file: its keys have capitals."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


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

        def run(suffix: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
            command = line.partition("&& ")[2].replace(r'"$(date +\%H)"', suffix)
            program, *arguments = command.split()
            assert program == "meltano"
            return start_meltano(tmp_path, *arguments)

        with run("00") as first:
            # Its own discovery has the first connection; that of the second run finds
            # the columns in schema_location.
            wait_until(lambda: len(server.peers) == 2)
            with run("01") as second:
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
        with start_meltano(tmp_path, "run", "tap-websocket", "target-jsonl") as meltano:
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
        path = tmp_path / "messages.jsonl"
        with start(
            [ROOT / "deploy" / "kubernetes" / "run-shard"],
            cwd=tmp_path,
            env=commands(tmp_path, "target-jsonl")
            | {
                "TAP_CONFIG": str(write_config(tmp_path, config)),
                "TARGET": "target-jsonl",
                "TARGET_CONFIG": str(write_config(tmp_path, target)),
            },
            stderr=subprocess.PIPE,
        ) as main:
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
