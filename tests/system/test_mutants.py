"""The mutants: their patches apply, and the runner tells what came of them."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from scripts import mutants
from scripts.mutants import Mutant

if TYPE_CHECKING:
    from pathlib import Path

TESTS = """
import pytest
from tap_websocket import limit

def test_limit():
    assert limit == 1

@pytest.fixture
def broken():
    if limit != 1:
        raise RuntimeError

def test_with_fixture(broken):
    pass
"""

OUTCOMES = {
    "killed": ("limit = 1", "limit = 2", "test_limit"),
    "SURVIVED (passed)": ("limit = 1", "limit = 1.0", "test_limit"),
    "SURVIVED (broken": ("limit = 1", "limit = 2", "test_with_fixture"),
    "SURVIVED (broken: ": ("limit = 1", "limit =", "test_limit"),
    "SURVIVED (stale: 0 times": ("limit = 3", "limit = 2", "test_limit"),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("tap_websocket", "tests", "scripts"):
        (tmp_path / name).mkdir()
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "tap_websocket" / "__init__.py").write_text("limit = 1\n")
    (tmp_path / "tests" / "test_limit.py").write_text(TESTS)
    return tmp_path


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_only_a_test_that_fails_kills_a_mutant(
    outcome: str,
    project: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    old, new, name = OUTCOMES[outcome]
    test = f"tests/test_limit.py::{name}"
    mutant = Mutant("no limit", "tap_websocket/__init__.py", old, new, test)
    alive = mutants.hunt([mutant], project)
    assert capsys.readouterr().out.startswith(outcome)
    assert alive == (outcome != "killed")
    kept = (project / "tap_websocket" / "__init__.py").read_text()
    assert kept == "limit = 1\n"


def test_each_patch_of_the_list_still_applies() -> None:
    every = mutants.read(mutants.LIST)
    assert len({mutant.name for mutant in every}) == len(every) >= 20
    for mutant in every:
        text = (mutants.HOME / mutant.file).read_text()
        assert text.count(mutant.old) == 1, mutant
        file, _, name = mutant.test.partition("::")
        assert f"def {name.partition('[')[0]}(" in (mutants.HOME / file).read_text()


def test_each_mutant_names_one_test() -> None:
    """A name that stands for several, or none, breaks the whole hunt."""
    tests = sorted({mutant.test for mutant in mutants.read(mutants.LIST)})
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *tests],
        cwd=mutants.HOME,
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(filter(lambda line: "::" in line, found.stdout.splitlines())) == tests
