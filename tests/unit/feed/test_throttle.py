"""Attempts are bounded and spaced, on a clock that jumps."""

from __future__ import annotations

import asyncio

import pytest

from tap_websocket.feed.throttle import ConnectThrottle
from tests.support import fake_clock


def test_attempts_are_spaced_and_bounded() -> None:
    async def main() -> tuple[list[float], int]:
        throttle = ConnectThrottle(interval=0.5)
        loop = asyncio.get_running_loop()
        starts: list[float] = []
        inside = most = 0

        async def attempt() -> None:
            nonlocal inside, most
            async with throttle:
                starts.append(loop.time())
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(100)
                inside -= 1

        await asyncio.gather(*(attempt() for _ in range(40)))
        return starts, most

    starts, most = fake_clock.run(main())
    assert most == 32
    assert starts[:32] == pytest.approx([n / 2 for n in range(32)])
    assert all(start >= 100 for start in starts[32:])


def test_an_attempt_that_is_cancelled_leaves_room() -> None:
    async def main() -> None:
        throttle = ConnectThrottle(interval=10)
        async with throttle:
            pass

        async def attempt() -> None:
            async with throttle:
                pass

        waiting = asyncio.create_task(attempt())
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.wait([waiting])
        await asyncio.wait_for(attempt(), 100)

    fake_clock.run(main())
