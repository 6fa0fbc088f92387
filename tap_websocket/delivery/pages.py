"""The page: what crosses the bridge, is counted, spilled and written.

Records become a page in the loop's thread: they are joined to JSON lines there, so
that the main thread has one pass and one write to do for each page.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tap_websocket.timers import Schedule, Timer

__all__ = ["Page", "Pager"]

_LOGGER = logging.getLogger("tap-websocket")
_LONG_LINE_BYTES = 5 * 1024 * 1024
"""Half of Meltano's default `elt.buffer_size`, where it stops a pipeline."""

_ROUNDED_UP_SECONDS = 0.001
"""The event loop waits for whole milliseconds, rounded up."""

_CHUNK_BYTES = 256 * 1024
_MAX_PARTS = 64
"""Records are joined to a chunk when they are as large or as many: single records
cost an object each, and one large chunk a copy of all of it with each one added."""

_PAGE_OVERHEAD = 512
"""Memory of a page's own objects, in bytes, rounded up."""


class Page(msgspec.Struct, frozen=True):
    """Records that are handed on and flushed together.

    Attributes:
        chunks: JSON lines: records joined by line feeds, without a last one.
        count: Number of records.
        schema: The JSON schema in force for them; another object is another schema.
        received_at: When the page was received, in nanoseconds since the epoch.
    """

    chunks: tuple[bytes, ...]
    count: int
    schema: Mapping[str, Any]
    received_at: int

    @property
    def size(self) -> int:
        """Memory that the page takes, in bytes, overhead included."""
        return sum(map(len, self.chunks)) + _PAGE_OVERHEAD

    def records(self) -> Iterator[bytes]:
        """Return the records, each the bytes of one JSON object."""
        for chunk in self.chunks:
            yield from chunk.split(b"\n")


class Pager:
    """Collects records into pages, by count, by size and by age.

    Args:
        put: Is given each finished page.
        schedule: Calls back after a number of seconds.
        now_ns: The wall clock, in nanoseconds since the epoch.
        batch_size: Records of a page; 0: as many as `page_bytes` allow.
        page_bytes: A page is handed on when its records take this many bytes.
        flush_interval: Seconds after which a partial page is handed on, or None.

    Attributes:
        total: Records that were added so far, in all pages.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        *,
        put: Callable[[Page], None],
        schedule: Schedule,
        now_ns: Callable[[], int],
        batch_size: int,
        page_bytes: int,
        flush_interval: float | None,
    ) -> None:
        self._put = put
        self._schedule = schedule
        self._now_ns = now_ns
        # A record takes a byte at least, so this is no limit with `batch_size: 0`.
        self._max_count = batch_size or page_bytes
        self._page_bytes = page_bytes
        self._flush_interval = flush_interval
        self.total = 0
        # The schema of the page that is open.
        self._schema: Mapping[str, Any] = {}
        # Joined records that are not in a chunk yet, and the chunks of the page.
        self._records: list[bytes] = []
        self._chunks: list[bytes] = []
        # Records and bytes of the page so far.
        self._count = 0
        self._bytes = 0
        # Bytes of the records that are not in a chunk yet.
        self._loose_bytes = 0
        # Whether the page that is open began as the schema grew.
        self._grown = False
        # Runs from the first record of a page to its flush.
        self._timer: Timer | None = None
        # One warning is enough: a feed of long lines has many.
        self._warned_of_length = False

    def use_schema(self, schema: Mapping[str, Any]) -> None:
        """Use a schema that grew for the records that follow.

        They get a page of their own, unless the page that is open began with such a
        growth: what was announced before a record may be more than it has, and so a
        page is announced once, however often the schema grows on it.
        """
        if schema is self._schema:
            return
        if self._count and not self._grown:
            self.flush()
            self._grown = True
        self._schema = schema

    def extend(self, records: list[bytes]) -> None:
        """Add records, each a JSON object on one line, and hand on full pages."""
        self.total += len(records)
        start = 0
        while start < len(records):
            room = self._max_count - self._count
            part = (
                records[start : start + room]
                if start or room < len(records)
                else records
            )
            start += len(part)
            self._add(part)
            if self._count >= self._max_count or self._bytes >= self._page_bytes:
                self.flush()

    def _add(self, records: list[bytes]) -> None:
        if self._count == 0 and self._flush_interval is not None:
            self._timer = self._schedule(
                max(0.0, self._flush_interval - _ROUNDED_UP_SECONDS),
                self.flush,
            )
        chunk = b"\n".join(records)
        if len(chunk) > _LONG_LINE_BYTES and not self._warned_of_length:
            self._warn_of_length(max(map(len, records)))
        self._count += len(records)
        self._bytes += len(chunk)
        self._loose_bytes += len(chunk)
        self._records.append(chunk)
        if self._loose_bytes >= _CHUNK_BYTES or len(self._records) >= _MAX_PARTS:
            self._close_chunk()

    def _warn_of_length(self, longest: int) -> None:
        if longest > _LONG_LINE_BYTES:
            self._warned_of_length = True
            _LOGGER.warning(
                "A record takes %d bytes: Meltano stops a pipeline at such a line; "
                "raise its elt.buffer_size to twice the longest one",
                longest,
            )

    def _close_chunk(self) -> None:
        if self._records:
            self._chunks.append(b"\n".join(self._records))
            self._records = []
            self._loose_bytes = 0

    def flush(self) -> None:
        """Hand on the page as it is, unless it is empty."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._count == 0:
            return
        self._close_chunk()
        page = Page(tuple(self._chunks), self._count, self._schema, self._now_ns())
        self._chunks = []
        self._count = self._bytes = 0
        self._grown = False
        self._put(page)
