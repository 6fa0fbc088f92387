"""Runs whose columns last, in a file of `schema_location`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tap_websocket.columns.stored_columns import load_columns
from tests.support.drift import sending
from tests.support.servers import serve
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.tap import Run

__all__ = ["BROKEN", "WHOLE", "run", "stored"]

WHOLE = [{"price": price, "side": "buy"} for price in range(5)]
BROKEN = [{"price": 104.5, "side": "buy"}, {"price": 7, "side": "sell"}]


def run(directory: Path, records: list[Any], *arguments: str, **given: Any) -> Run:
    config = {
        "idle_timeout": 30,
        "infer_messages": 5,
        "schema_location": "columns.json",
        **given,
    }
    with serve(sending([json.dumps(record) for record in records])) as server:
        return run_tap(directory, {"url": server.url, **config}, *arguments)


def stored(directory: Path, stream: str = "messages") -> dict[str, Any]:
    """Return column to schema, after a check of the whole document."""
    data = (directory / "columns.json").read_bytes()
    columns = load_columns(data, stream=stream, where="columns.json").columns
    return {column.name: column.schema for column in columns}
