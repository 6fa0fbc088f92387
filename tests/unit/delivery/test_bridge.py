"""The bridge: what a page takes in memory and on disk, and when reading goes on."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import threading
from typing import TYPE_CHECKING
from unittest import mock

from tap_websocket.delivery.bridge import Bridge
from tap_websocket.delivery.buffer import Buffer
from tap_websocket.delivery.pages import Page
from tests.support.receive import make_settings

if TYPE_CHECKING:
    import pytest

MIB = 1024 * 1024


def page(size: int = MIB // 2) -> Page:
    return Page((b"x" * size,), 1, {}, 0)


class Reader:
    """Reads a feed in two batches; the second one fills the buffer again."""

    def __init__(self) -> None:
        self.filled = threading.Event()
        self.taken = threading.Event()
        self.settled = threading.Event()
        self.paused = False

    def __call__(self, buffer: Buffer) -> Reader:
        self.buffer = buffer
        return self

    async def run(self) -> None:
        self.fill()
        self.filled.set()
        # The target takes all of it while this thread is busy: a batch is not cut.
        self.taken.wait(10)
        self.fill()
        for _ in range(5):
            await asyncio.sleep(0)
        self.settled.set()
        self.buffer.close()

    def fill(self) -> None:
        for _ in range(10):
            self.buffer.put(page())

    @property
    def feed(self) -> Reader:
        return self

    def stop(self, reason: str, close_code: int) -> None:
        del reason, close_code

    def fail(self, reason: str, error: Exception) -> None:
        del reason
        raise error

    def skip_close_handshake(self) -> None:
        pass

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


def test_a_late_resume_does_not_undo_a_pause() -> None:
    reader = Reader()
    bridge = Bridge(make_settings(buffer_bytes=4 * MIB).delivery)
    bridge.start(reader)
    assert reader.filled.wait(10)
    assert reader.paused
    pages = bridge.pages()
    for _ in range(10):
        next(pages)
    reader.taken.set()
    assert reader.settled.wait(10)
    assert reader.paused
    assert sum(1 for _ in pages) == 10
    bridge.close("over")


def test_room_after_the_loop_is_closed_costs_nothing() -> None:
    closed = threading.Event()
    go_on = threading.Event()

    class Slow(asyncio.SelectorEventLoop):
        def close(self) -> None:
            super().close()
            closed.set()
            go_on.wait(10)

    class Once(Reader):
        async def run(self) -> None:
            self.fill()
            self.buffer.close()

    settings = make_settings(buffer_bytes=4 * MIB).delivery
    bridge = Bridge(settings, make_loop=Slow)
    bridge.start(Once())
    assert closed.wait(10)
    assert sum(1 for _ in bridge.pages()) == 10
    go_on.set()
    bridge.close("over")


def filled(pages: int, size: int, **given: int) -> tuple[Buffer, mock.Mock]:
    full = mock.Mock()
    buffer = Buffer(
        make_settings(**given).delivery,
        on_full=full,
        on_room=mock.Mock(),
        on_failure=mock.Mock(),
    )
    for _ in range(pages):
        buffer.put(page(size))
        if full.called:
            break
    return buffer, full


def test_pages_on_disk_take_their_share_of_memory() -> None:
    buffer, full = filled(100_000, 100, buffer_bytes=MIB, spill_bytes=1000 * MIB)
    assert full.called
    assert buffer.accepted > 50_000
    buffer.discard()


def test_a_large_spill_takes_few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tap_websocket.delivery.spill._MIN_SEGMENT_BYTES", 1024)
    opened = mock.Mock(side_effect=tempfile.TemporaryFile)
    monkeypatch.setattr("tap_websocket.delivery.spill.tempfile.TemporaryFile", opened)
    buffer, full = filled(200, MIB // 4, buffer_bytes=MIB, spill_bytes=32 * MIB)
    assert full.called
    assert 30 < opened.call_count <= 65
    buffer.discard()


def test_room_after_no_pause_is_not_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    class Beside(Reader):
        """Fills the buffer at last from another thread, while the loop is busy."""

        async def run(self) -> None:
            self.fill()
            while self.paused:
                await asyncio.sleep(0.001)
            beside = threading.Thread(target=self.fill)
            beside.start()
            beside.join()
            self.filled.set()
            self.taken.wait(10)
            for _ in range(5):
                await asyncio.sleep(0)
            self.buffer.close()

    reader = Beside()
    bridge = Bridge(make_settings(buffer_bytes=4 * MIB).delivery)
    with caplog.at_level(logging.INFO):
        bridge.start(reader)
        pages = bridge.pages()
        for _ in range(20):
            next(pages)
        assert reader.filled.wait(10)
        reader.taken.set()
        assert not list(pages)
        bridge.close("over")
    assert sum("reading resumes" in text for text in caplog.messages) == 1


def test_a_target_that_is_a_little_too_slow_is_mentioned_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Often(Reader):
        async def run(self) -> None:
            for _ in range(50):
                self.fill()
                while self.paused:
                    await asyncio.sleep(0.001)
            self.buffer.close()

    bridge = Bridge(make_settings(buffer_bytes=4 * MIB).delivery)
    with caplog.at_level(logging.INFO):
        bridge.start(Often())
        assert sum(1 for _ in bridge.pages()) == 500
        bridge.close("over")
    pauses = [text for text in caplog.messages if "reading pauses" in text]
    resumptions = [text for text in caplog.messages if "reading resumes" in text]
    assert len(pauses) == 1
    assert len(resumptions) == 1
