"""Records become pages: by count, by size, by age and by schema."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from tap_websocket.delivery.pages import Page, Pager

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


@dataclasses.dataclass
class Call:
    delay: float
    act: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class Stage:
    """A pager whose timers the test fires."""

    def __init__(
        self,
        batch_size: int = 3,
        page_bytes: int = 1_000_000,
        flush_interval: float | None = 1,
    ) -> None:
        self.pages: list[Page] = []
        self.calls: list[Call] = []
        self.pager = Pager(
            put=self.pages.append,
            schedule=self.schedule,
            now_ns=lambda: 42,
            batch_size=batch_size,
            page_bytes=page_bytes,
            flush_interval=flush_interval,
        )

    def schedule(self, delay: float, act: Callable[[], None]) -> Call:
        self.calls.append(Call(delay, act))
        return self.calls[-1]

    @property
    def shape(self) -> list[list[bytes]]:
        return [list(page.records()) for page in self.pages]


def records(first: int, last: int) -> list[bytes]:
    return [b'{"n":%d}' % number for number in range(first, last + 1)]


def test_a_page_is_handed_on_when_it_is_full() -> None:
    stage = Stage()
    stage.pager.extend(records(1, 2))
    assert not stage.pages
    stage.pager.extend(records(3, 8))
    assert stage.shape == [records(1, 3), records(4, 6)]
    assert [page.count for page in stage.pages] == [3, 3]
    assert stage.pages[0].received_at == 42
    stage.pager.flush()
    assert stage.shape[2:] == [records(7, 8)]


def test_a_page_is_handed_on_when_its_records_are_large() -> None:
    stage = Stage(batch_size=0, page_bytes=20)
    for number in range(1, 8):
        stage.pager.extend(records(number, number))
    assert stage.shape == [records(1, 3), records(4, 6)]


def test_a_partial_page_is_handed_on_after_the_interval() -> None:
    stage = Stage()
    stage.pager.extend(records(1, 1))
    stage.pager.extend(records(2, 2))
    (call,) = stage.calls
    assert 0.99 < call.delay <= 1
    call.act()
    assert stage.shape == [records(1, 2)]
    stage.pager.extend(records(3, 3))
    assert len(stage.calls) == 2


def test_the_timer_of_a_full_page_is_cancelled() -> None:
    stage = Stage()
    stage.pager.extend(records(1, 3))
    assert [call.cancelled for call in stage.calls] == [True]


def test_without_an_interval_there_is_no_timer() -> None:
    stage = Stage(batch_size=0, flush_interval=None)
    stage.pager.extend(records(1, 3))
    assert not stage.calls


def test_another_schema_begins_another_page() -> None:
    stage = Stage()
    one: dict[str, Any] = {"properties": {"n": {}}}
    stage.pager.use_schema(one)
    stage.pager.extend(records(1, 1))
    stage.pager.use_schema(one)
    stage.pager.extend(records(2, 2))
    stage.pager.use_schema({"properties": {"n": {}, "m": {}}})
    stage.pager.extend(records(3, 3))
    stage.pager.flush()
    assert stage.shape == [records(1, 2), records(3, 3)]
    assert stage.pages[0].schema is one


def test_no_page_is_empty() -> None:
    stage = Stage()
    stage.pager.flush()
    stage.pager.extend([])
    stage.pager.use_schema({})
    stage.pager.flush()
    assert not stage.pages


def test_many_records_are_kept_in_few_objects() -> None:
    stage = Stage(batch_size=10_000)
    for number in range(10_000):
        stage.pager.extend(records(number, number))
    (page,) = stage.pages
    assert list(page.records()) == records(0, 9999)
    assert len(page.chunks) < 200
    assert page.size >= sum(map(len, records(0, 9999)))


def test_a_line_that_is_too_long_for_meltano_is_mentioned_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage()
    large = b'{"a":"%s"}' % (b"x" * (6 * 1024 * 1024))
    stage.pager.extend([b"{}", large])
    stage.pager.extend([large])
    (line,) = caplog.messages
    assert f"A record takes {len(large)} bytes" in line
    assert "elt.buffer_size" in line


def test_many_short_lines_are_not_a_long_one(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(batch_size=100)
    stage.pager.extend([b'{"a":"%s"}' % (b"x" * 1024 * 1024)] * 10)
    assert not caplog.messages
