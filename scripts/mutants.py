"""Take each protection out and see its test fail: `python -m scripts.mutants [NAME …]`.

A patch is applied to a copy of the tree, so that nothing here ever changes.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

__all__ = ["HOME", "LIST", "Mutant", "Tree", "hunt", "read"]

HOME = Path(__file__).parents[1]
LIST = Path(__file__).with_suffix(".toml")
_COPIED = ("tap_websocket", "tests", "scripts", "pyproject.toml")
_AT_ONCE = 3
"""One more than CI has cores: a test without its protection mostly waits."""

_SECONDS = 120.0


@dataclasses.dataclass(frozen=True)
class Mutant:
    """A patch that takes a protection out.

    Attributes:
        name: What is wrong then.
        file: The file, from the project's folder.
        old: A text that stands in it once.
        new: What stands there instead.
        test: The test that must fail, a pytest node id.
    """

    name: str
    file: str
    old: str
    new: str
    test: str


class Tree:
    """A copy of the project, for one mutant or for none."""

    def __init__(self, home: Path) -> None:
        """Copy what tests need from a project's folder, compiled files included."""
        self.path = Path(tempfile.mkdtemp(prefix="tap-websocket-mutant-"))
        self.report = self.path / "report.xml"
        for name in _COPIED:
            source = home / name
            if source.is_dir():
                shutil.copytree(source, self.path / name)
            else:
                shutil.copy2(source, self.path)

    def __enter__(self) -> Self:
        """Return the copy, which is deleted when the block is left."""
        return self

    def __exit__(self, *_: object) -> None:
        """Delete the copy."""
        shutil.rmtree(self.path)

    def apply(self, mutant: Mutant) -> str:
        """Patch the copy; return what is wrong with the patch, or nothing."""
        file = self.path / mutant.file
        text = file.read_text() if file.exists() else ""
        if text.count(mutant.old) != 1:
            return f"stale: {text.count(mutant.old)} times in {mutant.file}"
        file.write_text(text.replace(mutant.old, mutant.new))
        return ""

    def test(self, tests: Sequence[str], seconds: float, *options: str) -> str:
        """Run tests on the copy; return `passed`, `failed` or what else happened."""
        try:
            subprocess.run(
                [
                    sys.executable,
                    *("-m", "pytest", "-q", "-p", "no:cacheprovider"),
                    f"--junitxml={self.report}",
                    *options,
                    *tests,
                ],
                cwd=self.path,
                env=os.environ | {"PYTHONPATH": str(self.path)},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"no end within {seconds:g} s"
        return _outcome(self.report, len(tests))


def _outcome(report: Path, expected: int) -> str:
    if not report.exists():
        return "broken: pytest did not run"
    suites = ET.parse(report).iter("testsuite")  # noqa: S314 - our own file
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in suites:
        for name in counts:
            counts[name] += int(suite.get(name, 0))
    if counts["errors"] or counts["skipped"] or counts["tests"] != expected:
        return f"broken: {counts}"
    return "failed" if counts["failures"] else "passed"


def _failing(report: Path) -> list[str]:
    """Return the names of the tests that did not pass."""
    if not report.exists():
        return []
    cases = ET.parse(report).iter("testcase")  # noqa: S314 - our own file
    return [case.get("name", "") for case in cases if len(case)]


def read(path: Path) -> list[Mutant]:
    """Read the list of mutants."""
    return [Mutant(**each) for each in tomllib.loads(path.read_text())["mutant"]]


def attempt(mutant: Mutant, home: Path) -> tuple[str, float]:
    """Try one mutant on a copy of a tree; return what came of it, and the seconds."""
    begin = time.monotonic()
    with Tree(home) as tree:
        outcome = tree.apply(mutant) or tree.test([mutant.test], _SECONDS)
    return outcome, time.monotonic() - begin


def hunt(mutants: Sequence[Mutant], home: Path) -> int:
    """Try mutants; return the number of those that survive."""
    alive = 0
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        outcomes = pool.map(lambda mutant: attempt(mutant, home), mutants)
        for mutant, (outcome, seconds) in zip(mutants, outcomes, strict=True):
            killed = outcome == "failed"
            alive += not killed
            result = "killed" if killed else f"SURVIVED ({outcome})"
            print(f"{result:8} {seconds:5.1f} s  {mutant.name}", flush=True)
    return alive


def main(arguments: list[str]) -> int:
    """Try all, or those whose name has one of these texts; return 1 if one survives."""
    mutants = [
        mutant
        for mutant in read(LIST)
        if any(text in mutant.name for text in arguments or [""])
    ]
    with Tree(HOME) as sound:
        tests = sorted({mutant.test for mutant in mutants})
        outcome = sound.test(tests, _SECONDS * len(tests), "-n2")
        if outcome != "passed":
            print(f"without any mutant, the tests should pass: {outcome}")
            print("\n".join(_failing(sound.report)))
            return 1
        alive = hunt(mutants, sound.path)
    print(f"{len(mutants) - alive} of {len(mutants)} mutants killed")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
