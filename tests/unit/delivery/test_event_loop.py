"""When the loop sleeps so that messages are read a few at a time, and when not."""

from __future__ import annotations

import asyncio
import selectors
import socket
import sys

import pytest

from tap_websocket.delivery.event_loop import (
    GatheringSelector,
    GatherPolicy,
    gather_seconds,
    make_event_loop,
)
from tests.support.receive import make_settings

GATHER = 0.004


def woken_often(policy: GatherPolicy, *, times: int = 8, waited: float = 0.001) -> None:
    for _ in range(times):
        policy.woken(10.0, waited, ready=True)


def test_a_feed_that_wakes_the_loop_again_and_again_is_gathered() -> None:
    policy = GatherPolicy(GATHER)
    woken_often(policy, times=7)
    assert policy.pause(10.0, None) == 0
    woken_often(policy, times=1)
    assert policy.pause(10.0001, None) == GATHER


def test_a_quiet_feed_is_read_at_once() -> None:
    policy = GatherPolicy(GATHER)
    woken_often(policy, times=20, waited=0.01)
    assert policy.pause(10.0, None) == 0


@pytest.mark.parametrize(("waited", "ready"), [(0.01, True), (0.001, False)])
def test_a_pause_of_the_feed_ends_the_gathering(waited: float, ready: bool) -> None:
    policy = GatherPolicy(GATHER)
    woken_often(policy)
    policy.woken(10.0, waited, ready=ready)
    assert policy.pause(10.0, None) == 0


def test_a_timer_is_not_late() -> None:
    policy = GatherPolicy(GATHER)
    woken_often(policy)
    assert policy.pause(10.0, 0.001) == 0.001
    assert policy.pause(10.0, 60) == GATHER


def test_a_loop_that_had_much_to_do_may_be_behind_and_does_not_sleep() -> None:
    policy = GatherPolicy(GATHER)
    woken_often(policy)
    assert policy.pause(10.001, None) == 0


class Watched:
    """A selector with one readable end of a pair of sockets, and its sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.near, self.far = socket.socketpair()
        policy = GatherPolicy(GATHER)
        self.selector = GatheringSelector(
            policy,
            clock=lambda: 10.0,
            sleep=self.sleep,
        )
        self.selector.register(self.near, selectors.EVENT_READ)
        woken_often(policy)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.far.send(b"x")

    def close(self) -> None:
        self.selector.close()
        self.near.close()
        self.far.close()


def test_the_selector_sleeps_only_while_nothing_is_there() -> None:
    watched = Watched()
    try:
        assert len(watched.selector.select()) == 1
        assert watched.slept == [GATHER]
        assert len(watched.selector.select()) == 1
        assert watched.slept == [GATHER]
        watched.near.recv(1)
        assert watched.selector.select(0) == []
        assert watched.slept == [GATHER]
        assert len(watched.selector.select(0.001)) == 1
        assert watched.slept == [GATHER, 0.001]
    finally:
        watched.close()


@pytest.mark.parametrize(
    ("config", "seconds"),
    [
        ({}, GATHER),
        ({"flush_interval": 0.02}, 0.002),
        ({"flush_interval": 0.001}, 0),
        ({"record_metadata": True}, 0),
        ({"envelope": True}, 0),
    ],
)
def test_a_user_who_wants_records_or_times_at_once_gets_them(
    config: dict[str, object], seconds: float
) -> None:
    assert gather_seconds(make_settings(**config)) == pytest.approx(seconds)


@pytest.mark.parametrize("seconds", [0.0, GATHER])
def test_the_loop_runs_timers_and_sockets(seconds: float) -> None:
    async def talk() -> bytes:
        near, far = socket.socketpair()
        with near, far:
            near.setblocking(False)
            far.setblocking(False)
            loop = asyncio.get_running_loop()
            got = b""
            for _ in range(50):
                await loop.sock_sendall(far, b"x")
                got += await loop.sock_recv(near, 10)
            await asyncio.sleep(0.001)
            return got

    with asyncio.Runner(loop_factory=lambda: make_event_loop(seconds)) as runner:
        assert runner.run(talk()) == b"x" * 50
        if sys.platform != "win32":
            assert isinstance(runner.get_loop(), asyncio.SelectorEventLoop)
