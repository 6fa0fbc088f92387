"""`make demo`: trades from the demo feed through Meltano into a JSONL file."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

from scripts.project import environment, make_project
from scripts.tools import ROOT, tool

_MESSAGES = 500
_SHOWN = 3


def main() -> int:
    """Run the demo; return the exit code."""
    directory = ROOT / ".demo"
    output = directory / "output"
    feed = subprocess.Popen(
        [sys.executable, "-m", "tap_websocket.demo", "--rate", "1000"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert feed.stdout is not None  # noqa: S101 - it was asked for
    try:
        url = feed.stdout.readline().strip()
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
    finally:
        feed.terminate()
        feed.wait()
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
