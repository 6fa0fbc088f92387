"""The demo feed as a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["demo_feed"]


@contextlib.contextmanager
def demo_feed(*options: str) -> Iterator[str]:
    """Run `python -m tap_websocket.demo`; give its URL.

    Args:
        options: Of its command line.
    """
    feed = subprocess.Popen(
        [sys.executable, "-m", "tap_websocket.demo", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert feed.stdout is not None  # noqa: S101 - it was asked for
    try:
        yield feed.stdout.readline().strip()
    finally:
        feed.terminate()
        feed.wait()
        feed.stdout.close()
