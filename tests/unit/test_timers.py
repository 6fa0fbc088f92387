"""A limit that is put off, and stands still while reading is paused."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from tap_websocket.timers import Deadline, StoppableClock

if TYPE_CHECKING:
    from collections.abc import Callable


class Call:
    """A call that is due later."""

    def __init__(self, due: float, act: Callable[[], None]) -> None:
        self.due = due
        self.act = act
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True

    def __lt__(self, other: Call) -> bool:
        return self.due < other.due


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.calls: list[Call] = []
        self.made = 0

    def schedule(self, delay: float, act: Callable[[], None]) -> Call:
        call = Call(self.now + delay, act)
        self.made += 1
        heapq.heappush(self.calls, call)
        return call

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        end = self.now + seconds
        while self.calls and self.calls[0].due <= end:
            call = heapq.heappop(self.calls)
            self.now = max(self.now, call.due)
            if not call.cancelled:
                call.act()
        self.now = end


class Expiry:
    """A deadline of ten seconds, and when it was over."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.at: list[float] = []
        self.behind = False
        self.deadline = Deadline(
            10,
            lambda: self.at.append(self.clock.now - 1000),
            schedule=self.clock.schedule,
            clock=self.clock,
            behind=lambda: self.behind,
        )


def test_it_calls_back_once() -> None:
    expiry = Expiry()
    expiry.deadline.restart()
    expiry.clock.sleep(9)
    assert expiry.deadline.running is True
    expiry.clock.sleep(60)
    assert expiry.at == [10]
    assert expiry.deadline.running is False


def test_it_is_put_off() -> None:
    expiry = Expiry()
    expiry.deadline.restart()
    expiry.clock.sleep(9)
    expiry.deadline.restart()
    expiry.clock.sleep(60)
    assert expiry.at == [19]


def test_putting_it_off_makes_no_timer() -> None:
    expiry = Expiry()
    for _ in range(1000):
        expiry.deadline.restart()
    assert expiry.clock.made == 1


def test_it_is_stopped() -> None:
    expiry = Expiry()
    expiry.deadline.restart()
    expiry.deadline.stop()
    expiry.clock.sleep(60)
    assert not expiry.at


def test_a_pause_starts_it_afresh() -> None:
    expiry = Expiry()
    expiry.deadline.restart()
    expiry.clock.sleep(9)
    expiry.deadline.pause()
    expiry.clock.sleep(100)
    assert not expiry.at
    expiry.deadline.resume()
    expiry.clock.sleep(60)
    assert expiry.at == [119]


def test_a_pause_starts_none_that_was_not_running() -> None:
    expiry = Expiry()
    expiry.deadline.pause()
    expiry.deadline.resume()
    expiry.clock.sleep(60)
    assert not expiry.at


def test_one_that_is_started_in_a_pause_begins_with_its_end() -> None:
    expiry = Expiry()
    expiry.deadline.pause()
    expiry.deadline.restart()
    expiry.clock.sleep(60)
    expiry.deadline.resume()
    expiry.clock.sleep(60)
    assert expiry.at == [70]


def test_what_has_arrived_and_is_not_read_puts_it_off() -> None:
    expiry = Expiry()
    expiry.behind = True
    expiry.deadline.restart()
    expiry.clock.sleep(25)
    assert not expiry.at
    expiry.behind = False
    expiry.clock.sleep(60)
    assert expiry.at == [30]


def test_a_clock_stands_still_while_it_is_paused() -> None:
    now = 10.0
    clock = StoppableClock(lambda: now)
    clock.resume()
    assert clock() == 10
    now = 12
    clock.pause()
    now = 50
    clock.pause()
    assert clock() == 12
    now = 60
    clock.resume()
    assert clock() == 12
    now = 61
    assert clock() == 13
