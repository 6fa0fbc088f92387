"""An event loop whose clock jumps: what takes an hour takes no time."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["FakeClockLoop", "run"]

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for no timer: it moves the clock on by what the loop would wait."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            msg = "the test waits for something that never happens"
            raise RuntimeError(msg)
        self.now += max(timeout, 0.0)
        return super().select(0)


class FakeClockLoop(asyncio.SelectorEventLoop):
    """A loop that has nothing to wait for but its own timers."""

    def __init__(self) -> None:
        self._fake = _JumpingSelector()
        super().__init__(self._fake)

    def time(self) -> float:
        """Return the seconds since the loop was made."""
        return self._fake.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a loop whose clock jumps."""
    with asyncio.Runner(loop_factory=FakeClockLoop) as runner:
        return runner.run(main)
