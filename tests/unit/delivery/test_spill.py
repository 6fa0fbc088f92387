"""Pages on disk: whole, in order or not, and their space given back."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.delivery.pages import Page
from tap_websocket.delivery.spill import Spill

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA: dict[str, Any] = {"properties": {}}


def page(number: int, size: int = 1000) -> Page:
    chunks = (b'{"n":%d}' % number, b"x" * size)
    return Page(chunks, 2, SCHEMA, number)


def open_files() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


@pytest.fixture
def spill(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spill]:
    """One with segments of three pages."""
    monkeypatch.setattr("tap_websocket.delivery.spill._MIN_SEGMENT_BYTES", 3000)
    found = Spill(100_000)
    yield found
    found.close()


def test_a_page_comes_back_as_it_was(spill: Spill) -> None:
    written = [spill.write(page(number)) for number in range(10)]
    assert [entry.count for entry in written] == [2] * 10
    assert [spill.read(entry) for entry in written] == [page(n) for n in range(10)]
    assert spill.used == 0


def test_there_is_room_for_as_much_as_was_asked_for(spill: Spill) -> None:
    large = page(1, 60_000)
    entry = spill.write(large)
    assert not spill.has_room(large)
    assert spill.used == large.size
    spill.read(entry)
    assert spill.has_room(large)


def test_a_segment_that_was_read_is_closed_and_the_last_one_emptied(
    spill: Spill,
) -> None:
    before = open_files()
    written = [spill.write(page(number)) for number in range(10)]
    assert len(open_files() - before) == 4
    last = written[-1].segment
    for entry in written:
        spill.read(entry)
    assert len(open_files() - before) == 1
    assert os.fstat(last.file.fileno()).st_size == 0


def test_a_write_that_the_disk_cuts_short_is_gone_on_with(
    spill: Spill, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.pwrite

    def part(descriptor: int, data: bytes, offset: int) -> int:
        return whole(descriptor, data[:100], offset)

    monkeypatch.setattr("tap_websocket.delivery.spill.os.pwrite", part)
    entry = spill.write(page(1))
    assert spill.read(entry) == page(1)


def test_a_full_disk_keeps_nothing_of_the_page(
    spill: Spill, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = spill.write(page(1))
    used = spill.used

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("tap_websocket.delivery.spill.os.pwrite", full)
        with pytest.raises(OSError, match="No space left"):
            spill.write(page(2))
    assert spill.used == used
    third = spill.write(page(3))
    assert [spill.read(first), spill.read(third)] == [page(1), page(3)]


def test_a_file_that_was_cut_is_an_error(spill: Spill) -> None:
    entry = spill.write(page(1))
    entry.segment.file.truncate(10)
    with pytest.raises(OSError, match="ended early"):
        spill.read(entry)
