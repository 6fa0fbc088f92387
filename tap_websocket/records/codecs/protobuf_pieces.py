"""Large Protobuf messages, made JSON piece by piece (see `pieces.py`).

Two bytes may be a message with as many values as its type has fields. So a large
message is taken apart by the records of its wire format (protobuf.dev, "Encoding"):
some records of a message are a message of the same type, which the library reads.
"""

from __future__ import annotations

import itertools
from array import array
from typing import TYPE_CHECKING, Any, Protocol

from google.protobuf import message_factory

from tap_websocket.records.codecs import protobuf_fields as fields
from tap_websocket.records.codecs import protobuf_wire as wire
from tap_websocket.records.codecs.json_values import member_head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    from tap_websocket.jsontext import JsonValue

    Spans = Iterable[tuple[int, int]]
    """Where the parts of a message begin and end."""

__all__ = ["Readers", "in_pieces"]

_PART_BYTES = 1024
"""Records of a repeated field that are read at once."""

_PACKED_BYTES = 8 * 1024
"""Packed numbers that are read at once; a multiple of their widths."""

_MAX_DEPTH = 100
"""Levels of large messages inside each other; Protobuf's own limit."""


class Readers(Protocol):
    """Makes JSON of what is small, and knows the types."""

    @property
    def whole_bytes(self) -> int:
        """Size of messages that are read whole."""

    def message(self, descriptor: Descriptor) -> Callable[[Any], Any]:
        """Return what makes JSON's value of a message of this type."""

    def field(self, field: FieldDescriptor) -> Callable[[Any], Any]:
        """Return what makes JSON's value of a field's value."""

    def extensions(self, descriptor: Descriptor) -> list[FieldDescriptor]:
        """Return the extensions of a type."""

    def find(self, name: str) -> Descriptor | None:
        """Return the type of this full name."""

    def is_object(self, descriptor: Descriptor) -> bool:
        """Return whether messages of a type become objects of their fields."""

    def text(self, value: JsonValue) -> bytes:
        """Return a value as JSON."""


def in_pieces(
    readers: Readers, descriptor: Descriptor, payload: bytes
) -> Iterator[bytes]:
    """Yield the JSON of a message.

    Args:
        readers: Make JSON of what is small.
        descriptor: The type of the message.
        payload: The message.

    Raises:
        DecodeError: When it is not of the type.
        RecursionError: When it is nested too deeply.
    """
    yield from _Large(readers, payload).message(descriptor, [(0, len(payload))], 0)


class _Large:
    """A large message. Of what is inside of it, only places are held: no copies."""

    def __init__(self, readers: Readers, payload: bytes) -> None:
        self._readers = readers
        self._payload = payload
        # As small as can be: two bytes may be a record.
        self._places = "I" if len(payload) < 2**32 else "Q"

    def message(
        self, descriptor: Descriptor, spans: Spans, depth: int
    ) -> Iterator[bytes]:
        """Yield the JSON of a message whose parts are merged."""
        places = array(self._places, itertools.chain.from_iterable(spans))
        if sum(places[1::2]) - sum(places[::2]) <= self._readers.whole_bytes:
            yield self._whole(descriptor, self._joined(_pairs(places)))
            return
        if depth == _MAX_DEPTH:
            raise RecursionError
        special = {
            "google.protobuf.Any": self._any,
            "google.protobuf.FieldMask": self._mask,
            "google.protobuf.ListValue": self._only,
            "google.protobuf.Struct": self._only,
            "google.protobuf.Value": self._value,
        }.get(descriptor.full_name)
        if special is not None:
            yield from special(
                descriptor, self._by_field(descriptor, _pairs(places)), depth
            )
        elif self._readers.is_object(descriptor):
            yield from self._object(descriptor, _pairs(places), depth)
        else:
            yield self._whole(descriptor, self._joined(_pairs(places)))

    def _object(
        self, descriptor: Descriptor, spans: Spans, depth: int
    ) -> Iterator[bytes]:
        found = self._by_field(descriptor, spans)
        before = b"{"
        for field in self._fields(descriptor):
            begins = found.pop(field.number)
            if field.is_extension and not begins:
                continue
            name = f"[{field.full_name}]" if field.is_extension else field.name
            head = before + self._readers.text(name) + b":"
            for piece in self._field(field, begins, depth):
                yield head + piece
                head, before = b"", b","
        yield b"{}" if before == b"{" else b"}"

    def _field(
        self, field: FieldDescriptor, begins: array[int], depth: int
    ) -> Iterator[bytes]:
        """Yield the value of a field; nothing where it is not there."""
        if sum(end - begin for begin, end in self._ends(begins)) > (
            self._readers.whole_bytes
        ):
            if field.is_repeated:
                yield from self._repeated(field, begins, depth)
                return
            if field.message_type is not None:
                # Several of them are merged.
                spans = self._contents(begins)
                yield from self.message(field.message_type, spans, depth + 1)
                return
        message = fields.class_of(field).FromString(self._joined(self._ends(begins)))
        if fields.is_there(message, field):
            yield self._readers.text(
                self._readers.field(field)(fields.value_of(message, field))
            )

    def _repeated(
        self, field: FieldDescriptor, begins: array[int], depth: int
    ) -> Iterator[bytes]:
        """Yield an array of the items of a repeated field, or the object of a map."""
        is_map = fields.is_map(field)
        yield b"{" if is_map else b"["
        comma = b""
        for item in self._items(field, begins, depth):
            first = next(item, b"")
            if first:
                yield comma + first
                yield from item
                comma = b","
        yield b"}" if is_map else b"]"

    def _items(
        self, field: FieldDescriptor, begins: array[int], depth: int
    ) -> Iterator[Iterator[bytes]]:
        """Yield the JSON of some items, with commas between them, one after another."""
        some: list[tuple[int, int]] = []
        size = 0
        for begin in begins:
            record = wire.record_at(self._payload, begin, len(self._payload))
            if record.end - begin > self._readers.whole_bytes:
                yield self._read(field, self._joined(some))
                some, size = [], 0
                yield from self._large_item(field, begin, record, depth)
                continue
            some.append((begin, record.end))
            size += record.end - begin
            if size >= _PART_BYTES:
                yield self._read(field, self._joined(some))
                some, size = [], 0
        yield self._read(field, self._joined(some))

    def _large_item(
        self, field: FieldDescriptor, begin: int, record: wire.Record, depth: int
    ) -> Iterator[Iterator[bytes]]:
        spans = [(record.content, record.content_end)]
        if field.message_type is None:
            if record.wire_type == wire.LENGTH != fields.wire_type(field):
                yield from self._unpacked(field, record)
            else:
                yield self._read(field, self._payload[begin : record.end])
        elif fields.is_map(field):
            yield self._pair(field.message_type, spans, depth)
        else:
            yield self.message(field.message_type, spans, depth + 1)

    def _pair(self, entry: Descriptor, spans: Spans, depth: int) -> Iterator[bytes]:
        """Yield a member of the object that a map is."""
        by_number = entry.fields_by_number
        for _, record in self._records(spans):
            field = by_number.get(record.number)
            if field is None or not self._is_known(field, record):
                # The library leaves out an entry with anything else (protobuf 7.36).
                return
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        found = self._by_field(entry, spans)
        message = fields.class_of(key).FromString(
            self._joined(self._ends(found[key.number]))
        )
        yield member_head(self._readers.text({message.key: None}))
        is_there = False
        for piece in self._field(value, found[value.number], depth):
            yield piece
            is_there = True
        if not is_there:
            # A value that is not there is its default.
            yield self._readers.text(self._readers.field(value)(message.value))

    def _read(self, field: FieldDescriptor, records: bytes) -> Iterator[bytes]:
        """Yield the items that some records of a repeated field have."""
        if records:
            value = fields.value_of(fields.class_of(field).FromString(records), field)
            yield self._readers.text(self._readers.field(field)(value))[1:-1]

    def _unpacked(
        self, field: FieldDescriptor, record: wire.Record
    ) -> Iterator[Iterator[bytes]]:
        """Yield packed numbers, some at a time."""
        tag = wire.as_varint(field.number << 3 | wire.LENGTH)
        at = record.content
        while at < record.content_end:
            end = min(at + _PACKED_BYTES, record.content_end)
            if fields.wire_type(field) == wire.VARINT:
                while end < record.content_end and self._payload[end - 1] >= wire.MORE:
                    end += 1
            yield self._read(
                field, tag + wire.as_varint(end - at) + self._payload[at:end]
            )
            at = end

    def _only(
        self, descriptor: Descriptor, found: dict[int, array[int]], depth: int
    ) -> Iterator[bytes]:
        """Yield what the only field of a type is."""
        (field,) = descriptor.fields
        yield from self._repeated(field, found[field.number], depth)

    def _value(
        self, descriptor: Descriptor, found: dict[int, array[int]], depth: int
    ) -> Iterator[bytes]:
        for field in descriptor.fields:
            begins = found[field.number]
            if begins and field.message_type is not None:
                spans = self._contents(begins)
                yield from self.message(field.message_type, spans, depth + 1)
                return
        records = itertools.chain.from_iterable(map(self._ends, found.values()))
        yield self._whole(descriptor, self._joined(records))

    def _mask(
        self, descriptor: Descriptor, found: dict[int, array[int]], depth: int
    ) -> Iterator[bytes]:
        del depth
        yield b'"'
        comma = b""
        for begin in found[descriptor.fields_by_name["paths"].number]:
            records = self._joined(self._ends([begin]))
            yield comma + self._whole(descriptor, records)[1:-1]
            comma = b","
        yield b'"'

    def _any(
        self, descriptor: Descriptor, found: dict[int, array[int]], depth: int
    ) -> Iterator[bytes]:
        url = self._joined(self._ends(found[1]))
        type_url = (
            fields.class_of(descriptor.fields_by_name["type_url"])
            .FromString(url)
            .type_url
        )
        inner = self._readers.find(type_url.rpartition("/")[2])
        if inner is None:
            value = self._joined(self._ends(found[2]))
            yield self._whole(descriptor, url + value)
            return
        pieces = self.message(inner, self._contents(found[2]), depth + 1)
        head = self._readers.text({"@type": type_url})[:-1]
        first = next(pieces)
        if not first.startswith(b"{"):
            yield head + b',"value":' + first
            yield from pieces
            yield b"}"
            return
        rest = first[1:] or next(pieces)
        yield head + (b"" if rest.startswith(b"}") else b",") + rest
        yield from pieces

    def _whole(self, descriptor: Descriptor, data: bytes) -> bytes:
        message = message_factory.GetMessageClass(descriptor).FromString(data)
        return self._readers.text(self._readers.message(descriptor)(message))

    def _fields(self, descriptor: Descriptor) -> Iterator[FieldDescriptor]:
        yield from descriptor.fields
        yield from self._readers.extensions(descriptor)

    def _by_field(self, descriptor: Descriptor, spans: Spans) -> dict[int, array[int]]:
        """Return where the records of each field begin, by its number.

        Of those that replace each other, the last one is left.
        """
        known = {field.number: field for field in self._fields(descriptor)}
        found = {number: array(self._places) for number in known}
        oneofs = {number: fields.oneof(field) for number, field in known.items()}
        last: dict[str, int] = {}
        for begin, record in self._records(spans):
            field = known.get(record.number)
            if field is not None and self._is_known(field, record):
                oneof = oneofs[record.number]
                if oneof is not None:
                    other = last.get(oneof, record.number)
                    if other != record.number:
                        del found[other][:]
                    last[oneof] = record.number
                if not field.is_repeated and field.message_type is None:
                    del found[record.number][:]
                found[record.number].append(begin)
        return found

    def _is_known(self, field: FieldDescriptor, record: wire.Record) -> bool:
        """Return whether a record with the number of a field is one of it."""
        own = fields.wire_type(field)
        if record.wire_type != own:
            return (
                field.is_repeated
                and record.wire_type == wire.LENGTH
                and own != wire.GROUP
            )
        if (
            field.enum_type is None
            or field.is_repeated
            or not field.enum_type.is_closed
        ):
            return True
        value = (
            wire.varint_at(self._payload, record.content, record.end)[0] & 0xFFFFFFFF
        )
        signed = value - 2**32 if value >= 2**31 else value
        return signed in field.enum_type.values_by_number

    def _records(self, spans: Spans) -> Iterator[tuple[int, wire.Record]]:
        """Yield the records of a message, and where each begins."""
        for begin, end in spans:
            at = begin
            while at < end:
                record = wire.record_at(self._payload, at, end)
                yield at, record
                at = record.end

    def _joined(self, spans: Spans) -> bytes:
        joined = bytearray()
        for begin, end in spans:
            joined += self._payload[begin:end]
        return bytes(joined)

    def _ends(self, begins: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Yield where records begin and end."""
        for begin in begins:
            yield begin, wire.record_at(self._payload, begin, len(self._payload)).end

    def _contents(self, begins: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Yield where the contents of records begin and end, if they have any."""
        for begin in begins:
            record = wire.record_at(self._payload, begin, len(self._payload))
            if record.content < record.content_end:
                yield record.content, record.content_end


def _pairs(places: array[int]) -> Spans:
    each = iter(places)
    return zip(each, each, strict=True)
