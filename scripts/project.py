"""A throwaway Meltano project that runs the tap and the targets of this checkout."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import yaml

from scripts.tools import ROOT, tool

__all__ = ["environment", "make_project"]


def make_project(
    directory: Path,
    *,
    tap_config: dict[str, Any],
    output: Path,
) -> None:
    """Write the repository's own project file, with the installed commands.

    Args:
        directory: Where the project will be.
        tap_config: Settings of the tap.
        output: Where target-jsonl puts its files.
    """
    project = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))
    (extractor,) = project["plugins"]["extractors"]
    (loader,) = project["plugins"]["loaders"]
    extractor["executable"] = str(Path(sys.executable).parent / "tap-websocket")
    extractor["config"] = tap_config
    loader["executable"] = str(tool("target-jsonl"))
    loader["config"]["destination_path"] = str(output)
    for plugin in (extractor, loader):
        del plugin["pip_url"]
    directory.mkdir(parents=True, exist_ok=True)
    output.mkdir(parents=True, exist_ok=True)
    (directory / "meltano.yml").write_text(yaml.safe_dump(project, sort_keys=False))


def environment() -> dict[str, str]:
    """Return the environment in which Meltano runs: nothing is reported home."""
    return {
        **{name: value for name, value in os.environ.items() if "MELTANO" not in name},
        "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
        "NO_COLOR": "1",
    }
