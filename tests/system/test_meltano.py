"""Meltano as an operator: Ctrl-C, the environment, metadata."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from scripts.project import environment, make_project
from scripts.tools import tool
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
        meltano = subprocess.Popen(
            [tool("meltano"), "run", "tap-websocket", "target-jsonl"],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        deadline = time.monotonic() + 60
        while not (path.exists() and path.stat().st_size > 100_000):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        before = path.read_bytes().count(b"\n")
        begin = time.monotonic()
        os.killpg(meltano.pid, signal.SIGINT)
        _, errors = meltano.communicate(timeout=60)
    assert time.monotonic() - begin < 20, errors.decode()
    numbers = [json.loads(line)["n"] for line in path.read_text().splitlines()]
    assert len(numbers) >= before
    assert numbers == list(range(len(numbers)))
