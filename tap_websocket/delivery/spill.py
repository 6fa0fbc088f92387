"""Disk for the pages that memory has no room for."""

from __future__ import annotations

import os
import tempfile
from typing import IO, TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tap_websocket.delivery.pages import Page

__all__ = ["Spill", "SpilledPage"]

_SMALLEST_SEGMENT_BYTES = 16 * 1024 * 1024
_MOST_SEGMENTS = 64
"""Each is an open file, and a process may have some hundred."""


class _Segment:
    """One unlinked file; its space is given back when its last page was read."""

    def __init__(self) -> None:
        self.file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115 - closed in release
            prefix="tap-websocket-",
            buffering=0,
        )
        self.written = 0
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
    """

    def __init__(self, most: int) -> None:
        """Make an empty one that holds up to `most` bytes of records."""
        self._most = most
        self._segment_bytes = max(_SMALLEST_SEGMENT_BYTES, most // _MOST_SEGMENTS)
        self._segment: _Segment | None = None
        self._segments: set[_Segment] = set()
        self.used = 0

    def has_room(self, page: Page) -> bool:
        """Tell whether the page fits."""
        return self.used + page.size <= self._most

    def write(self, page: Page) -> SpilledPage:
        """Put a page on disk.

        Raises:
            OSError: When the disk is full, say; nothing of the page is kept then.
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
        """Take a page from disk again, and give its space back."""
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
        """Give all space back; what was not read is gone."""
        for segment in self._segments:
            segment.file.close()
        self._segments.clear()
        self._segment = None

    def _release(self, segment: _Segment) -> None:
        if segment is self._segment:
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
