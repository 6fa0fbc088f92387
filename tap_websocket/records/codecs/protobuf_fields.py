"""What a field of a Protobuf message is in the wire format, and in the library."""

from __future__ import annotations

from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor

from tap_websocket.records.codecs import protobuf_wire as wire

__all__ = ["class_of", "is_map", "is_there", "oneof", "value_of", "wire_type"]

_WIRE_TYPES = {
    FieldDescriptor.TYPE_DOUBLE: wire.FIXED64,
    FieldDescriptor.TYPE_FIXED64: wire.FIXED64,
    FieldDescriptor.TYPE_SFIXED64: wire.FIXED64,
    FieldDescriptor.TYPE_FLOAT: wire.FIXED32,
    FieldDescriptor.TYPE_FIXED32: wire.FIXED32,
    FieldDescriptor.TYPE_SFIXED32: wire.FIXED32,
    FieldDescriptor.TYPE_STRING: wire.LENGTH,
    FieldDescriptor.TYPE_BYTES: wire.LENGTH,
    FieldDescriptor.TYPE_MESSAGE: wire.LENGTH,
    FieldDescriptor.TYPE_GROUP: wire.GROUP,
}
"""Those of fields that are no varints."""


def wire_type(field: FieldDescriptor) -> int:
    """Return the wire type of a field's values that are not packed."""
    return _WIRE_TYPES.get(field.type, wire.VARINT)


def is_map(field: FieldDescriptor) -> bool:
    """Return whether a field is a map."""
    nested = field.message_type
    return nested is not None and nested.GetOptions().map_entry


def oneof(field: FieldDescriptor) -> str | None:
    """Return the name of the `oneof` that a field is in."""
    containing = field.containing_oneof
    return None if containing is None else containing.name


def class_of(field: FieldDescriptor) -> Any:  # noqa: ANN401 - made by the library
    """Return the class of the messages that have a field."""
    containing = field.containing_type
    if containing is None:
        msg = f"{field.full_name} is of no message"
        raise TypeError(msg)
    return message_factory.GetMessageClass(containing)


def value_of(message: Any, field: FieldDescriptor) -> Any:  # noqa: ANN401 - any value
    """Return the value of a field, or of an extension."""
    if field.is_extension:
        return message.Extensions[field]
    return getattr(message, field.name)


def is_there(message: Any, field: FieldDescriptor) -> bool:  # noqa: ANN401 - any message
    """Return whether a field is in JSON; those without presence always are."""
    if not field.has_presence:
        return True
    if field.is_extension:
        return bool(message.HasExtension(field))
    return bool(message.HasField(field.name))
