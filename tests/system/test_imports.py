"""The rules of `.importlinter`: the package keeps them, and each finds a breach."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.declared import ROOT

# A module and what it must not import, for each rule.
BREACHES = {
    "Data flows one way": ("network/urls.py", "import tap_websocket.feed.feed"),
    "No two modules or packages import each other": (
        "expressions/matchers.py",
        "import tap_websocket.expressions.rules",
    ),
    "Records know of the feed only what it hands on": (
        "records/router.py",
        "import tap_websocket.feed.session",
    ),
    "Only the Singer side knows the SDK": ("feed/session.py", "import singer_sdk"),
    "Each WebSocket library has one place": ("feed/session.py", "import websockets"),
}


def lint(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=project,
        # The copy, and not the package that is installed.
        env={"PYTHONPATH": str(project), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "tap_websocket", tmp_path / "tap_websocket")
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def test_the_package_keeps_the_rules(project: Path) -> None:
    done = lint(project)
    assert done.returncode == 0, done.stdout
    for rule in BREACHES:
        assert f"{rule} KEPT" in done.stdout


@pytest.mark.parametrize("rule", BREACHES)
def test_a_breach_is_found(rule: str, project: Path) -> None:
    name, line = BREACHES[rule]
    path = project / "tap_websocket" / name
    path.write_text(f"{path.read_text()}\n{line}\n")
    done = lint(project)
    assert done.returncode == 1
    assert f"{rule} BROKEN" in done.stdout
