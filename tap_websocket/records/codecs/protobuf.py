"""Protobuf payloads as JSON documents (protobuf.dev, "ProtoJSON", with differences).

64-bit integers are numbers, members have the names of the `.proto` file, and an enum's
number without a name is its text: a column keeps one type.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError

from tap_websocket.errors import ParseError
from tap_websocket.records.codecs import pieces, protobuf_pieces
from tap_websocket.records.codecs.json_values import (
    dumps,
    number,
    rfc3339,
    unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor, EnumDescriptor
    from google.protobuf.message import Message

    from tap_websocket.jsontext import JsonValue

    Read = Callable[[Any], Any]
    """Makes JSON's value of a field's value, or of a message."""

__all__ = ["ProtobufReader"]

_MIN_SIZE = 1024 * 1024
"""Smaller messages may become as much JSON as those of this size: the fields that were
not sent are there, too."""

_MAX_WHOLE = 16 * 1024
_MIN_WHOLE = 256
"""Sizes of messages that are read whole, for types of few fields and of many."""

_MANY_FIELDS = 20
"""Fields of a type whose messages of `_MAX_WHOLE` bytes take some megabytes."""


class ProtobufReader:
    """Reads messages of one type, which a descriptor set describes.

    Args:
        descriptor_file: Path of a `FileDescriptorSet`, as
            `protoc --descriptor_set_out --include_imports` writes it.
        message_type: Full name of the type of each message: `package.Name`.

    Raises:
        ValueError: When the file cannot be read, or has no such type; the message
            begins with the name of the key that is wrong.
    """

    def __init__(self, descriptor_file: str, message_type: str) -> None:
        pool, files = _pool(descriptor_file)
        try:
            descriptor = pool.FindMessageTypeByName(message_type)
        except KeyError as error:
            msg = (
                f"message_type: {descriptor_file} has no message {message_type!r}; "
                "give its full name, as in package.Name"
            )
            raise ValueError(msg) from error
        self._class = message_factory.GetMessageClass(descriptor)
        self._descriptor = descriptor
        self._readers = _Readers(pool, _whole_bytes(files))
        self._read = self._readers.message(descriptor)

    def to_json(self, payload: bytes) -> bytes:
        """Return a message as a JSON document.

        Raises:
            ParseError: When it is not of the type.
        """
        try:
            if len(payload) <= self._readers.whole_bytes:
                return self._readers.text(self._read(self._class.FromString(payload)))
            parts = protobuf_pieces.in_pieces(self._readers, self._descriptor, payload)
            return pieces.joined(parts, max(len(payload), _MIN_SIZE))
        except (DecodeError, UnicodeDecodeError) as error:
            # The library's own words name fields and show bytes.
            reason = "it is not of the message_type"
            raise unreadable(payload, "Protobuf", reason) from error
        except ParseError as error:
            raise unreadable(payload, "Protobuf", str(error)) from error
        except RecursionError as error:
            reason = "it is nested too deeply"
            raise unreadable(payload, "Protobuf", reason) from error


def _never(value: Any) -> NoReturn:  # noqa: ANN401 - nothing gets here
    msg = f"{type(value)} is no value of Protobuf"
    raise TypeError(msg)


def _pool(
    descriptor_file: str,
) -> tuple[descriptor_pool.DescriptorPool, descriptor_pb2.FileDescriptorSet]:
    try:
        content = Path(descriptor_file).read_bytes()
    except OSError as error:
        msg = f"descriptor_file: {descriptor_file} cannot be read ({error.strerror})"
        raise ValueError(msg) from error
    pool = descriptor_pool.DescriptorPool()
    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(content)
        for file in files.file:
            pool.Add(file)
        for file in files.file:
            pool.FindFileByName(file.name)
    except (DecodeError, KeyError, TypeError, ValueError) as error:
        msg = (
            f"descriptor_file: {descriptor_file} is not a whole FileDescriptorSet; "
            "make it with protoc --descriptor_set_out=FILE --include_imports"
        )
        raise ValueError(msg) from error
    if not files.file:
        msg = f"descriptor_file: {descriptor_file} is empty"
        raise ValueError(msg)
    return pool, files


def _whole_bytes(files: descriptor_pb2.FileDescriptorSet) -> int:
    """Return how large the messages are that are read whole.

    Two bytes may be a message of any type, in which each field has a value.
    """
    types = [type_ for file in files.file for type_ in file.message_type]
    widest = 1
    while types:
        type_ = types.pop()
        types.extend(type_.nested_type)
        widest = max(widest, len(type_.field))
    return min(_MAX_WHOLE, max(_MIN_WHOLE, _MAX_WHOLE * _MANY_FIELDS // widest))


class _Readers:
    """Makes what reads the messages of a pool, once for each type.

    A type may hold itself, so a reader is known by name before it is complete.
    """

    def __init__(self, pool: descriptor_pool.DescriptorPool, whole_bytes: int) -> None:
        self.whole_bytes = whole_bytes
        self._pool = pool
        self._made: dict[str, Read] = {}

    def message(self, descriptor: Descriptor) -> Read:
        """Return what makes an object of a message of this type."""
        name = descriptor.full_name
        if name not in self._made:
            # Looked up when it is called: by then the line below has replaced it.
            self._made[name] = lambda message: self._made[name](message)  # noqa: PLW0108 - see above
            self._made[name] = self._well_known(name) or self._object(descriptor)
        return self._made[name]

    def extensions(self, descriptor: Descriptor) -> list[FieldDescriptor]:
        """Return the extensions of a type (proto2)."""
        if not descriptor.is_extendable:
            return []
        return list(self._pool.FindAllExtensions(descriptor))

    def find(self, name: str) -> Descriptor | None:
        """Return the type of this full name, if there is one."""
        try:
            return self._pool.FindMessageTypeByName(name)
        except KeyError:
            return None

    def is_object(self, descriptor: Descriptor) -> bool:
        """Return whether messages of a type become objects of their fields."""
        return (
            self._well_known(descriptor.full_name) is None
            and not descriptor.GetOptions().message_set_wire_format
        )

    def text(self, value: JsonValue) -> bytes:
        """Return a value as JSON."""
        return dumps(value, _never)

    def _object(self, descriptor: Descriptor) -> Read:
        fields = [
            (field.name, field.has_presence, self.field(field))
            for field in descriptor.fields
        ]
        extendable = descriptor.is_extendable

        def read(message: Message) -> dict[str, Any]:
            found = {
                name: value(getattr(message, name))
                for name, has_presence, value in fields
                if not has_presence or message.HasField(name)
            }
            return found | self._extensions(message) if extendable else found

        return read

    def _extensions(self, message: Message) -> dict[str, Any]:
        """Return the extensions of a message (proto2), named as in text format."""
        return {
            f"[{field.full_name}]": self.field(field)(value)
            for field, value in message.ListFields()
            if field.is_extension
        }

    def field(self, field: FieldDescriptor) -> Read:
        """Return what makes JSON's value of a field's value."""
        nested = field.message_type
        if nested is not None and nested.GetOptions().map_entry:
            value = self._value(nested.fields_by_name["value"])
            return lambda items: {key: value(items[key]) for key in items}
        value = self._value(field)
        if field.is_repeated:
            return lambda items: [value(item) for item in items]
        return value

    def _value(self, field: FieldDescriptor) -> Read:
        """Return what reads one value of a field, be it repeated or not."""
        if field.message_type is not None:
            return self.message(field.message_type)
        if field.enum_type is not None:
            return _enum(field.enum_type)
        return _shortest if field.type == FieldDescriptor.TYPE_FLOAT else _as_it_is

    def _well_known(self, name: str) -> Read | None:
        package, _, short = name.rpartition(".")
        if package != "google.protobuf":
            return None
        if short in _WRAPPERS:
            value = _shortest if short == "FloatValue" else _as_it_is
            return lambda message: value(message.value)
        return {
            "Any": self._any,
            "Duration": _duration,
            "FieldMask": lambda message: ",".join(message.paths),
            "ListValue": _list,
            "Struct": _struct,
            "Timestamp": lambda message: rfc3339(message.seconds, message.nanos),
            "Value": _json_value,
        }.get(short)

    def _any(self, message: Any) -> dict[str, Any]:  # noqa: ANN401 - no class of its own
        head = {"@type": message.type_url}
        name = message.type_url.rpartition("/")[2]
        descriptor = self.find(name)
        if descriptor is None:
            return {**head, "value": message.value}
        inner = message_factory.GetMessageClass(descriptor).FromString(message.value)
        value = self.message(descriptor)(inner)
        return (
            {**head, **value} if isinstance(value, dict) else {**head, "value": value}
        )


_WRAPPERS = frozenset(
    f"{kind}Value"
    for kind in (
        "Bool",
        "Bytes",
        "Double",
        "Float",
        "Int32",
        "Int64",
        "String",
        "UInt32",
        "UInt64",
    )
)


def _as_it_is(value: Any) -> Any:  # noqa: ANN401 - any scalar
    return value


def _shortest(value: float) -> float | str:
    """Return a `float` (32 bits) by its shortest text: 0.1, not 0.10000000149011612."""
    if not math.isfinite(value):
        return number(value)
    packed = struct.pack("<f", value)
    # Nine digits tell any two floats of 32 bits apart (IEEE 754).
    for digits in range(6, 9):
        text = f"{value:.{digits}g}"
        try:
            if struct.pack("<f", float(text)) == packed:
                break
        except OverflowError:
            # Rounded up beyond the largest float.
            continue
    else:
        text = f"{value:.9g}"
    return float(text)


def _enum(enum: EnumDescriptor) -> Read:
    names = {number: value.name for number, value in enum.values_by_number.items()}
    return lambda number: names.get(number) or str(number)


def _duration(message: Any) -> str:  # noqa: ANN401 - no class of its own
    nanos = message.seconds * 1_000_000_000 + message.nanos
    seconds, rest = divmod(abs(nanos), 1_000_000_000)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{'-' if nanos < 0 else ''}{seconds}{fraction}s"


def _struct(message: Any) -> dict[str, Any]:  # noqa: ANN401 - no class of its own
    return {name: _json_value(message.fields[name]) for name in message.fields}


def _list(message: Any) -> list[Any]:  # noqa: ANN401 - no class of its own
    return [_json_value(item) for item in message.values]


def _json_value(message: Any) -> JsonValue:  # noqa: ANN401 - no class of its own
    match message.WhichOneof("kind"):
        case "struct_value":
            return _struct(message.struct_value)
        case "list_value":
            return _list(message.list_value)
        case "number_value":
            # JSON has one kind of number, Protobuf's `Value` doubles only.
            value = message.number_value
            return int(value) if value.is_integer() else value
        case None | "null_value":
            return None
        case kind:
            return getattr(message, kind)
