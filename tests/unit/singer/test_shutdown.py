"""What signals do, without processes and without waiting."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.singer.shutdown import Shutdown

if TYPE_CHECKING:
    from collections.abc import Iterator

INT, TERM = signal.SIGINT, signal.SIGTERM


class Buffer:
    undelivered = 42


class Bridge:
    """What a shutdown wants of the bridge."""

    def __init__(self) -> None:
        self.buffer = Buffer()
        self.stopped: list[Any] = []

    def stop(self, *reason: Any) -> None:
        self.stopped.append(reason)


class Stage:
    """A shutdown whose time and exit are the test's."""

    def __init__(self, drain_timeout: float = 60) -> None:
        self.now = 100.0
        self.left: list[int] = []
        self.gone = threading.Event()
        self.bridge = Bridge()
        self.shutdown = Shutdown(clock=lambda: self.now, leave=self.leave)
        self.drain_timeout = drain_timeout

    def leave(self, code: int) -> None:
        self.left.append(code)
        self.gone.set()

    def watch(self) -> None:
        bridge: Any = self.bridge
        self.shutdown.watch(bridge, self.drain_timeout)


@pytest.fixture
def stage() -> Iterator[Stage]:
    found = Stage()
    yield found
    found.shutdown.done()


def test_a_signal_before_the_run_exits_with_0(stage: Stage) -> None:
    with pytest.raises(SystemExit) as caught:
        stage.shutdown.signalled(TERM)
    assert caught.value.code == 0


def test_a_signal_after_the_run_exits_with_0(stage: Stage) -> None:
    stage.watch()
    stage.shutdown.done()
    with pytest.raises(SystemExit) as caught:
        stage.shutdown.signalled(INT)
    assert caught.value.code == 0
    assert not stage.bridge.stopped


def test_the_first_signal_stops_the_bridge(stage: Stage) -> None:
    stage.watch()
    stage.shutdown.signalled(TERM)
    assert len(stage.bridge.stopped) == 1
    assert "SIGTERM" in repr(stage.bridge.stopped)
    assert not stage.left


@pytest.mark.parametrize(
    ("signals", "leaves"),
    [
        ([(INT, 0), (INT, 0.1)], True),
        ([(TERM, 0), (TERM, 0.1)], True),
        ([(INT, 0), (TERM, 0.018)], False),
        ([(INT, 0), (TERM, 1.9)], False),
        ([(INT, 0), (TERM, 2.1)], True),
        ([(TERM, 0), (INT, 1)], False),
        ([(INT, 0), (TERM, 0.018), (TERM, 1)], True),
        ([(INT, 0), (TERM, 0.018), (INT, 1)], True),
    ],
)
def test_a_second_signal_leaves_at_once(
    signals: list[tuple[int, float]],
    leaves: bool,
    stage: Stage,
    capfd: pytest.CaptureFixture[str],
) -> None:
    stage.watch()
    start = stage.now
    *before, (last, at) = signals
    for number, time in before:
        stage.now = start + time
        stage.shutdown.signalled(number)
    assert not stage.left
    stage.now = start + at
    stage.shutdown.signalled(last)
    assert stage.left == ([1] if leaves else [])
    assert ("a second signal" in capfd.readouterr().err) is leaves
    assert len(stage.bridge.stopped) == 1


def test_a_target_that_takes_nothing_has_a_deadline(
    capfd: pytest.CaptureFixture[str],
) -> None:
    stage = Stage(drain_timeout=0.01)
    stage.watch()
    stage.shutdown.signalled(TERM)
    assert stage.gone.wait(20)
    assert stage.left == [1]
    error = capfd.readouterr().err
    assert "within 0.01 s (drain_timeout): 42 records were not delivered" in error


def test_what_was_delivered_has_no_deadline() -> None:
    stage = Stage(drain_timeout=0.1)
    stage.watch()
    stage.shutdown.signalled(TERM)
    stage.shutdown.done()
    assert not stage.gone.wait(0.3)


def test_a_deadline_may_be_further_away_than_python_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failed = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: failed.set())
    stage = Stage(drain_timeout=1e12)
    stage.watch()
    stage.shutdown.signalled(TERM)
    assert not failed.wait(0.2)
    stage.shutdown.done()


def test_whoever_read_stderr_may_be_gone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise BrokenPipeError

    monkeypatch.setattr("tap_websocket.singer.shutdown.os.write", broken)
    stage.watch()
    stage.shutdown.signalled(TERM)
    stage.shutdown.signalled(TERM)
    assert stage.left == [1]
