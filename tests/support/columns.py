"""Columns with the settings of a test."""

from __future__ import annotations

from typing import Any

from tap_websocket.columns.columns import Columns

__all__ = ["column", "make"]


def make(schema: Any = None, **changes: Any) -> Columns:
    """Return columns of these properties; by default they grow."""
    given_schema = {"type": "object", "properties": schema or {}}
    plan: dict[str, Any] = {
        "keys": (),
        "evolution": "add_columns",
        "added": {},
        "rescue": True,
    }
    return Columns(given_schema, **plan | changes)


def column(*types: str, **more: Any) -> dict[str, Any]:
    """Return the schema of a column, which may be null."""
    return {"type": [*types, "null"], **more}
