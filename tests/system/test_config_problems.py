"""What a wrong config, or a wrong address in it, says on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.scripts import greets
from tests.support.servers import free_port, serve
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from pathlib import Path


SECRET = "s3cr3t"


def test_every_problem_gets_its_line_and_no_run_starts(tmp_path: Path) -> None:
    config = {
        "url": f"ws://user:{SECRET}@localhost/?token={SECRET}",
        "auth": {"type": "bearer", "tokn": SECRET},
        "headers": {"Authorization": SECRET, "X": 5},
        "subscribe_messages": [SECRET, 5],
        "batch_size": "many",
        "reconnect": "ture",
    }
    run = run_tap(tmp_path, config, env={"LOGLEVEL": "DEBUG"})
    assert run.code == 1
    assert run.stdout == b""
    assert len(run.errors) == 5
    assert SECRET not in run.stderr


def test_an_unknown_setting_is_warned_about_with_the_nearest_name(
    tmp_path: Path,
) -> None:
    with serve(greets) as server:
        config = {"url": server.url, "max_messages": 1, "idle_timout": 5}
        run = run_tap(tmp_path, config)
    assert run.code == 0
    (warning,) = run.warnings
    assert "idle_timout" in warning
    assert "did you mean 'idle_timeout'?" in warning


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("ws://no-such-host.invalid/", "cannot connect to ws://no-such-host.invalid"),
        ("ws://localhost:{port}/", "cannot connect to ws://localhost:"),
    ],
)
def test_an_unreachable_server_is_one_line(url: str, line: str, tmp_path: Path) -> None:
    config = {"url": url.replace("{port}", str(free_port())), "max_messages": 1}
    run = run_tap(tmp_path, config)
    assert run.code == 1
    (error,) = run.errors
    assert line in error
    assert "Traceback" not in run.stderr
