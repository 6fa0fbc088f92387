"""Saving columns: the loop waits a moment, and what fails is tried again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tap_websocket.columns.saver import ColumnSaver
from tap_websocket.columns.stored_columns import Column, StoredColumns
from tap_websocket.errors import LocationError

if TYPE_CHECKING:
    from collections.abc import Sequence

A = Column("a", "a", {"type": ["integer", "null"]})
B = Column("b", "b", {"type": ["integer", "null"]})
LONG = 20.0


class Store:
    """Saves columns, unless it is told to fail or to take its time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.fails = False
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.saved: list[Sequence[Column]] = []

    def clock(self) -> float:
        return self.now

    def save(self, wanted: Sequence[Column]) -> StoredColumns:
        assert self.goes_on.wait(LONG)
        if self.fails:
            msg = "the disk is full"
            raise LocationError(msg)
        self.saved.append(wanted)
        return StoredColumns(tuple(wanted))


def saver(store: Store, patience: float = LONG) -> ColumnSaver:
    return ColumnSaver(store.save, clock=store.clock, patience=patience, retry=10)


def test_what_is_saved_at_once_is_there() -> None:
    assert saver(Store()).offer([A, B]) == StoredColumns((A, B))


def test_a_failure_is_warned_about_and_tried_again_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store()
    saves = saver(store)
    store.fails = True
    assert saves.offer([A]) is None
    store.fails = False
    store.now = 9.9
    assert saves.offer([A]) is None
    store.now = 10.0
    assert saves.offer([A]) == StoredColumns((A,))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "'a'" in record.getMessage()
    assert "the disk is full" in record.getMessage()


def test_a_slow_save_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    saves = saver(store, patience=0.01)
    store.goes_on.clear()
    assert saves.offer([A]) is None
    assert saves.offer([B]) is None
    assert saves.finished() is None
    store.goes_on.set()
    stored = None
    while stored is None:
        stored = saves.finished()
    assert stored == StoredColumns((A,))
    assert [list(each) for each in store.saved] == [[A]]
    assert "still being saved" in caplog.text
    assert len(caplog.records) == 1


def test_an_unforeseen_failure_is_raised() -> None:
    def broken(_: Sequence[Column]) -> StoredColumns:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ColumnSaver(broken, clock=lambda: 0.0, patience=LONG).offer([A])


def test_many_names_are_cut(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    store.fails = True
    saver(store).offer([A] * 30)
    assert "25 more" in caplog.text
