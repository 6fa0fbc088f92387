"""The document of `schema_location`: what it holds, and what it is refused for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_websocket.columns.stored_columns import (
    Column,
    StoredColumns,
    dump_columns,
    load_columns,
)
from tap_websocket.errors import LocationError

INTEGER = {"type": ["integer", "null"]}
TEXT = {"type": ["string", "null"]}


def load(data: bytes | None, stream: str = "trades") -> StoredColumns:
    return load_columns(data, stream=stream, where="schema.json")


@given(
    st.lists(
        st.tuples(st.text(max_size=5), st.text(max_size=5), st.sampled_from([INTEGER])),
        unique_by=(lambda each: each[0], lambda each: each[1]),
    ),
)
def test_columns_come_back_in_order(given_columns: list[tuple[str, str, Any]]) -> None:
    stored = StoredColumns(tuple(Column(*each) for each in given_columns))
    assert load(dump_columns(stored, stream="trades")) == stored


def test_the_schema_stands_there_as_in_a_catalog() -> None:
    stored = StoredColumns((Column("e", "e", TEXT), Column("E_2", "E", INTEGER)))
    document = json.loads(dump_columns(stored, stream="trades"))
    assert document["schema"] == {
        "type": "object",
        "properties": {"e": TEXT, "E_2": INTEGER},
    }
    assert document["sent_as"] == {"e": "e", "E_2": "E"}


@pytest.mark.parametrize("data", [None, b""])
def test_no_file_and_an_empty_one_have_no_column(data: bytes | None) -> None:
    assert load(data) == StoredColumns()


def test_who_was_first_has_the_type_and_the_name() -> None:
    first = StoredColumns((Column("a", "a", INTEGER), Column("E_2", "E", TEXT)))
    second = first.merged(
        [
            Column("a", "a", TEXT),
            Column("E", "E", INTEGER),
            Column("E_2", "other", INTEGER),
            Column("new", "new", TEXT),
        ],
    )
    assert second.columns == (*first.columns, Column("new", "new", TEXT))


def document(**changes: Any) -> dict[str, Any]:
    stored = StoredColumns((Column("a", "a", INTEGER), Column("b", "b", TEXT)))
    return {**json.loads(dump_columns(stored, stream="trades")), **changes}


def schema(**properties: Any) -> dict[str, Any]:
    return {"schema": {"type": "object", "properties": properties}}


def test_a_column_added_by_hand_is_sent_by_its_own_name() -> None:
    given_document = document(**schema(a=TEXT, c=INTEGER))
    assert load(json.dumps(given_document).encode()).columns == (
        Column("a", "a", TEXT),
        Column("c", "c", INTEGER),
    )


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"not json", "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", 'it has no "format"'),
        (b'{"streams": []}', 'it has no "format"'),
        (document(version=2), "another version"),
        (document(stream="other"), "it is of the stream 'other'"),
        (document(schema=[]), '"schema" has no "properties"'),
        (document(sent_as=None), '"sent_as" is no object'),
        (document(sent_as={"a": 1}), "\"sent_as\" of 'a' is no text"),
        (document(sent_as={"a": "b"}), "two columns have the same name"),
        (document(**schema(a=[])), "'a' is no object"),
        (document(**schema(a={"type": "text"})), "'a' is not valid"),
        (document(**schema(a={})), "'a' has no \"type\""),
    ],
)
def test_anything_else_is_refused_in_one_line(data: Any, problem: str) -> None:
    given_data = data if isinstance(data, bytes) else json.dumps(data).encode()
    with pytest.raises(LocationError) as caught:
        load(given_data)
    assert problem in str(caught.value)
    assert "'schema.json' does not hold the columns of the stream" in str(caught.value)
    assert "\n" not in str(caught.value)
