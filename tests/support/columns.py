"""Columns with the settings of a test."""

from __future__ import annotations

from typing import Any

from tap_websocket.columns.columns import Columns
from tap_websocket.columns.rules import ColumnRules

__all__ = ["column", "columns_of", "make"]


def make(schema: Any = None, **changes: Any) -> Columns:
    """Return columns of these properties; by default they grow."""
    given_schema = {"type": "object", "properties": schema or {}}
    rules: dict[str, Any] = {
        "keys": (),
        "evolution": "add_columns",
        "added": {},
        "rescue": True,
    }
    return columns_of(given_schema, **rules | changes)


def columns_of(schema: Any, *, sent_as: Any = None, **rules: Any) -> Columns:
    """Return columns of a schema, by these rules."""
    return Columns(schema, ColumnRules(**rules), sent_as=sent_as or {})


def column(*types: str, **more: Any) -> dict[str, Any]:
    """Return the schema of a column, which may be null."""
    return {"type": [*types, "null"], **more}
