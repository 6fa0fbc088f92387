"""The documents of a message, and the records in each: read whole, step by step."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from tap_websocket.errors import ParseError
from tap_websocket.expressions.documents import Document
from tap_websocket.expressions.pattern import JSON_GROUP
from tap_websocket.largejson.values import ARRAY
from tap_websocket.records.extractor import parsed_or_missing
from tap_websocket.records.formats import format_of
from tap_websocket.records.payloads import split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from tap_websocket.jsontext import JsonValue
    from tap_websocket.records.extractor import Extracted, Extractor
    from tap_websocket.records.router import Route
    from tap_websocket.settings import DecodingSettings

    Documents = Callable[[bytes], Sequence[bytes]]
    """Takes a message apart into documents."""

__all__ = ["DocumentReader"]


class DocumentReader:
    """Splits messages into documents, and reads these.

    Args:
        settings: What a message looks like.
        extractor: Finds documents and records in a parsed value.
        documents: Takes a message apart, instead of `record_separator`. Its
            documents need not look like the message.

    Attributes:
        split: Returns the documents of a message; raises `ParseError` where that is not
            possible.
        is_own: The bytes of a message tell what its documents are.
        splits: A message may be several documents.
    """

    def __init__(
        self,
        settings: DecodingSettings,
        extractor: Extractor,
        documents: Documents | None,
    ) -> None:
        separator = settings.record_separator
        self._settings = settings
        self._extractor = extractor
        self._format = format_of(settings.message_format)
        self.split: Documents = documents or (lambda payload: split(payload, separator))
        self.is_own = documents is None
        self.splits = documents is not None or separator is not None
        self._takes_payloads_whole = self.is_own and settings.takes_payloads_whole

    def records(self, document: bytes, route: Route | None) -> Iterator[Extracted]:
        """Yield the records of a document; none where it is something else.

        This is the order of all steps (docs/feeds.md).

        Args:
            document: What was sent, split and decompressed.
            route: Takes what is no data; None where everything is data.

        Raises:
            ParseError: When the document is not what `message_format` says.
            FeedError: When a rule says that it is fatal.
        """
        text = self._format.text(document)
        if (
            route is not None
            and text is not None
            and route.takes_text(text, lambda: self.look(text))
        ):
            return
        groups = self.groups(text)
        if groups is None:
            return
        value = self._format.value(document, text, groups)
        documents = self._extractor.documents(value)
        # An item of an array has no text of its own.
        whole = None if documents is value else text or ""
        for found in documents:
            if route is not None and route.asks_documents:
                seen = self._seen(found, text, groups)
                if route.takes(seen, whole):
                    continue
            yield from self._extractor.records(found, groups)

    def groups(self, text: str | None) -> Mapping[str, str | None] | None:
        """Return what `message_pattern` finds; None where the document is ignored."""
        pattern = self._settings.message_pattern
        if pattern is None or text is None:
            return {}
        return pattern.groups(text)

    def _seen(
        self,
        value: JsonValue,
        text: str | None,
        groups: Mapping[str, str | None],
    ) -> Document:
        """Return a document as rules look at it: as JSON, whatever the format."""
        if self._settings.is_structured:
            return Document(value, groups)
        return Document() if text is None else self.look(text)

    def look(self, text: str) -> Document:
        """Parse and search a text; what is not JSON is `MISSING`."""
        groups = self.groups(text) or {}
        return Document(parsed_or_missing(groups.get(JSON_GROUP) or text), groups)

    def parsed(self, payload: bytes) -> Iterator[Document]:
        """Yield the documents of a message as rules look at them, the last one first.

        What cannot be read is nothing here: it is reported where it is taken.
        """
        for document in reversed(self.split(payload)):
            with contextlib.suppress(ParseError):
                text = self._format.text(document)
                groups = self.groups(text)
                if groups is not None:
                    value = self._format.value(document, text, groups)
                    for found in reversed(self._extractor.documents(value)):
                        yield self._seen(found, text, groups)

    def values(self, message: bytes) -> Iterable[Any]:
        """Return the documents of a message as JSON values; none that is unreadable."""
        if self._takes_payloads_whole:
            # The message is one document, or an array of them.
            value = parsed_or_missing(message)
            return value if isinstance(value, ARRAY) else (value,)
        return [found.document for found in self.parsed(message)][::-1]

    def value(self, document: bytes) -> JsonValue:
        """Return the parsed document that a slice of a message is.

        Raises:
            ParseError: When it holds a number that cannot be read.
        """
        documents = self._extractor.documents(self._format.value(document, None, {}))
        return next(iter(documents))
