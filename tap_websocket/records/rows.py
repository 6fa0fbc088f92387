"""What a record that has no columns yet is elsewhere: a text, fields, or a value."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext
from tap_websocket.columns.names import DATA

if TYPE_CHECKING:
    from tap_websocket.jsontext import Record
    from tap_websocket.records.extractor import Extracted
    from tap_websocket.settings import DecodingSettings

__all__ = ["compared_value", "fields_of", "text_of"]


def text_of(row: Extracted, *, single_column: bool) -> bytes:
    """Return the JSON text of a record, or none where it cannot pass.

    Args:
        row: The record, of a structured format.
        single_column: Each record lands whole in the column `data`.
    """
    if row.unnamed or not row.message_fields.keys().isdisjoint(row.record):
        return b""
    value = {**row.record, **row.message_fields} if row.message_fields else row.record
    if not single_column:
        return jsontext.dumps(value)
    return b"" if row.message_fields else jsontext.dumps(value[DATA])


def fields_of(row: Extracted | bytes) -> Record:
    """Return the fields of a record, or of its JSON text; none of what is no object."""
    if isinstance(row, bytes):
        try:
            value = jsontext.parse(row)
        except jsontext.InvalidJson:
            return {}
        return value if isinstance(value, dict) else {}
    return {**row.record, **row.message_fields} if row.message_fields else row.record


def compared_value(
    row: Extracted, settings: DecodingSettings, *, single_column: bool
) -> Any:  # noqa: ANN401 - any JSON, or a payload
    """Return what a record is compared by: a JSON value, or a payload.

    Args:
        row: The record.
        settings: `message_format`.
        single_column: Each record lands whole in the column `data`.
    """
    value = row.record[DATA] if single_column else row.record
    if row.message_fields or row.unnamed:
        added = {**row.unnamed, **row.message_fields}
        return {**value, **added} if isinstance(value, dict) else [value, added]
    if not settings.is_structured and isinstance(value, str):
        is_base64 = not settings.has_text
        return base64.b64decode(value) if is_base64 else value.encode()
    return value
