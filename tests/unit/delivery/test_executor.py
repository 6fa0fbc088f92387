"""Threads that nobody waits for."""

from __future__ import annotations

import threading

import pytest

from tap_websocket.delivery.executor import DaemonExecutor


def fail() -> None:
    raise OSError(5, "no")


def test_calls_return_what_the_function_does() -> None:
    executor = DaemonExecutor()
    assert executor.submit(pow, 2, 3).result(20) == 8
    with pytest.raises(OSError, match="no"):
        executor.submit(fail).result(20)
    assert executor.submit(sorted, [2, 1], reverse=True).result(20) == [2, 1]


def test_no_call_is_waited_for() -> None:
    executor, over = DaemonExecutor(), threading.Event()
    held = executor.submit(over.wait, 40)
    executor.shutdown(wait=True)
    assert not held.done()
    over.set()
    assert held.result(20)


def test_calls_are_bounded_and_those_that_are_cancelled_left_out() -> None:
    executor, over = DaemonExecutor(), threading.Event()
    before = threading.active_count()
    held = [executor.submit(over.wait, 40) for _ in range(100)]
    assert threading.active_count() <= before + 32
    made: list[int] = []
    left_out, last = executor.submit(made.append, 1), executor.submit(made.append, 2)
    assert left_out.cancel()
    over.set()
    assert all(one.result(20) for one in held)
    last.result(20)
    assert made == [2]
