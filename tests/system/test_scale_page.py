"""The steps of docs/scale.md, run as printed, on an exchange that keeps its limits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from scripts.recipes import located
from scripts.tools import ROOT
from tests.support.exchange import Limits, serve_exchange
from tests.support.tap import clean_environment, run_tap

if TYPE_CHECKING:
    from tests.support.exchange import Exchange

PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


def blocks(language: str, section: str) -> list[str]:
    """Return the blocks of a language below a heading."""
    _, _, below = PAGE.partition(f"\n## {section}\n")
    assert below, section
    body = below.partition("\n## ")[0]
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, body, re.MULTILINE | re.DOTALL)


def step(exchange: Exchange, section: str, **more: Any) -> dict[str, Any]:
    """Return a step's config, its hosts moved to the exchange."""
    (text,) = blocks("json", section)
    return {**located(json.loads(text), exchange.port), **more}


def symbols(records: list[dict[str, Any]]) -> list[str]:
    return sorted(record["symbol"] for record in records)


def test_one_symbol(tmp_path: Path) -> None:
    with serve_exchange(20) as exchange:
        config = step(exchange, "1. One symbol", idle_timeout=3)
        run = run_tap(tmp_path, config)
    assert run.code == 0, run.stderr
    assert symbols(run.records) == ["S0007-USDT"]
    assert not run.warnings


def test_several_symbols(tmp_path: Path) -> None:
    with serve_exchange(20) as exchange:
        run = run_tap(tmp_path, step(exchange, "2. Several", idle_timeout=3))
    assert run.code == 0, run.stderr
    assert symbols(run.records) == ["S0007-USDT", "S0008-USDT", "S0009-USDT"]


def test_all_symbols_within_the_limits(tmp_path: Path) -> None:
    # Twice what the page's interval asks for: a busy machine sees them in bursts.
    with serve_exchange(3000, Limits(connects=8)) as exchange:
        config = step(exchange, "3. All that there are", max_messages=3000)
        run = run_tap(tmp_path, config)
    assert run.code == 0, run.stderr
    assert exchange.breaches == []
    assert symbols(run.records) == exchange.symbols
    (line,) = blocks("text", "3. All that there are")
    assert line.strip() in run.stderr
    assert (tmp_path / "tickers.json").exists()


def test_several_processes_as_a_shell_starts_them(tmp_path: Path) -> None:
    (script,) = blocks("bash", "4. Several processes")
    with serve_exchange(300, Limits(connects=100)) as exchange:
        config = step(exchange, "3. All that there are", idle_timeout=2)
        (tmp_path / "exchange.json").write_text(json.dumps(config))
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=tmp_path,
            env=clean_environment({"PATH": path}),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    shards = [
        [
            json.loads(line)["record"]["symbol"]
            for line in (tmp_path / f"shard-{index}.jsonl").read_text().splitlines()
            if '"RECORD"' in line
        ]
        for index in range(2)
    ]
    assert all(shards), done.stderr
    assert sorted(shards[0] + shards[1]) == exchange.symbols


def test_the_files_that_the_page_names_are_there() -> None:
    linked = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert linked
    for name in linked:
        assert (ROOT / "docs" / name).exists(), name
    commands = "\n".join(blocks("bash", "5. Four machines"))
    for name in re.findall(r"deploy/[\w./-]+", commands):
        assert (ROOT / name).exists(), name
    dag = (ROOT / "deploy" / "airflow" / "tap_websocket_shards.py").read_text()
    for name in re.findall(r"^export (\w+)=", commands, re.MULTILINE):
        assert name in dag


def test_the_extractors_of_the_page_are_shards() -> None:
    (text,) = blocks("yaml", "5. Four machines")
    extractors = yaml.safe_load(text)["plugins"]["extractors"]
    commands = "\n".join(blocks("bash", "5. Four machines"))
    for index, extractor in enumerate(extractors):
        assert extractor["config"] == {"shard_index": index, "shard_count": 2}
        suffix = f"--state-id-suffix=shard-{index}"
        assert f"meltano run {suffix} {extractor['name']} target-jsonl" in commands


@pytest.mark.parametrize("name", ["README.md", "docs/feeds.md"])
def test_other_pages_lead_here(name: str) -> None:
    assert "scale.md" in (ROOT / name).read_text(encoding="utf-8")
