"""The slow path: one message parsed, or given up where it cannot be read.

It is always right; what else there is saves time and must come to the same.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tap_websocket.errors import ParseError
from tap_websocket.logs import LogThrottle
from tap_websocket.records.extractor import unread
from tap_websocket.wording import counted_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap_websocket.counts import Counts
    from tap_websocket.records.batch import Batch
    from tap_websocket.records.document_reader import DocumentReader
    from tap_websocket.records.emitter import RecordEmitter
    from tap_websocket.records.extractor import Extracted
    from tap_websocket.records.gap_watch import GapWatch
    from tap_websocket.records.router import MessageRouter
    from tap_websocket.settings import DecodingSettings

__all__ = ["SlowPath"]

_LOGGER = logging.getLogger("tap-websocket")

_MAX_SHOWN = 200
_MAX_LOOKED_AT = 16 * 1024
"""Characters of a message that are logged at debug level, and bytes that they may be
made of: a secret that begins among them is found as a whole."""


class SlowPath:
    """Takes messages one by one, parsed.

    Args:
        settings: `on_parse_error`.
        documents: Reads the documents of a message.
        router: Decides what is no data.
        emitter: Takes the records.
        gaps: Watches the numbers that stand in records.
        counts: Counts what is skipped.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        settings: DecodingSettings,
        *,
        documents: DocumentReader,
        router: MessageRouter,
        emitter: RecordEmitter,
        gaps: GapWatch,
        counts: Counts,
    ) -> None:
        self._settings = settings
        self._documents = documents
        self._router = router
        self._emitter = emitter
        self._gaps = gaps
        self._counts = counts
        self._skip_log = LogThrottle(10.0)

    def take(self, batch: Batch, payload: bytes, *, plain: bool) -> None:
        """Take one message, parsed.

        Raises:
            TapError: When it is fatal.
        """
        result = batch.result
        result.taken += len(payload)
        before = result.records
        try:
            for document in self._split(batch, payload):
                route = self._router.route(batch, plain=plain)
                found = False
                try:
                    for record in self._documents.records(document, route):
                        found = True
                        batch.go_on()
                        self._emit(batch, payload, record)
                except ParseError as error:
                    self.give_up(batch, document, error)
                else:
                    if not found:
                        self._router.ignore(document, route)
        finally:
            result.messages += result.records > before
        if result.records > before:
            self._emitter.sampled(len(payload))

    def _emit(self, batch: Batch, payload: bytes, record: Extracted) -> None:
        """Hand a record of a message on, and count it."""
        watched = self._gaps.before(batch.arrival.origin, payload, record)
        if self._emitter.take(batch.arrival, record):
            batch.result.records += 1
        else:
            batch.result.deduplicated += 1
        self._gaps.after(watched)

    def _split(self, batch: Batch, payload: bytes) -> Sequence[bytes]:
        """Split a message into documents.

        Raises:
            ParseError: When that is not possible, with `on_parse_error: fail`.
        """
        try:
            return self._documents.split(payload)
        except ParseError as error:
            self.give_up(batch, payload, error)
            return ()

    def take_unreadable(self, batch: Batch, payload: bytes, error: ParseError) -> None:
        """Take a message of which nothing can be read.

        Raises:
            ParseError: With `on_parse_error: fail`.
        """
        result = batch.result
        result.taken += len(payload)
        before = result.records
        self.give_up(batch, payload, error)
        if result.records > before:
            result.messages += 1
            self._emitter.sampled(len(payload))

    def give_up(self, batch: Batch, document: bytes, error: ParseError) -> None:
        """Do with a document that cannot be read as `on_parse_error` says.

        Raises:
            ParseError: With `fail`.
        """
        error.kind = "binary message" if batch.binary else "text message"
        self._show(document)
        match self._settings.on_parse_error:
            case "fail":
                raise error
            case "skip":
                self._counts.skipped += 1
                what = "was skipped"
            case "rescue":
                self._emit(batch, document, unread(document))
                what = "went to _rescued_data"
        self._skip_log(
            _LOGGER,
            "A %s of %s could not be read and %s: %s",
            error.kind,
            counted_bytes(len(document)),
            what,
            error.reason,
        )

    def _show(self, document: bytes) -> None:
        """Log the beginning of a document, for who looks for the reason."""
        if _LOGGER.isEnabledFor(logging.DEBUG):
            text = document[:_MAX_LOOKED_AT].decode(errors="backslashreplace")
            _LOGGER.debug("It begins with %s", self._router.excerpt(text, _MAX_SHOWN))
