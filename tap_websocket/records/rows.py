"""What a record that has no columns yet is elsewhere: a text, fields, or a value."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext
from tap_websocket.columns.names import DATA
from tap_websocket.largejson.values import OBJECT, LargeJson, LargeObject
from tap_websocket.records.extractor import Extracted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_websocket.jsontext import JsonValue
    from tap_websocket.settings import DecodingSettings

__all__ = ["compared_value", "fields_of", "text_of"]


def text_of(row: Extracted, *, single_column: bool) -> bytes:
    """Return the JSON text of a record, or none where it cannot pass.

    Args:
        row: The record, of a structured format.
        single_column: Each record lands whole in the column `data`.
    """
    value = fields_of(row)
    if row.unnamed or len(value) < len(row.record) + len(row.message_fields):
        return b""
    if single_column:
        if row.message_fields:
            return b""
        value = value[DATA]
    return b"" if _is_large(value) else jsontext.dumps(value)


def _is_large(value: JsonValue) -> bool:
    """Return whether a record has to be made to fit, piece by piece."""
    if isinstance(value, dict):
        return any(isinstance(item, LargeJson) for item in value.values())
    return isinstance(value, LargeJson)


def fields_of(row: Extracted | bytes) -> Mapping[str, Any]:
    """Return the fields of a record, or of its JSON text; none of what is no object."""
    if isinstance(row, bytes):
        try:
            value = jsontext.parse(row)
        except jsontext.InvalidJson:
            return {}
        return value if isinstance(value, dict) else {}
    record, fields = row.record, row.message_fields
    if not fields:
        return record
    if isinstance(record, LargeObject):
        return record.hidden_by(fields)
    return {**record, **fields}


def compared_value(
    row: Extracted, settings: DecodingSettings, *, single_column: bool
) -> JsonValue | bytes:
    """Return what a record is compared by: a JSON value, or a payload.

    Args:
        row: The record.
        settings: `message_format`.
        single_column: Each record lands whole in the column `data`.
    """
    # What cannot be read has no fields.
    value = row.record[DATA] if single_column and row.record else row.record
    if row.message_fields or row.unnamed:
        added = fields_of(Extracted(row.unnamed, row.message_fields))
        if isinstance(value, OBJECT):
            return fields_of(Extracted(value, added))
        return [value, added]
    if not settings.is_structured and isinstance(value, str):
        is_base64 = not settings.has_text
        return base64.b64decode(value) if is_base64 else value.encode()
    return value
