"""`make demo`: trades from the demo feed through Meltano into a JSONL file."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

from scripts.feed import demo_feed
from scripts.project import environment, make_project
from scripts.tools import ROOT, tool

_MESSAGES = 500
_SHOWN = 3


def main() -> int:
    """Run the demo; return the exit code."""
    directory = ROOT / ".demo"
    output = directory / "output"
    with demo_feed("--rate", "1000") as url:
        (output / "messages.jsonl").unlink(missing_ok=True)
        make_project(
            directory,
            tap_config={"url": url, "max_messages": _MESSAGES},
            output=output,
        )
        print(f"The demo feed is at {url}; running: {_COMMAND}\n", flush=True)
        code = subprocess.run(
            [tool("meltano"), *_COMMAND.split()[1:]],
            cwd=directory,
            env=environment(),
            check=False,
        ).returncode
    if code == 0:
        _show(output / "messages.jsonl")
    return code


_COMMAND = "meltano run tap-websocket target-jsonl"


def _show(path: Path) -> None:
    with path.open(encoding="utf-8") as lines:
        first = list(itertools.islice(lines, _SHOWN))
        total = len(first) + sum(1 for _ in lines)
    print(f"\nThe first of {total} records:\n")
    print("".join(first))
    print(f"All of them are in {path.relative_to(Path.cwd())}")


if __name__ == "__main__":
    sys.exit(main())
