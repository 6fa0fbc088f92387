"""Records cut out of a message's bytes, without parsing it.

What the settings look for is found by views compiled from their paths; a record is a
slice of the server's bytes. A message that is built otherwise than the paths expect is
left to the slow path, which reads it whole.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any

import msgspec

from tap_websocket.errors import ParseError
from tap_websocket.expressions.path import leads_into
from tap_websocket.records.views import PartialView, SliceView, Unviewable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tap_websocket.expressions.path import Path, Step
    from tap_websocket.expressions.pattern import MessagePattern
    from tap_websocket.records.extractor import Extractor
    from tap_websocket.settings import DecodingSettings

    Find = Callable[[Any], list[bytes]]
    """Returns the matches of a path in what a view has decoded."""

__all__ = ["SlicedDocument", "Slicer", "make_slicer"]

_REFUSED = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)

_list_of_raw = msgspec.json.Decoder(list[msgspec.Raw]).decode
_raw = msgspec.json.Decoder(msgspec.Raw).decode
_names_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode

_SPACE = b" \t\r\n"
_SPACE_OR_BEGIN = (b" ", b"\t", b"\r", b"\n", b"{")

_HUGE = re.compile(rb"[eE][+-]?[0-9]{18}")
"""An exponent that is out of range; msgspec does not look at what it skips."""

_OBJECT, _ARRAY, _STRING = b"{", b"[", b'"'


class SlicedDocument(msgspec.Struct, frozen=True, gc=False):
    """A document of a message, cut up.

    Attributes:
        document: The document, a JSON value.
        records: Its records, each the text of a JSON object.
        is_whole: It is no item of an array.
        seen: What rules and replies look at of it, parsed; None where none do.
    """

    document: bytes
    records: list[bytes]
    is_whole: bool
    seen: Any = None


class _OtherwiseError(Exception):
    """The document is built otherwise than a slicer expects."""


def make_slicer(
    settings: DecodingSettings,
    extractor: Extractor,
    *,
    single_column: bool,
    looked_at: Iterable[Sequence[Step]],
) -> Slicer | None:
    """Make a slicer for the settings, or None where there can be none.

    Args:
        settings: Paths and names.
        extractor: Is told which paths matched.
        single_column: Each record lands whole in the column `data`.
        looked_at: What rules and replies look at.
    """
    pattern = settings.message_pattern
    if not settings.is_structured or (pattern is not None and len(pattern.names) > 1):
        return None
    try:
        return Slicer(
            settings, extractor, single_column=single_column, looked_at=looked_at
        )
    except Unviewable:
        return None


class Slicer:
    """Cuts messages into documents and records.

    Args:
        settings: Paths and names.
        extractor: Is told which paths matched.
        single_column: Each record lands whole in the column `data`.
        looked_at: What rules and replies look at.

    Attributes:
        seen: Returns of a document what rules and replies look at; None where they
            have to see it whole.

    Raises:
        Unviewable: When the paths are none that a slicer can follow.
    """

    def __init__(
        self,
        settings: DecodingSettings,
        extractor: Extractor,
        *,
        single_column: bool,
        looked_at: Iterable[Sequence[Step]],
    ) -> None:
        self._extractor = extractor
        # With `fail` a number that cannot be read ends the run on any path.
        self._refuses = None if settings.on_parse_error == "fail" else _HUGE.search
        self._opens_arrays = extractor.opens_arrays
        self._single_column = single_column
        self._pattern: MessagePattern | None = settings.message_pattern
        self._names = [_encode(name) for name in settings.array_columns]
        self._opens_matches = (
            settings.records_path is not None and not settings.keeps_arrays
        )
        fields = settings.message_fields
        if fields and single_column:
            raise Unviewable
        self._field_names = frozenset(name for name, _ in fields)
        self._quoted = [_encode(name).decode("latin-1") for name, _ in fields]
        records, inside = _record_ways(settings)
        paths = [_steps(path) for _, path in fields]
        packed = None if inside is None else records[0]
        if packed is not None and any(leads_into(path, packed) for path in paths):
            raise Unviewable
        # Decode what the records, or the string that they are inside of, and the fields
        # are found in; None where that is the document.
        self._view, self._fields_view, finders = _views(records, paths)
        self._record_finders = finders[: len(finders) - len(paths)]
        self._named_finders = list(
            zip(
                (name for name, _ in fields),
                finders[len(self._record_finders) :],
                strict=True,
            )
        )
        self._members = [
            (b"%b:" % _encode(name), find) for name, find in self._named_finders
        ]
        # Finds the record inside of that string.
        self._inside = None if inside is None else SliceView([inside or ()])
        self._inside_steps = inside
        self.seen = self._partial(looked_at, packed)

    @staticmethod
    def _partial(
        paths: Iterable[Sequence[Step]], packed: Sequence[Step] | None
    ) -> PartialView | None:
        """Return the view of what is looked at, unless that is inside of a string."""
        paths = list(paths)
        if packed is not None and any(leads_into(path, packed) for path in paths):
            return None
        try:
            return PartialView(paths)
        except Unviewable:
            return None

    def slice(self, document: bytes, *, seen: bool) -> list[SlicedDocument] | None:
        """Return the documents of what `record_separator` left, cut up.

        Args:
            document: Valid UTF-8.
            seen: Rules or replies will look at it.

        Returns:
            None where it has to be read whole.
        """
        try:
            if self._pattern is not None:
                groups = self._pattern.groups(document.decode())
                if groups is None:
                    return []
                (part,) = groups.values()
                document = (part or "").encode()
            if self._refuses is not None and self._refuses(document) is not None:
                return None
            look = self.seen.of if seen and self.seen is not None else None
            is_whole = document[:1] == _OBJECT
            parts = (document,) if is_whole else self.documents(document)
            return [
                SlicedDocument(
                    part,
                    self._cut(part),
                    is_whole or part is document,
                    None if look is None else look(part),
                )
                for part in parts
            ]
        except (*_REFUSED, _OtherwiseError, ParseError):
            # The slow path says what is wrong with what takes too long to be searched.
            return None

    def documents(self, document: bytes) -> list[bytes]:
        """Return the documents of a JSON value: itself, or the items of an array.

        Raises:
            MsgspecError: When it is an array, and no JSON.
        """
        if not self._is_array(document):
            return [document]
        if self._inside is not None:
            # `json_fields` is looked for in the array, and not in its items.
            raise _OtherwiseError
        parts = list(map(bytes, _list_of_raw(document)))
        if not parts or (self._opens_arrays and _are_objects(parts)):
            return parts
        return [document]

    @staticmethod
    def _is_array(document: bytes) -> bool:
        return document[:1] == _ARRAY or (
            document[:1] in _SPACE and document.lstrip(_SPACE)[:1] == _ARRAY
        )

    def _cut(self, document: bytes) -> list[bytes]:
        """Return the records of a document.

        Raises:
            MsgspecError: When it is built otherwise than the paths expect.
            _OtherwiseError: When a record is not what can be cut.
        """
        view, fields_view = self._view, self._fields_view
        if view is None:
            # Validates what nothing else looks at as a whole.
            return self._records(bytes(_raw(document)))
        decoded = view.decode(document)
        if self._record_finders:
            found = (find(decoded) for find in self._record_finders)
            matches = list(itertools.chain.from_iterable(found))
        else:
            matches = [bytes(_raw(document))]
        if self._inside is not None:
            matches = [found for match in matches for found in self._unpack(match)]
        tail = self._tail(
            decoded if fields_view is None else fields_view.decode(document), matches
        )
        records: list[bytes] = []
        for match in matches:
            if match[:1] == _OBJECT:
                records.append(match)
            else:
                records += self._records(match)
        if tail:
            return [self._with_fields(tail, record) for record in records]
        return records

    def _tail(self, decoded: Any, matches: Sequence[bytes]) -> bytes:  # noqa: ANN401 - what a view decodes
        """Return the message fields, each behind a comma."""
        tail = b""
        for prefix, find in self._members:
            found = find(decoded)
            if found:
                tail = b"%b,%b%b" % (tail, prefix, found[0])
        if self._extractor.has_unmatched:
            names = [name for name, find in self._named_finders if find(decoded)]
            self._extractor.note_matches(names, matches)
        return tail

    def _records(self, match: bytes) -> list[bytes]:
        """Return the records that a match of `records_path` is."""
        first = match[:1]
        if first == _OBJECT:
            return [match]
        if first == _ARRAY:
            items = list(map(bytes, _list_of_raw(match)))
            if not items:
                return []
            if self._opens_matches and _are_objects(items):
                return items
            if self._names and not self._single_column:
                return [self._named(items)]
        if self._single_column and not self._names:
            return [match]
        raise _OtherwiseError

    def _named(self, items: list[bytes]) -> bytes:
        """Return an array as an object, by `array_columns`."""
        if len(items) > len(self._names):
            raise _OtherwiseError
        members = zip(self._names, items, strict=False)
        return b"{%b}" % b",".join(b"%b:%b" % member for member in members)

    def _with_fields(self, tail: bytes, record: bytes) -> bytes:
        """Return a record with the message fields behind its own.

        Raises:
            _OtherwiseError: When it may have a field of such a name itself.
        """
        # A `str` is searched several times faster than `bytes` (CPython 3.11).
        text = record.decode("latin-1")
        if "\\" in text:
            # Names may be written in other ways.
            if not self._field_names.isdisjoint(_names_of(record)):
                raise _OtherwiseError
        else:
            for quoted in self._quoted:
                if quoted in text:
                    raise _OtherwiseError
        start = record[:-1]
        if start[-1:] in _SPACE_OR_BEGIN and start.rstrip(_SPACE) == b"{":
            return b"{%b}" % tail[1:]
        return b"%b%b}" % (start, tail)

    def _unpack(self, match: bytes) -> list[bytes]:
        """Return the records inside of a string (`json_fields`)."""
        if match[:1] != _STRING:
            raise _OtherwiseError
        inner = _text(match).encode().strip(_SPACE)
        if inner[:1] not in (_OBJECT, _ARRAY) or self._inside is None:
            raise _OtherwiseError
        if not self._inside_steps:
            return [bytes(_raw(inner))]
        return self._inside.finders[0](self._inside.decode(inner))


def _record_ways(
    settings: DecodingSettings,
) -> tuple[Sequence[Sequence[Step]], Sequence[Step] | None]:
    """Return the ways to records, and the way on inside of a string with JSON.

    Raises:
        Unviewable: When there is no such way.
    """
    path = settings.records_path
    ways = ((),) if path is None else path.ways
    if ways is None:
        raise Unviewable
    if not settings.json_fields:
        return ways, None
    if len(settings.json_fields) > 1 or len(ways) > 1:
        raise Unviewable
    (record,) = ways
    packed = _steps(settings.json_fields[0])
    if not packed or record[: len(packed)] != packed:
        raise Unviewable
    return (packed,), record[len(packed) :]


def _views(
    records: Sequence[Sequence[Step]], fields: Sequence[Sequence[Step]]
) -> tuple[SliceView | None, SliceView | None, list[Find]]:
    """Return what decodes documents for records and for fields, and what finds these.

    Returns:
        The view of the records, or None; that of the fields, None where it is the same;
        and a finder for each way to a record that is not the document, and each field.

    Raises:
        Unviewable: When no views have these paths.
    """
    ways = [] if list(records) == [()] else list(records)
    try:
        view = SliceView([*ways, *fields]) if ways or fields else None
    except Unviewable:
        # A field stands inside of a record, or the other way round.
        view, inner = SliceView(ways), SliceView(fields)
        return view, inner, [*view.finders, *inner.finders]
    return view, None, [] if view is None else view.finders


def _steps(path: Path) -> tuple[Step, ...]:
    steps = path.steps
    if steps is None:
        raise Unviewable
    return steps


def _are_objects(items: list[bytes]) -> bool:
    return all(item[:1] == _OBJECT for item in items)
