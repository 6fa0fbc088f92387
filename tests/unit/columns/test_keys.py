"""Key properties: every record has them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tap_websocket.columns.inference import infer
from tap_websocket.columns.names import RESCUED
from tap_websocket.errors import SchemaError
from tests.support.columns import column, columns_of, make

ADDED: dict[str, dict[str, Any]] = {
    "_received_at": {"type": ["string", "null"], "format": "date-time"},
    "exchange": {"type": ["string", "null"]},
}
VALUES = {"_received_at": "2026-01-01T00:00:00.000000Z", "exchange": "kraken"}


def test_keys_that_the_sample_lacks_are_text() -> None:
    columns = make(infer([], nested=False, keys=("id",))["properties"], keys=("id",))
    for sent, written in (
        (7, "7"),
        ("7", "7"),
        (Decimal("1.50"), "1.50"),
        (2**80, str(2**80)),
    ):
        assert columns.conform({"id": sent}, {}) == {"id": written}


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({}, "has no 'id', which .* these fields: none;"),
        ({"a\n": 1, "b": 2}, r"has no 'id', which .* these fields: 'a\\n', 'b';"),
        (dict.fromkeys("abcdefghijkl"), "'i', 'j' and 2 more; name one"),
        ({"id": None}, "has null in 'id'"),
        ({"id": "secret"}, "has a value in 'id', .* cannot hold"),
        ({"id": 2**64}, "has a value in 'id', .* cannot hold"),
    ],
)
@pytest.mark.parametrize("types", ["integer", ["integer", "null"]])
def test_a_bad_key_ends_the_run(record: Any, words: str, types: Any) -> None:
    columns = make({"id": {"type": types}}, keys=("id",))
    with pytest.raises(SchemaError, match=words) as caught:
        columns.conform(record, {})
    assert "secret" not in str(caught.value)


def test_a_column_of_the_tap_can_be_a_key() -> None:
    columns = make(added=ADDED, keys=("exchange",))
    assert columns.conform({"a": 1}, VALUES) == VALUES | {"a": 1}


def test_only_keys_are_required() -> None:
    schema = {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "a": {"type": "integer"}},
        "required": ["id", "a"],
    }
    columns = columns_of(schema, keys=["id"], evolution="rescue", added={}, rescue=True)
    assert columns.schema["required"] == ["id"]
    assert columns.schema["properties"]["a"] == column("integer")
    assert columns.conform({"id": 1, "a": "x"}, {}) == {"id": 1, RESCUED: '{"a":"x"}'}


@pytest.mark.parametrize("evolution", ["ignore", "rescue"])
def test_a_record_without_its_key_is_read_whole(evolution: str) -> None:
    """The error lists its fields, also those that would stay as they stand."""
    columns = make({"n": column("integer")}, keys=["k"], evolution=evolution)
    record = b'{"n": 1, "other": 2}'
    assert columns.edit(record, {}) is None
    with pytest.raises(SchemaError, match="these fields: 'n', 'other'"):
        columns.conform({"n": 1, "other": 2}, {})
    # A column that the tap adds may be the key.
    edited = columns.edit(record, {"k": 1})
    assert edited is not None
