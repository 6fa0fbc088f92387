"""From a parsed value to records: arrays opened, paths searched, items named."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_websocket import jsontext
from tap_websocket.columns.names import DATA, UNREAD_BYTES, UNREAD_TEXT
from tap_websocket.expressions.path import MISSING
from tap_websocket.largejson import parsing
from tap_websocket.largejson.values import ARRAY, OBJECT, LargeArray, Merged, Numbered
from tap_websocket.records.payloads import encode_binary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tap_websocket.jsontext import JsonValue
    from tap_websocket.settings import DecodingSettings

__all__ = ["Extracted", "Extractor", "parsed_or_missing", "unread"]


_NONE: Mapping[str, Any] = types.MappingProxyType({})


class Extracted(NamedTuple):
    """A record before it has columns.

    Attributes:
        record: Its fields; of a large one they are parsed some at once.
        message_fields: The `message_fields` that stand in its document; they win.
        unnamed: What no column is meant for: items that `array_columns` has no name
            for, or a document that cannot be read. It is rescued.
    """

    record: Mapping[str, Any]
    message_fields: Mapping[str, Any] = _NONE
    unnamed: Mapping[str, Any] = _NONE


def unread(document: bytes) -> Extracted:
    """Return the record of a document that cannot be read: its text, or its base64."""
    try:
        unnamed = {UNREAD_TEXT: document.decode()}
    except UnicodeDecodeError:
        unnamed = {UNREAD_BYTES: encode_binary(document)}
    return Extracted({}, unnamed=unnamed)


class Extractor:
    """Finds the documents in a message's value, and the records in a document.

    Args:
        settings: Paths and names.
        single_column: Each record lands whole in the column `data`.
        opens_arrays: Each item of an array of objects is a document.

    Attributes:
        opens_arrays: As above.
    """

    def __init__(
        self,
        settings: DecodingSettings,
        *,
        single_column: bool,
        opens_arrays: bool,
    ) -> None:
        self._settings = settings
        self._single_column = single_column
        self.opens_arrays = opens_arrays
        # Values are JSON, in which paths can search.
        self._structured = settings.is_structured
        # Documents whose paths were looked up, and the settings of which no path has
        # found anything yet: each leaves at its first match.
        self._documents_seen = 0
        fields = (name for name, _ in settings.message_fields)
        self._unmatched = {f"message_fields.{name}" for name in fields}
        if settings.records_path is not None:
            self._unmatched.add("records_path")

    @property
    def has_unmatched(self) -> bool:
        """Whether a path has not matched yet, and matches are still of interest."""
        return bool(self._unmatched)

    @property
    def unmatched(self) -> Sequence[str]:
        """The settings whose path matched in no document, if there were any."""
        return sorted(self._unmatched) if self._documents_seen else ()

    def documents(self, value: JsonValue) -> list[Any] | LargeArray:
        """Return the documents of a value: itself, or the items of an array.

        What `json_fields` names is parsed in place first.
        """
        if not self._structured:
            return [value]
        for path in self._settings.json_fields:
            value = path.update(value, _parsed_inside)
        if isinstance(value, ARRAY) and self._opens(value):
            return value
        return [value]

    def records(
        self,
        document: JsonValue,
        groups: Mapping[str, str | None] = _NONE,
    ) -> Iterator[Extracted]:
        """Yield the records of a document.

        Args:
            document: Its value.
            groups: The groups of `message_pattern` in its text.
        """
        settings = self._settings
        if not self._structured:
            yield self._record(document, _NONE)
            return
        fields = {
            name: value
            for name, path in settings.message_fields
            if (value := path.first(document)) is not MISSING
        }
        for name, group in settings.group_fields:
            text = groups.get(group)
            if text is not None:
                fields[name] = text
        path = settings.records_path
        opens = path is not None and not settings.keeps_arrays
        matches = (document,) if path is None else path.find(document)
        self.note_matches(fields, matches)
        for match in matches:
            if opens and isinstance(match, ARRAY) and _are_objects(match):
                for item in match:
                    yield self._record(item, fields)
            elif match != []:
                yield self._record(match, fields)

    def note_matches(
        self, fields: Iterable[str], matches: Sequence[Any] | LargeArray
    ) -> None:
        """Take down that paths were looked up, and which of them matched."""
        if not self._unmatched:
            return
        self._documents_seen += 1
        self._unmatched.difference_update(f"message_fields.{name}" for name in fields)
        if matches:
            self._unmatched.discard("records_path")

    def _opens(self, items: list[Any] | LargeArray) -> bool:
        """Return whether each item of an array is a document of its own.

        The items of an array of objects are; an empty one has no document in it.
        """
        if not items:
            return True
        return self.opens_arrays and _are_objects(items)

    def _record(self, value: JsonValue, fields: Mapping[str, Any]) -> Extracted:
        names = self._settings.array_columns
        unnamed: Mapping[str, Any] = _NONE
        if names and isinstance(value, list):
            rest = value[len(names) :]
            unnamed = {str(n): item for n, item in enumerate(rest, len(names))}
            value = dict(zip(names, value, strict=False))
        elif names and isinstance(value, LargeArray):
            unnamed = Numbered(value, len(names))
            value = dict(zip(names, value, strict=False))
        if isinstance(value, OBJECT) and not self._single_column:
            return Extracted(value, fields, unnamed)
        if isinstance(unnamed, Numbered):
            value = Merged(value, unnamed)
        elif unnamed:
            value |= unnamed
        return Extracted({DATA: value}, fields)


def _are_objects(items: Iterable[Any]) -> bool:
    return all(isinstance(item, OBJECT) for item in items)


def parsed_or_missing(text: bytes | str) -> JsonValue:
    """Return the value of a text, or `MISSING` where it is not JSON."""
    try:
        return parsing.parse(text)
    except jsontext.InvalidJson:
        return MISSING


def _parsed_inside(value: JsonValue) -> JsonValue:
    """Return what a string holds where that is an object or array (`json_fields`)."""
    if not isinstance(value, str):
        return value
    found = parsed_or_missing(value)
    return found if isinstance(found, (*ARRAY, *OBJECT)) else value
