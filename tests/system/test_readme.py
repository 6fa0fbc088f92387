"""The README's first run and first table, as a newcomer does them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scripts.declared import ROOT
from scripts.tools import tool
from tests.support.servers import free_port
from tests.support.tap import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.postgres import Postgres

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(heading: str, language: str) -> list[str]:
    _, _, rest = README.partition(f"\n## {heading}\n")
    section = rest.partition("\n## ")[0]
    found = re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert found
    return [str(block) for block in found]


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Path]:
    """A folder with the demo feed running, as the first block starts it."""
    start, _ = blocks("First run", "console")
    port = free_port()
    program, *arguments = start.replace("8765", str(port)).split()
    assert program == "python"
    with subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL
    ) as feed:
        (config,) = blocks("First run", "json")
        path = tmp_path / "config.json"
        path.write_text(config.replace("8765", str(port)))
        yield tmp_path
        feed.terminate()


def run(folder: Path, command: str) -> str:
    """Run a command of the page; return what it logged."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for _ in range(20):
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail\n{command}"],
            cwd=folder,
            env=clean_environment({"PATH": path}),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if "Connection refused" not in done.stderr:
            break
        time.sleep(0.5)  # the feed is still starting
    assert done.returncode == 0, done.stderr
    assert "| WARNING" not in done.stderr
    return done.stderr


def test_the_first_run(newcomer: Path) -> None:
    log = run(newcomer, blocks("First run", "console")[1])
    lines = (newcomer / "trades.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["type"] for line in lines]
    assert kinds.count("RECORD") == 200
    assert kinds[0] == "SCHEMA"
    assert "The run ended" in log
    assert (newcomer / "trades.columns.json").exists()


def test_the_first_table(
    newcomer: Path,
    postgres: Postgres,
    database: str,
) -> None:
    (written,) = blocks("First table", "json")
    given = json.loads(written)
    config = postgres.config(database)
    assert given.keys() == config.keys()
    (newcomer / "postgres.json").write_text(json.dumps(given | config))
    programs = newcomer / "target" / "bin"
    programs.mkdir(parents=True)
    (programs / "target-postgres").symlink_to(tool("target-postgres"))
    run(newcomer, blocks("First table", "console")[1])
    with postgres.connect(database) as connection:
        ((rows,),) = connection.execute("SELECT count(*) FROM messages")
        columns = connection.execute(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_name = 'messages'",
        )
        names = {str(name) for (name,) in columns}
    assert rows == 200
    assert {"symbol", "price", "quantity", "trade_id", "traded_at", "venue"} <= names
