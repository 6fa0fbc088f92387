"""Meltano as an operator: Ctrl-C, the environment, metadata."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import yaml

from scripts.project import environment, make_project
from scripts.tools import tool
from tests.support.exchange import Limits, serve_exchange
from tests.support.meltano import start_meltano
from tests.support.processes import wait_until
from tests.support.raw import frame, serve_raw

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.raw import RawPeer


async def steady(peer: RawPeer) -> None:
    await peer.upgrade()
    for number in itertools.count():
        await peer.send(frame(b'{"n": %d}' % number))


def test_ctrl_c_ends_promptly_and_what_was_written_is_in_the_target(
    tmp_path: Path,
) -> None:
    output = tmp_path / "output"
    path = output / "messages.jsonl"
    with serve_raw(steady) as server:
        config = {"url": server.url, "idle_timeout": 60, "infer_messages": 10}
        make_project(tmp_path, tap_config=config, output=output)
        with start_meltano(
            tmp_path, "run", "tap-websocket", "target-jsonl", start_new_session=True
        ) as meltano:
            wait_until(lambda: path.exists() and path.stat().st_size > 100_000)
            before = path.read_bytes().count(b"\n")
            begin = time.monotonic()
            os.killpg(meltano.pid, signal.SIGINT)
            _, errors = meltano.communicate(timeout=60)
    # Before its idle_timeout, and before one of Meltano's.
    assert time.monotonic() - begin < 20, errors.decode()
    assert meltano.returncode != 0, errors.decode()
    numbers = [json.loads(line)["n"] for line in path.read_text().splitlines()]
    assert len(numbers) >= before
    assert numbers == list(range(len(numbers)))


def test_two_shards_run_at_once_each_with_a_state_of_its_own(tmp_path: Path) -> None:
    """Each is an extractor that inherits: of one name, runs share their catalog."""
    with serve_exchange(60, Limits(connects=1000)) as exchange:
        config = {
            "url": exchange.url,
            "topics": {"url": exchange.list_url, "path": "$.symbols[*].symbol"},
            "topics_per_connection": 20,
            "topics_per_message": 10,
            "subscribe_messages": [exchange.subscription],
            "idle_timeout": 3,
        }
        make_project(tmp_path, tap_config=config, output=tmp_path / "output")
        project = yaml.safe_load((tmp_path / "meltano.yml").read_text())
        project["plugins"]["extractors"] += [
            {
                "name": f"tap-websocket-{index}",
                "inherit_from": "tap-websocket",
                "config": {"shard_index": index, "shard_count": 2},
            }
            for index in range(2)
        ]
        (tmp_path / "meltano.yml").write_text(yaml.safe_dump(project))
        # The first command makes Meltano's own database, which two cannot do at once.
        subprocess.run(
            [tool("meltano"), "state", "list"],
            cwd=tmp_path,
            env=environment(),
            check=True,
        )
        runs = []
        with contextlib.ExitStack() as stack:
            for index in range(2):
                output = tmp_path / f"output-{index}"
                output.mkdir()
                started = start_meltano(
                    tmp_path,
                    "run",
                    f"--state-id-suffix=shard-{index}",
                    f"tap-websocket-{index}",
                    "target-jsonl",
                    variables={"TARGET_JSONL_DESTINATION_PATH": str(output)},
                )
                runs.append(stack.enter_context(started))
            logs = [run.communicate(timeout=120)[1].decode() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], "\n".join(logs)
    symbols = []
    for index in range(2):
        lines = (tmp_path / f"output-{index}" / "messages.jsonl").read_text()
        symbols.append({json.loads(line)["symbol"] for line in lines.splitlines()})
        assert f"shard {index} of 2" in logs[index]
        assert f":shard-{index}'" in logs[index]
    assert symbols[0] | symbols[1] == set(exchange.symbols)
    assert not symbols[0] & symbols[1]


def test_a_number_that_an_engine_leaves_empty_is_not_set(tmp_path: Path) -> None:
    config = {
        "url": "ws://localhost:1/{topics}",
        "topics": ["a", "b"],
        "infer_messages": 0,
        "max_duration": 5,
    }
    make_project(tmp_path, tap_config=config, output=tmp_path / "output")
    done = subprocess.run(
        [tool("meltano"), "invoke", "tap-websocket"],
        cwd=tmp_path,
        env={
            **environment(),
            "TAP_WEBSOCKET_SHARD_INDEX": "",
            "TAP_WEBSOCKET_SHARD_COUNT": "",
            "TAP_WEBSOCKET_TOPICS_PER_CONNECTION": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 listed, 2 for this run, on 2 connections" in done.stderr, done.stderr
