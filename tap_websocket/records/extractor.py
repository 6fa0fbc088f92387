"""From a message to documents, and from a document to records.

A message goes the contract's way: split, texts before the rules, `message_pattern`,
parse, `json_fields`, arrays opened, documents before the rules, `records_path`,
`array_columns`, `message_fields`.
"""

from __future__ import annotations

import collections
import contextlib
import types
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tap_websocket import jsontext
from tap_websocket.columns.names import DATA, UNREAD_BYTES, UNREAD_TEXT
from tap_websocket.errors import ParseError
from tap_websocket.expressions.documents import Document
from tap_websocket.expressions.jsonpath import MISSING
from tap_websocket.expressions.pattern import JSON_GROUP
from tap_websocket.records.payloads import encode_binary, split

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tap_websocket.settings import DecodingSettings

    Documents = Callable[[bytes], Sequence[bytes]]
    """Takes a message apart into documents."""

__all__ = ["Decoder", "Extracted", "Hears", "unread"]

Record = dict[str, Any]
Groups = dict[str, str | None]


_NONE: Mapping[str, Any] = types.MappingProxyType({})


class Extracted(NamedTuple):
    """A record before it has columns.

    Attributes:
        record: Its fields.
        fields: The `message_fields` that stand in its document; they win.
        aside: What goes to `_rescued_data` in any case: items without a name.
    """

    record: Record
    fields: Mapping[str, Any] = _NONE
    aside: Mapping[str, Any] = _NONE


def unread(document: bytes) -> Extracted:
    """Return the record of a document that cannot be read: its text, or its base64."""
    try:
        aside = {UNREAD_TEXT: document.decode()}
    except UnicodeDecodeError:
        aside = {UNREAD_BYTES: encode_binary(document)}
    return Extracted({}, aside=aside)


class Hears(Protocol):
    """Is told of each document before it is data."""

    @property
    def asks_documents(self) -> bool:
        """Whether parsed documents are looked at."""

    def text(self, text: str, look: Callable[[], Document]) -> bool:
        """Hear a document's text; tell whether it is no data."""

    def document(self, found: Document, text: str | None) -> bool:
        """Hear a parsed document; tell whether it is no data."""


class _Heard:
    """Keeps the parsed documents, so that nothing is made of them."""

    asks_documents = True

    def __init__(self) -> None:
        self.found: list[Document] = []

    def text(self, text: str, look: Callable[[], Document]) -> bool:  # noqa: ARG002 - protocol
        return False

    def document(self, found: Document, text: str | None) -> bool:  # noqa: ARG002 - protocol
        self.found.append(found)
        return True


class Decoder:
    """Turns messages into records, as the settings say."""

    def __init__(
        self,
        settings: DecodingSettings,
        *,
        whole: bool,
        opens_arrays: bool,
        documents: Documents | None = None,
    ) -> None:
        """Make a decoder.

        Args:
            settings: The message format and the like.
            whole: Each record lands whole in the column `data`.
            opens_arrays: An array of objects is several documents.
            documents: Takes a message apart, in the place of `record_separator`.
        """
        separator = settings.record_separator
        self.documents = documents or (lambda payload: split(payload, separator))
        self._settings = settings
        self._opens_arrays = opens_arrays
        self._whole = whole

    def rows(self, document: bytes, hearing: Hears | None) -> Iterator[Extracted]:
        """Yield the records of a document; none where it is something else.

        Args:
            document: What was sent.
            hearing: Tells what is no data; None where everything is.

        Raises:
            ParseError: When the document is not what `message_format` says.
            FeedError: When a rule says that it is fatal.
        """
        text = self._text(document)
        pattern = self._settings.message_pattern
        if (
            hearing is not None
            and text is not None
            and hearing.text(text, lambda: self._look(text))
        ):
            return
        groups: Groups = {}
        if pattern is not None and text is not None:
            found = pattern.groups(text)
            if found is None:
                return
            groups = dict(found)
        if self._settings.is_structured:
            yield from self._json_rows(document, text or "", groups, hearing)
        elif not self._is_taken(text, hearing):
            yield self._row(self._value(document, text, groups), _NONE)

    def parsed(self, document: bytes) -> list[Document]:
        """Return a document as rules look at it, an array of objects item by item.

        What cannot be read is nothing here: it is reported where it is taken.
        """
        heard = _Heard()
        with contextlib.suppress(ParseError):
            collections.deque(self.rows(document, heard), maxlen=0)
        return heard.found

    def _text(self, document: bytes) -> str | None:
        """Return a document's text; in `binary` format it may have none."""
        try:
            return document.decode()
        except UnicodeDecodeError as error:
            if self._settings.message_format == "binary":
                return None
            msg = (
                f"a message of {len(document)} bytes is not valid UTF-8; set "
                "message_format: binary, or on_parse_error: skip"
            )
            raise ParseError(msg) from error

    def _look(self, text: str) -> Document:
        """Parse and search a text; what is not JSON is `MISSING`."""
        pattern, groups = self._settings.message_pattern, None
        if pattern is not None:
            groups = pattern.groups(text)
            text = (groups or {}).get(JSON_GROUP) or text
        return Document(_parsed(text), groups or {})

    def _is_taken(self, text: str | None, hearing: Hears | None) -> bool:
        """Tell whether a document that is not parsed is no data by its JSON."""
        if hearing is None or not hearing.asks_documents:
            return False
        found = Document() if text is None else self._look(text)
        return hearing.document(found, text or "")

    def _value(self, document: bytes, text: str | None, groups: Groups) -> Any:  # noqa: ANN401 - text, or columns
        if self._settings.message_format == "binary":
            return encode_binary(document)
        return groups or text

    def _json_rows(
        self,
        document: bytes,
        text: str,
        groups: Groups,
        hearing: Hears | None,
    ) -> Iterator[Extracted]:
        value = self._parse(document, groups.get(JSON_GROUP))
        for path in self._settings.json_fields:
            value = path.update(value, _parsed_inside)
        opens = isinstance(value, list) and self._opens(value)
        for item in value if opens else (value,):
            if hearing is not None and hearing.asks_documents:
                whole = None if opens else text
                if hearing.document(Document(item, groups), whole):
                    continue
            yield from self._records(item)

    def _parse(self, document: bytes, part: str | None) -> Any:  # noqa: ANN401 - any JSON
        try:
            return jsontext.parse(document if part is None else part)
        except jsontext.InvalidJson as error:
            msg = (
                f"a message of {len(document)} bytes is not valid JSON ({error}); set "
                "message_format: raw_string, or on_parse_error: skip"
            )
            raise ParseError(msg) from error

    def _opens(self, items: list[Any]) -> bool:
        """Tell whether each item of an array is a document of its own.

        The items of an array of objects are; an empty one has no document in it.
        """
        if not items:
            return True
        return self._opens_arrays and _are_objects(items)

    def _records(self, document: Any) -> Iterator[Extracted]:  # noqa: ANN401 - any JSON
        """Yield the records inside of a document."""
        settings = self._settings
        fields = {
            name: value
            for name, path in settings.message_fields
            if (value := path.first(document)) is not MISSING
        }
        path = settings.records_path
        opens = path is not None and not settings.keeps_arrays
        for match in (document,) if path is None else path.find(document):
            if opens and isinstance(match, list) and _are_objects(match):
                for item in match:
                    yield self._row(item, fields)
            elif match != []:
                yield self._row(match, fields)

    def _row(self, value: Any, fields: Mapping[str, Any]) -> Extracted:  # noqa: ANN401 - any JSON
        names = self._settings.array_columns
        aside: Mapping[str, Any] = _NONE
        if names and isinstance(value, list):
            rest = value[len(names) :]
            aside = {str(n): item for n, item in enumerate(rest, len(names))}
            value = dict(zip(names, value, strict=False))
        if isinstance(value, dict) and not self._whole:
            return Extracted(value, fields, aside)
        if aside:
            value |= aside
        return Extracted({DATA: value}, fields)


def _are_objects(items: list[Any]) -> bool:
    return all(isinstance(item, dict) for item in items)


def _parsed(text: str) -> Any:  # noqa: ANN401 - any JSON
    """Return the value of a text, or `MISSING` where it is not JSON."""
    try:
        return jsontext.parse(text)
    except jsontext.InvalidJson:
        return MISSING


def _parsed_inside(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return what a string holds where that is an object or array (`json_fields`)."""
    if not isinstance(value, str):
        return value
    found = _parsed(value)
    return found if isinstance(found, dict | list) else value
