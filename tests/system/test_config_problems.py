"""What a wrong config, or a wrong address in it, says on the command line."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize("evolution", ["add_columns", "rescue"])
@pytest.mark.parametrize("options", [(), ("--discover",)])
def test_a_key_that_the_schema_lacks_is_an_error_before_any_connection(
    evolution: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    with serve(greets) as server:
        config = {
            "url": server.url,
            "max_messages": 1,
            "schema": {"properties": {"traded_at": {"type": "string"}}},
            "schema_evolution": evolution,
            "primary_keys": ["id", "traded_at"],
        }
        run = run_tap(tmp_path, config, *options)
        assert not server.peers
    assert run.code == 1
    assert run.stdout == b""
    (error,) = run.errors
    assert "primary_keys: 'id' is not in schema; add it there" in error


def test_a_key_that_the_catalog_lacks_is_an_error_before_any_connection(
    tmp_path: Path,
) -> None:
    with serve(greets) as server:
        config = {"url": server.url, "max_messages": 1, "primary_keys": ["id"]}
        catalog = json.loads(run_tap(tmp_path, config, "--discover").stdout)
        del catalog["streams"][0]["schema"]["properties"]["id"]
        (tmp_path / "catalog.json").write_text(json.dumps(catalog))
        seen = len(server.peers)
        run = run_tap(tmp_path, config, "--catalog", "catalog.json")
        assert len(server.peers) == seen
    assert run.code == 1
    assert run.stdout == b""
    (error,) = run.errors
    assert "the catalog has no property 'id', which primary_keys names" in error


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
