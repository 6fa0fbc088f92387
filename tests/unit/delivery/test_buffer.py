"""Pages between two threads: their order, their room, and how it ends."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest

from tap_websocket.delivery.buffer import Buffer
from tap_websocket.delivery.pages import Page
from tap_websocket.errors import DeliveryError
from tests.support.receive import make_settings

if TYPE_CHECKING:
    from collections.abc import Callable

KIB = 1024


def page(number: int, size: int = 10 * KIB) -> Page:
    return Page((b"x" * size,), 1, {}, number)


class Stage:
    """A buffer of 100 KiB, and what it called."""

    def __init__(self, spill_bytes: int = 0, batch_size: int = 1000) -> None:
        self.called: list[str] = []
        self.failures: list[DeliveryError] = []
        settings = make_settings(
            buffer_bytes=100 * KIB, spill_bytes=spill_bytes, batch_size=batch_size
        )
        self.buffer = Buffer(
            settings.delivery,
            on_full=self.note("full"),
            on_room=self.note("room"),
            on_failure=self.failures.append,
        )

    def note(self, what: str) -> Callable[[], None]:
        return lambda: self.called.append(what)

    def put(self, first: int, last: int, size: int = 10 * KIB) -> None:
        for number in range(first, last + 1):
            self.buffer.put(page(number, size))

    def get(self) -> int | None:
        found = self.buffer.get(0)
        return None if found is None else found.received_at


def test_pages_keep_their_order() -> None:
    stage = Stage()
    stage.put(1, 3)
    assert [stage.get() for _ in range(4)] == [1, 2, 3, None]


def test_reading_stops_when_it_is_full_and_goes_on_when_half_of_it_is_free() -> None:
    stage = Stage()
    stage.put(1, 12)
    assert stage.called == ["full"]
    taken = 0
    while stage.buffer.is_full:
        stage.get()
        taken += 1
    assert 5 <= taken <= 8
    assert stage.called == ["full", "room"]
    assert stage.buffer.undelivered == 12


def test_a_page_that_is_larger_than_all_of_it_passes_alone() -> None:
    stage = Stage()
    stage.put(1, 1, 1024 * KIB)
    assert stage.called == ["full"]
    assert stage.get() == 1
    assert stage.called == ["full", "room"]


def test_the_disk_takes_what_memory_does_not_in_order() -> None:
    stage = Stage(spill_bytes=1024 * KIB)
    stage.put(1, 50)
    assert not stage.called
    assert [stage.get() for _ in range(50)] == list(range(1, 51))
    stage.put(51, 300)
    assert stage.called == ["full"]
    assert [stage.get() for _ in range(250)] == list(range(51, 301))
    stage.buffer.discard()


def test_a_disk_that_fails_is_said_once_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tap_websocket.delivery.spill.os.pwrite", full)
    stage = Stage(spill_bytes=1024 * KIB)
    stage.put(1, 20)
    (failure,) = stage.failures
    assert "No space left" in str(failure)
    assert "spill_bytes" in str(failure)
    assert [stage.get() for _ in range(20)] == list(range(1, 21))
    stage.buffer.discard()


def test_a_disk_that_lost_a_page_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(spill_bytes=1024 * KIB)
    stage.put(1, 20)
    monkeypatch.setattr("tap_websocket.delivery.spill.os.pread", lambda *_: b"")
    with pytest.raises(DeliveryError, match="spill_bytes"):
        _ = [stage.get() for _ in range(20)]
    stage.buffer.discard()


def test_the_end_comes_behind_the_last_page() -> None:
    stage = Stage()
    stage.put(1, 2)
    stage.buffer.close()
    stage.buffer.close(ValueError("too late"))
    assert [stage.get(), stage.get()] == [1, 2]
    with pytest.raises(EOFError):
        stage.get()


def test_an_error_comes_behind_the_last_page() -> None:
    stage = Stage()
    stage.put(1, 1)
    stage.buffer.close(DeliveryError("it failed"))
    assert isinstance(stage.buffer.failure, DeliveryError)
    assert stage.get() == 1
    for _ in range(2):
        with pytest.raises(DeliveryError, match="it failed"):
            stage.get()


def test_the_whole_run_is_one_page_with_batch_size_0() -> None:
    stage = Stage(batch_size=0)
    stage.put(1, 3)
    assert stage.get() is None
    stage.buffer.close()
    assert [stage.get() for _ in range(3)] == [1, 2, 3]


def test_a_full_buffer_is_handed_on_with_batch_size_0() -> None:
    stage = Stage(batch_size=0)
    stage.put(1, 12)
    assert [stage.get() for _ in range(12)] == list(range(1, 13))
    stage.put(13, 13)
    assert stage.get() is None


def test_who_waits_is_woken() -> None:
    stage = Stage()
    found: list[Page | None] = []
    waiting = threading.Thread(target=lambda: found.append(stage.buffer.get(30)))
    waiting.start()
    stage.put(7, 7)
    waiting.join(20)
    assert [page.received_at for page in found if page] == [7]
