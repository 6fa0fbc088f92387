"""The names of the columns that the tap itself adds, each once (docs/columns.md)."""

from __future__ import annotations

__all__ = [
    "CONNECTION",
    "DATA",
    "ENVELOPE_RECEIVED_AT",
    "ENVELOPE_URL",
    "MISSING_NUMBERS",
    "OUTAGE_SECONDS",
    "RECEIVED_AT",
    "RESCUED",
    "SEQUENCE",
    "UNREAD_BYTES",
    "UNREAD_TEXT",
]

DATA = "data"
"""A whole document: whatever is no JSON object, and the record in an envelope."""

RESCUED = "_rescued_data"
"""The fields of a record that have no place in their column."""

RECEIVED_AT = "_received_at"
"""When the message came (`record_metadata`)."""

CONNECTION = "_connection"
"""Number of the connection within the run, from 1 (`record_metadata`)."""

SEQUENCE = "_sequence"
"""Number of the record on its connection, from 1 (`record_metadata`)."""

MISSING_NUMBERS = "_missing"
"""Numbers of the feed that were found missing before the record (`record_metadata`)."""

OUTAGE_SECONDS = "_outage_seconds"
"""How long no line was there before the record (`record_metadata`)."""

ENVELOPE_RECEIVED_AT = "received_at"
"""When the message came (`envelope`)."""

ENVELOPE_URL = "url"
"""The feed's URL (`envelope`)."""

UNREAD_TEXT = "_message"
"""In `_rescued_data`: the text of a message that cannot be read."""

UNREAD_BYTES = "_message_base64"
"""In `_rescued_data`: base64 of such a message that is no UTF-8."""
