"""The time of a closing handshake, which stands still while nothing is read."""

from __future__ import annotations

import asyncio

import pytest

from tap_websocket.transports.closing import ClosingDeadline
from tests.support import fake_clock


def dropped(*steps: tuple[float, str], reads: bool = True) -> float | None:
    """Set 5 s at 1 s, and pause and resume at some times; return when it drops."""

    async def run() -> float | None:
        loop = asyncio.get_running_loop()
        deadline = ClosingDeadline()
        at: list[float] = []
        plan = [*steps, (1.0, "start")]
        for when, what in sorted(plan):
            await asyncio.sleep(when - loop.time())
            if what == "start":
                deadline.start(5.0, lambda: at.append(loop.time()), reads=reads)
            else:
                getattr(deadline, what)()
        await asyncio.sleep(100)
        return at[0] if at else None

    return fake_clock.run(run())


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((), 6),
        (((2, "pause"), (50, "resume")), 54),
        (((0.5, "pause"), (50, "resume")), 55),
        (((2, "pause"), (3, "resume"), (4, "pause"), (10, "resume")), 13),
        (((2, "pause"),), None),
        (((2, "stop"),), None),
        (((2, "pause"), (3, "stop"), (4, "resume")), None),
        (((0.2, "pause"), (0.5, "resume")), 6),
    ],
)
def test_pauses_do_not_count(
    steps: tuple[tuple[float, str], ...], expected: float | None
) -> None:
    assert dropped(*steps) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("paused_at", [0.5, 2])
def test_what_is_not_wanted_is_not_waited_for(paused_at: float) -> None:
    assert dropped((paused_at, "pause"), reads=False) == pytest.approx(6)
