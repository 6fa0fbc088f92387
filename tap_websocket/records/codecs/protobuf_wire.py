"""Protobuf's wire format: records of a tag and a content (protobuf.dev, "Encoding")."""

from __future__ import annotations

from typing import NamedTuple

from google.protobuf.message import DecodeError

__all__ = [
    "FIXED32",
    "FIXED64",
    "GROUP",
    "LENGTH",
    "MORE",
    "VARINT",
    "Record",
    "as_varint",
    "record_at",
    "varint_at",
]

VARINT, FIXED64, LENGTH, GROUP, _GROUP_END, FIXED32 = range(6)
"""Wire types."""

MORE = 0x80
"""Bit of a varint's byte that has another one behind it."""

_MAX_VARINT = 10
"""Bytes of a varint of 64 bits."""

_MAX_GROUPS = 100
"""Levels of groups inside each other; the library's own limit."""


class Record(NamedTuple):
    """A record: where its content begins and ends, and where it ends itself."""

    number: int
    wire_type: int
    content: int
    content_end: int
    end: int


def record_at(payload: bytes, at: int, limit: int) -> Record:
    """Return the record that begins at a place.

    Raises:
        DecodeError: When it is cut off, or has a tag that means nothing.
    """
    tag, content = varint_at(payload, at, limit)
    number, wire_type = tag >> 3, tag & 7
    end = content_end = content
    if wire_type == VARINT:
        end = content_end = varint_at(payload, content, limit)[1]
    elif wire_type == LENGTH:
        size, content = varint_at(payload, content, limit)
        end = content_end = content + size
    elif wire_type == FIXED64:
        end = content_end = content + 8
    elif wire_type == FIXED32:
        end = content_end = content + 4
    elif wire_type == GROUP:
        content_end, end = _end_of_group(payload, number, content, limit)
    else:
        raise DecodeError
    if end > limit or not number:
        raise DecodeError
    return Record(number, wire_type, content, content_end, end)


def _end_of_group(payload: bytes, number: int, at: int, limit: int) -> tuple[int, int]:
    """Return where the content of a group ends, and where its last tag does."""
    open_ = [number]
    while True:
        tag, content = varint_at(payload, at, limit)
        if tag & 7 == GROUP:
            if len(open_) == _MAX_GROUPS:
                raise RecursionError
            open_.append(tag >> 3)
        elif tag & 7 == _GROUP_END:
            if open_.pop() != tag >> 3:
                raise DecodeError
            if not open_:
                return at, content
        else:
            content = record_at(payload, at, limit).end
        at = content


def varint_at(payload: bytes, at: int, limit: int) -> tuple[int, int]:
    """Return a varint, and where it ends.

    Raises:
        DecodeError: When it is cut off, or longer than ten bytes.
    """
    value = shift = 0
    for index in range(at, min(at + _MAX_VARINT, limit)):
        byte = payload[index]
        value |= (byte & 0x7F) << shift
        if byte < MORE:
            return value, index + 1
        shift += 7
    raise DecodeError


def as_varint(value: int) -> bytes:
    """Return a number as a varint."""
    found = bytearray()
    while value >= MORE:
        found.append(value & 0x7F | MORE)
        value >>= 7
    found.append(value)
    return bytes(found)
