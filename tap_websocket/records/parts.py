"""Large messages cut into small ones that come to the same records.

Parsed, an array of millions of small objects takes eighty times its size, and one call
of a C library holds up all threads for seconds. Its parts are arrays of the same
items, each as the server sent it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from tap_websocket.expressions.path import leads_into
from tap_websocket.jsontext import InvalidJson
from tap_websocket.largejson.parsing import items_of
from tap_websocket.records.payloads import is_utf8, json_documents
from tap_websocket.records.views import SliceView, Unviewable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tap_websocket.settings import DecodingSettings

__all__ = ["MessageCutter", "is_large"]

PART_BYTES = 64 * 1024
"""Messages that are not larger stay whole, and parts get no larger than it takes."""

_BETWEEN_OBJECTS = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*\{")


class _AnyObject(msgspec.Struct, frozen=True):
    """Any JSON object; all are equal, so that a set of a million is one of them."""


_objects = msgspec.json.Decoder(set[_AnyObject]).decode
"""Refuses what is no array of objects, in the memory of one."""

_REFUSED = (msgspec.MsgspecError, RecursionError)


def is_large(message: bytes) -> bool:
    """Return whether a message could hold the loop up."""
    return len(message) > PART_BYTES


class MessageCutter:
    """Cuts messages into parts.

    Args:
        settings: Paths and the separator.
        opens_arrays: Each item of an array of objects is a document.
    """

    def __init__(self, settings: DecodingSettings, *, opens_arrays: bool) -> None:
        self._separator = settings.record_separator
        # What looks at all of a text, or at all of a parsed message, sees no parts.
        is_cut = (
            settings.is_structured
            and self._separator is None
            and settings.message_pattern is None
            and not settings.json_fields
        )
        self._opens_arrays = is_cut and opens_arrays
        # Finds the array of `records_path`; None where there is none to be cut.
        self._find = _finder(settings) if is_cut else None
        path = settings.records_path
        # Items need not be objects.
        self._takes_any = path is not None and path.each is not None

    def cut(
        self, message: bytes, *, keeps_documents: bool, looks_at_texts: bool
    ) -> Iterator[bytes] | None:
        """Return the parts of a message, to be taken one after the other.

        Args:
            message: A message, not compressed.
            keeps_documents: A document that is an object has to be taken whole.
            looks_at_texts: A rule or reply looks at the text of a document.

        Returns:
            None where it has to be taken whole.
        """
        if not is_large(message):
            return None
        if self._separator is not None:
            return _at_separators(message, self._separator)
        if not is_utf8(message):
            return None
        if self._opens_arrays and not looks_at_texts and _is_array_of_objects(message):
            return _with_objects(b"", message, b"")
        if self._find is None or keeps_documents:
            return None
        return self._around_array(message)

    def _around_array(self, message: bytes) -> Iterator[bytes] | None:
        """Return documents like the message, each with some of the array's items."""
        assert self._find is not None  # noqa: S101 - the caller has looked
        array = self._find(message)
        # What stands around it is in each part.
        if (
            array is None
            or array[:1] != b"["
            or len(message) - len(array) > PART_BYTES // 8
        ):
            return None
        begin = message.index(array)
        head, tail = message[:begin], message[begin + len(array) :]
        if self._find(b"%b[]%b" % (head, tail)) != b"[]":
            return None
        if _is_array_of_objects(array):
            return _with_objects(head, array, tail)
        return _with_items(head, array, tail) if self._takes_any else None


def _finder(settings: DecodingSettings) -> Callable[[bytes], bytes | None] | None:
    """Return what finds the array whose items are records, if one is."""
    path = settings.records_path
    if path is None or settings.keeps_arrays:
        return None
    steps = path.steps if path.each is None else path.each
    fields = [field.steps for _, field in settings.message_fields]
    if steps is None or any(
        field is None or leads_into(field, steps) for field in fields
    ):
        return None
    if not steps:
        return lambda message: message
    try:
        view = SliceView([steps])
    except Unviewable:
        return None
    (finder,) = view.finders

    def find(message: bytes) -> bytes | None:
        try:
            found = finder(view.decode(message))
        except _REFUSED:
            return None
        return found[0] if found else None

    return find


def _is_array_of_objects(text: bytes) -> bool:
    try:
        _objects(text)
    except _REFUSED:
        return False
    return True


def _with_objects(head: bytes, array: bytes, tail: bytes) -> Iterator[bytes]:
    """Yield documents with the objects of an array between head and tail."""
    begin, end = array.find(b"{"), array.rfind(b"}") + 1
    if begin < 0:
        # Nothing but white space.
        yield b"%b[]%b" % (head, tail)
        return
    while begin < end:
        part, begin = _next_objects(array, begin, end)
        yield b"%b[%b]%b" % (head, part, tail)


def _with_items(head: bytes, array: bytes, tail: bytes) -> Iterator[bytes] | None:
    """Return documents with the items of an array between head and tail."""
    try:
        items = items_of(array)
    except InvalidJson:
        return None
    return (b"%b[%b]%b" % (head, part, tail) for part in items)


def _next_objects(array: bytes, begin: int, end: int) -> tuple[bytes, int]:
    """Return some objects of an array from one on, and where the next begins.

    What looks like a border may be inside of an object or of a string: it is none if
    what is in front of it is no array of objects.
    """
    size = PART_BYTES
    while begin + size < end:
        border = _BETWEEN_OBJECTS.search(array, begin + size, end)
        if border is None:
            break
        part = array[begin : border.start() + 1]
        if _is_array_of_objects(b"[%b]" % part):
            return part, border.end() - 1
        size = 2 * (border.end() - begin)
    return array[begin:end], end


def _at_separators(message: bytes, separator: str) -> Iterator[bytes]:
    """Yield parts of a message that end where a document does."""
    if not separator:
        yield from _joined(json_documents(message))
        return
    mark = separator.encode()
    begin = 0
    while begin < len(message):
        end = message.find(mark, begin + PART_BYTES)
        if end < 0:
            end = len(message)
        yield message[begin:end]
        begin = end + len(mark)


def _joined(documents: Iterable[bytes]) -> Iterator[bytes]:
    """Yield JSON documents, some at once."""
    part: list[bytes] = []
    size = 0
    for document in documents:
        part.append(document)
        size += len(document) + 1
        if size >= PART_BYTES:
            yield b"\n".join(part)
            part, size = [], 0
    if part:
        yield b"\n".join(part)
