"""Run an installed tap for a moment: `python -m scripts.smoke COMMAND`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.feed import demo_feed

_MESSAGES = 100


def main(command: str) -> int:
    """Sync from the demo feed; return 0 when every record came."""
    with demo_feed("--rate", "0") as url, tempfile.TemporaryDirectory() as directory:
        config = Path(directory, "config.json")
        config.write_text(json.dumps({"url": url, "max_messages": _MESSAGES}))
        run = subprocess.run(
            [command, "--config", str(config)],
            stdout=subprocess.PIPE,
            check=True,
        )
    records = sum(b'"type":"RECORD"' in line for line in run.stdout.splitlines())
    print(f"{command}: {records} records of {_MESSAGES}")
    return 0 if records == _MESSAGES else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
