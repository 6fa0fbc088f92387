"""The path of large messages: in parts, so that neither memory nor time run away."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from tap_websocket.records.parts import MessageCutter, is_large

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_websocket.counts import Counts
    from tap_websocket.records.batch import Batch
    from tap_websocket.records.gap_watch import GapWatch
    from tap_websocket.records.router import MessageRouter
    from tap_websocket.settings import DecodingSettings

__all__ = ["LargePath"]


class LargePath:
    """Takes messages, large ones in parts; in another thread than the loop's.

    Args:
        settings: What a message looks like.
        opens_arrays: Each item of an array of objects is a document.
        is_own: The bytes of a message tell what its documents are.
        take: Takes messages whole.
        router: Decides what is no data.
        gaps: Watches the numbers of the feed.
        counts: Counts what is ignored.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        settings: DecodingSettings,
        *,
        opens_arrays: bool,
        is_own: bool,
        take: Callable[[Batch, list[bytes]], None],
        router: MessageRouter,
        gaps: GapWatch,
        counts: Counts,
    ) -> None:
        self._cutter: MessageCutter | None = None
        if is_own:
            self._cutter = MessageCutter(settings, opens_arrays=opens_arrays)
        self._has_separator = settings.record_separator is not None
        self._take = take
        self._router = router
        self._gaps = gaps
        self._counts = counts

    def take(self, batch: Batch, messages: list[bytes]) -> None:
        """Take messages in order, until the run or the feed is over.

        Raises:
            TapError: When one of them is fatal.
            StoppedError: When the run has ended.
        """
        for are_large, run in itertools.groupby(messages, is_large):
            if batch.is_over:
                return
            if are_large:
                for message in run:
                    self._take_large(batch, message)
            else:
                # Each alone would take many times as long.
                self._take(batch, list(run))

    def _take_large(self, batch: Batch, message: bytes) -> None:
        if batch.is_over:
            return
        parts = self._parts(batch, message)
        if parts is None:
            self._take(batch, [message])
        else:
            self._take_parts(batch, len(message), parts)

    def _parts(self, batch: Batch, message: bytes) -> Iterator[bytes] | None:
        # Numbers in records are known by the message that these stand in.
        if self._cutter is None or self._gaps.asks_records:
            return None
        return self._cutter.cut(
            message,
            # What is looked at or captured may stand anywhere in a document.
            keeps_documents=self._router.captures_from_data
            or self._router.may_match(message),
            looks_at_texts=self._router.looks_at_texts(batch.arrival.origin),
        )

    def _take_parts(self, batch: Batch, size: int, parts: Iterator[bytes]) -> None:
        """Take the parts of a message of this many bytes; they count as one."""
        result, counts = batch.result, self._counts
        messages, records, taken = result.messages, result.records, result.taken
        ignored, count = counts.ignored, 0
        try:
            for part in parts:
                batch.go_on()
                count += 1
                self._take(batch, [part])
                result.messages = messages
                if batch.is_over:
                    break
        finally:
            result.messages = messages + (result.records > records)
            result.taken = taken + size
            if not self._has_separator:
                # The parts are one document.
                counts.ignored = ignored + (counts.ignored == ignored + count)
