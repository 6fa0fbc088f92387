"""The sliced path: a message's records cut out of its bytes, past the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_websocket.errors import ParseError
from tap_websocket.expressions.documents import Document

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.records.batch import Batch
    from tap_websocket.records.document_reader import DocumentReader
    from tap_websocket.records.emitter import RecordEmitter
    from tap_websocket.records.router import MessageRouter, Route
    from tap_websocket.records.slicer import SlicedDocument, Slicer
    from tap_websocket.settings import DecodingSettings

__all__ = ["SlicedPath"]


class SlicedPath:
    """Takes messages one by one, cut up.

    Args:
        settings: `message_pattern`.
        slicer: Cuts messages up.
        documents: Splits messages, and reads what rules want to see whole.
        router: Decides what is no data.
        emitter: Takes the records.
        give_up: Takes a document that cannot be read; it may raise.

    Attributes:
        takes_rules: Messages that a rule or reply may match can be cut up, too.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        settings: DecodingSettings,
        slicer: Slicer,
        *,
        documents: DocumentReader,
        router: MessageRouter,
        emitter: RecordEmitter,
        give_up: Callable[[Batch, bytes, ParseError], None],
    ) -> None:
        self._has_groups = settings.message_pattern is not None
        self._slicer = slicer
        self._give_up = give_up
        self._documents = documents
        self._router = router
        self._emitter = emitter
        self.takes_rules = slicer.seen is not None

    def take(self, batch: Batch, payload: bytes, *, plain: bool) -> bool:
        """Take one message by its bytes, in the order of `DocumentReader.records`.

        Nothing is done before all of it was cut up: what cannot be is left as it was.

        Returns:
            Whether it was taken; else it has to be read whole.

        Raises:
            FeedError: When a rule says that it is fatal.
            ParseError: When a rule takes too long, with `on_parse_error: fail`.
        """
        slicer, documents = self._slicer, self._documents
        result = batch.result
        cut: list[tuple[bytes, list[SlicedDocument]]] = []
        for document in documents.split(payload) if documents.splits else (payload,):
            sliced = slicer.slice(document, seen=not plain)
            if sliced is None:
                return False
            cut.append((document, sliced))
        result.taken += len(payload)
        before = result.records
        try:
            for document, sliced in cut:
                route = self._router.route(batch, plain=plain)
                try:
                    found = self._emit_sliced(batch, document, sliced, route)
                except ParseError as error:
                    # A rule's expression takes too long.
                    self._give_up(batch, document, error)
                    continue
                if not found:
                    self._router.ignore(document, route)
        finally:
            result.messages += result.records > before
        return True

    def _emit_sliced(
        self,
        batch: Batch,
        document: bytes,
        sliced: list[SlicedDocument],
        route: Route | None,
    ) -> bool:
        """Hand the records of a document on, past the rules; return whether it has any.

        Raises:
            FeedError: When a rule says that it is fatal.
        """
        if route is not None and route.asks_texts and self._takes_text(route, document):
            return False
        result, found = batch.result, False
        for part in sliced:
            if route is not None and self._is_taken(route, part, document):
                continue
            for record in part.records:
                found = True
                batch.go_on()
                if self._emitter.take_text(batch.arrival, record):
                    result.records += 1
                else:
                    result.deduplicated += 1
        return found

    def _takes_text(self, route: Route, document: bytes) -> bool:
        text = document.decode()
        return route.takes_text(text, lambda: self._documents.look(text))

    def _is_taken(self, route: Route, part: SlicedDocument, document: bytes) -> bool:
        """Apply what looks at parsed documents to one that was cut up."""
        if not route.has_acted and route.passes(part.seen):
            return False
        groups = (
            (self._documents.groups(document.decode()) or {})
            if self._has_groups
            else {}
        )

        def look() -> Document:
            return Document(self._documents.value(part.document), groups)

        whole = document if part.is_whole else None
        return route.takes(Document(part.seen, groups), whole, look)
