"""A target that stalls: `python -m tests.soak.target PATH SEED` copies its input."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

_PIECE = 256 * 1024


def main(path: Path, seed: str) -> None:
    """Copy until the input ends, with stalls."""
    rng = random.Random(seed)
    with path.open("wb", buffering=0) as file:
        stall = time.monotonic() + rng.expovariate(0.5)
        while piece := os.read(0, _PIECE):
            file.write(piece)
            if time.monotonic() > stall:
                time.sleep(rng.choice((0.05, 0.3, 1.0, 2.5)))
                stall = time.monotonic() + rng.expovariate(0.5)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
