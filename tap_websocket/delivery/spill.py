"""Disk for the pages that memory has no room for."""

from __future__ import annotations

import os
import tempfile
from typing import IO, TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tap_websocket.delivery.pages import Page

__all__ = ["Spill", "SpilledPage"]

_MIN_SEGMENT_BYTES = 16 * 1024 * 1024
"""A segment's space is given back as a whole, so small ones follow a reader closer."""

_MAX_SEGMENTS = 64
"""Each is an open file, of which a process may have some hundred."""


class _Segment:
    """One unlinked file; its space is given back when its last page was read."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115 - closed in release
            prefix="tap-websocket-",
            buffering=0,
        )
        # Bytes that were written since the segment was last empty.
        self.written = 0
        # Pages in it that were not read yet.
        self.unread = 0


class SpilledPage(msgspec.Struct, frozen=True):
    """A page whose records are on disk."""

    segment: _Segment
    offset: int
    lengths: tuple[int, ...]
    page: Page
    size: int

    @property
    def count(self) -> int:
        """Number of records."""
        return self.page.count


class Spill:
    """Unlinked temporary files, in the system's temporary directory.

    Not safe for threads: the buffer's lock guards it.

    Args:
        max_bytes: `spill_bytes`: records on disk at the same time.

    Attributes:
        used: Bytes of the pages that are on disk.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._segment_bytes = max(_MIN_SEGMENT_BYTES, max_bytes // _MAX_SEGMENTS)
        # The one that is written to; the others are full, and are only read.
        self._segment: _Segment | None = None
        self._segments: set[_Segment] = set()
        self.used = 0

    def has_room(self, page: Page) -> bool:
        """Return whether the page fits."""
        return self.used + page.size <= self._max_bytes

    def write(self, page: Page) -> SpilledPage:
        """Write a page to disk.

        Raises:
            OSError: When the disk fails or is full; nothing of the page is kept then.
        """
        segment = self._segment
        if segment is None or segment.written >= self._segment_bytes:
            segment = self._segment = _Segment()
            self._segments.add(segment)
        offset = segment.written
        data = b"".join(page.chunks)
        written = 0
        while written < len(data):
            written += os.pwrite(
                segment.file.fileno(),
                memoryview(data)[written:],
                offset + written,
            )
        segment.written += len(data)
        segment.unread += 1
        self.used += page.size
        emptied = msgspec.structs.replace(page, chunks=())
        return SpilledPage(
            segment,
            offset,
            tuple(map(len, page.chunks)),
            emptied,
            page.size,
        )

    def read(self, spilled: SpilledPage) -> Page:
        """Return a page that is on disk, and free its space."""
        segment = spilled.segment
        offset = spilled.offset
        chunks = []
        for length in spilled.lengths:
            chunks.append(_read(segment.file.fileno(), length, offset))
            offset += length
        segment.unread -= 1
        self.used -= spilled.size
        if segment.unread == 0:
            self._release(segment)
        return msgspec.structs.replace(spilled.page, chunks=tuple(chunks))

    def close(self) -> None:
        """Free all space; what was not read is gone."""
        for segment in self._segments:
            segment.file.close()
        self._segments.clear()
        self._segment = None

    def _release(self, segment: _Segment) -> None:
        if segment is self._segment:
            # More will be written to it: it is emptied and kept.
            segment.file.truncate(0)
            segment.written = 0
        else:
            segment.file.close()
            self._segments.remove(segment)


def _read(descriptor: int, length: int, offset: int) -> bytes:
    parts = []
    while length:
        part = os.pread(descriptor, length, offset)
        if not part:
            msg = "the spill file ended early"
            raise OSError(msg)
        parts.append(part)
        offset += len(part)
        length -= len(part)
    return b"".join(parts)
