"""What the records of an output are, however they are written."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from benchmarks.feeds import NUMBER

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["shapes"]

_EXTRACTED = re.compile(rb',\s*"time_extracted":\s*"[^"]*"')
_RESCUED = "_rescued_data"
_MARK = b"7700000000000"
"""In the place of a record's number."""


def shapes(data: bytes, *, rescued: bool = False) -> set[str]:
    """Return what the records of an output are but for their numbers.

    It is the same for all ways to write the same: an order of the fields, a null
    that is left out, a nested value as JSON text, a number as text. Lines without a
    number of the feed are no records of its messages.

    Args:
        data: Whole lines.
        rescued: Whether fields that were rescued count as fields of their record.
    """
    lines = set(_EXTRACTED.sub(b"", NUMBER.sub(_MARK, data)).splitlines())
    found = set()
    for line in lines:
        if _MARK not in line:
            continue
        message = json.loads(line)
        record = message["record"] if message.get("type") == "RECORD" else message
        if rescued:
            record |= json.loads(record.pop(_RESCUED, None) or "{}")
        found.add(json.dumps(dict(_plain(record)), sort_keys=True))
    return found


def _plain(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in record.items():
        nested = isinstance(value, str) and value[:1] in {"{", "["}
        plain = json.loads(value) if nested else value
        if plain is not None:
            yield name, json.dumps(plain).strip('"')
