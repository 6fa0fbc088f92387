"""A `.env` file sets what nothing else does, and reaches no further."""

from __future__ import annotations

import itertools
import json
import os
from typing import TYPE_CHECKING

from tests.support.servers import serve
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.servers import Peer


async def numbers(peer: Peer) -> None:
    for number in itertools.count():
        await peer.send(json.dumps({"n": number}))
        if number == 100:
            await peer.wait()


def test_the_environment_and_a_config_file_win(tmp_path: Path) -> None:
    lines = (
        "TAP_WEBSOCKET_URL=ws://evil.invalid/",
        "TAP_WEBSOCKET_MAX_MESSAGES=90",
        "TAP_WEBSOCKET_STREAM_NAME=from_dotenv",
    )
    (tmp_path / ".env").write_text("\n".join(lines))
    with serve(numbers) as server:
        env = {"TAP_WEBSOCKET_URL": server.url}
        run = run_tap(tmp_path, {"max_messages": 3}, "--config=ENV", env=env)
    assert run.code == 0, run.stderr
    assert len(run.records) == 3
    assert {message["stream"] for message in run.messages} == {"from_dotenv"}
    (line,) = (text for text in run.stderr.splitlines() if ".env" in text)
    assert "INFO" in line
    assert str(tmp_path / ".env") in line


def test_only_the_taps_own_names_act(tmp_path: Path) -> None:
    keys = tmp_path / "keys.log"
    lines = (
        "http_proxy=http://localhost:1/",
        "all_proxy=http://localhost:1/",
        f"SSLKEYLOGFILE={keys}",
        "LOGLEVEL=DEBUG",
        "TAP_WEBSOCKET_MAX_MESSAGES=3",
    )
    (tmp_path / ".env").write_text("\n".join(lines))
    with serve(numbers) as server:
        run = run_tap(tmp_path, {"url": server.url}, "--config=ENV")
    assert run.code == 0, run.stderr
    assert "DEBUG" not in run.stderr
    assert not keys.exists()


def test_a_parents_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TAP_WEBSOCKET_STREAM_NAME=evil\n")
    inner = tmp_path / "inner"
    inner.mkdir()
    with serve(numbers) as server:
        config = {"url": server.url, "max_messages": 3}
        run = run_tap(inner, config, "--config=ENV")
    assert run.code == 0, run.stderr
    assert {message["stream"] for message in run.messages} == {"messages"}
    assert ".env" not in run.stderr


def test_a_fifo_does_not_hang_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env")
    with serve(numbers) as server:
        config = {"url": server.url, "max_messages": 3}
        run = run_tap(tmp_path, config, "--config=ENV", timeout=30)
    assert run.code == 0, run.stderr
    (warning,) = run.warnings
    assert "it is not a regular file" in warning
