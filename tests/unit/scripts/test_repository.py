"""The repository's own files agree with each other."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import yaml

from scripts import plugin
from scripts.declared import ROOT
from tap_websocket import __version__

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]


def parsed(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_readme_names_the_wheel_of_this_version() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"tap_websocket-{__version__}-py3-none-any.whl" in readme


def test_each_action_is_pinned_and_its_version_is_named() -> None:
    uses = [
        line.strip()
        for path in WORKFLOWS
        for line in path.read_text(encoding="utf-8").splitlines()
        if "uses:" in line
    ]
    assert len(uses) > 5
    for line in uses:
        assert re.fullmatch(r"- uses: [\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), (
            line
        )


def test_one_commit_stands_for_one_version_of_an_action() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    found = set(re.findall(r"uses: ([\w/-]+)@(\w+) # (\S+)", text))
    assert len({action for action, _, _ in found}) == len(found)


def test_the_same_pythons_are_promised_tested_and_listed() -> None:
    promised = [
        line.rpartition(" ")[2]
        for line in PROJECT["classifiers"]
        if re.search(r"Python :: 3\.\d+$", line)
    ]
    jobs = parsed(".github/workflows/ci.yml")["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == promised
    hub = yaml.safe_load(plugin.hub_definition())
    assert hub["supported_python_versions"] == promised
    assert PROJECT["requires-python"] == f">={promised[0]}"


def test_the_pre_commit_hooks_run_what_make_lint_runs() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (local,) = parsed(".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local"
    for hook in local["hooks"]:
        program = hook["entry"].split()[0]
        assert program.startswith(".venv/bin/")
        name = program.removeprefix(".venv/bin/").replace("python", "$(PYTHON)")
        assert name in makefile, hook["entry"]
        assert hook["language"] == "system"


def test_updates_wait_and_come_together() -> None:
    for update in parsed(".github/dependabot.yml")["updates"]:
        assert update["cooldown"]["default-days"] >= 7
        assert update["groups"]


def test_meltano_is_asked_for_by_its_version() -> None:
    project = parsed("meltano.yml")
    assert "version" not in project
    assert project["requires_meltano"]


def test_extras_that_pages_and_errors_name_exist() -> None:
    extras = set(PROJECT["optional-dependencies"])
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    pages += (ROOT / "tap_websocket").rglob("*.py")
    named = {
        extra
        for page in pages
        for found in re.findall(
            r"tap-websocket\[([\w,]+)\]", page.read_text(encoding="utf-8")
        )
        for extra in found.split(",")
    }
    assert named
    assert named <= extras
