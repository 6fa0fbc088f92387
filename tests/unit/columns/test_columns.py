"""What becomes of which field: columns, evolution, rescue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tap_websocket import jsontext
from tap_websocket.columns.inference import ANY_JSON, infer
from tap_websocket.columns.names import RESCUED
from tap_websocket.columns.stored_columns import Column, StoredColumns
from tap_websocket.errors import SchemaError
from tests.support.columns import column, columns_of, make

ADDED: dict[str, dict[str, Any]] = {
    "_received_at": {"type": ["string", "null"], "format": "date-time"},
    "exchange": {"type": ["string", "null"]},
}
VALUES = {"_received_at": "2026-01-01T00:00:00.000000Z", "exchange": "kraken"}


def test_new_fields_are_announced_before_their_record() -> None:
    columns = make({"a": column("integer")})
    before, version = columns.schema, columns.version
    assert columns.conform({"a": 1}, {}) == {"a": 1}
    assert columns.schema is before
    record = {"b": Decimal("1.10"), "c": [1]}
    assert columns.conform(dict(record), {}) == record
    assert columns.schema is not before
    assert columns.version > version
    assert columns.schema["properties"] == {
        "a": column("integer"),
        "b": column("number"),
        "c": column("array"),
        RESCUED: column("string"),
    }
    assert "b" not in before["properties"]


def test_a_type_is_never_changed() -> None:
    columns = make()
    columns.conform({"a": 1, "b": "x"}, {})
    before = columns.schema
    fitted = columns.conform({"a": Decimal("1.0"), "b": {"c": [Decimal("1.10")]}}, {})
    assert fitted == {RESCUED: '{"a":1.0,"b":{"c":[1.10]}}'}
    assert columns.schema is before


def test_a_field_that_was_null_gets_its_type_from_its_first_value() -> None:
    columns = make()
    assert columns.conform({"a": None}, {}) == {"a": None}
    assert columns.schema["properties"] == {RESCUED: column("string")}
    assert columns.conform({"a": True}, {}) == {"a": True}
    assert columns.schema["properties"]["a"] == column("boolean")
    assert columns.conform({"a": None}, {}) == {"a": None}


def test_a_null_of_no_column_is_rescued_where_the_schema_allows_no_other() -> None:
    closed = {"type": "object", "properties": {"a": {}}, "additionalProperties": False}
    columns = columns_of(
        closed, keys=(), evolution="add_columns", added={}, rescue=True
    )
    assert columns.conform({"b": None}, {}) == {RESCUED: '{"b":null}'}
    assert columns.conform({"b": 1}, {}) == {"b": 1}


def test_rescue_leaves_the_columns_alone() -> None:
    columns = make({"a": column("integer")}, evolution="rescue")
    assert columns.conform({"a": 1, "b": None, "c": 2}, {}) == {
        "a": 1,
        RESCUED: '{"b":null,"c":2}',
    }
    assert columns.version == 0


def test_ignore_drops_and_warns_once(caplog: pytest.LogCaptureFixture) -> None:
    columns = make({"a": column("integer")}, evolution="ignore")
    for _ in range(3):
        assert columns.conform({"a": 1, "b": "secret"}, {}) == {"a": 1}
    assert columns.conform({"a": "x"}, {}) == {RESCUED: '{"a":"x"}'}
    dropped = [record for record in caplog.records if "dropped" in record.getMessage()]
    assert [record.levelname for record in dropped] == ["WARNING"]
    assert "'b'" in dropped[0].getMessage()
    assert "secret" not in caplog.text


def test_fail_names_the_field() -> None:
    columns = make({"a": column("integer")}, evolution="fail")
    with pytest.raises(SchemaError, match="'b'") as caught:
        columns.conform({"b": "secret"}, {})
    assert "secret" not in str(caught.value)


def test_deselected_fields_stay_out_for_good() -> None:
    columns = make(
        {"a": column("integer"), "b": column("integer")},
        deselected={"b", "_received_at"},
        added=ADDED,
    )
    fitted = columns.conform({"a": 1, "b": "x", "_received_at": 3}, VALUES)
    assert fitted == {"a": 1, "exchange": "kraken"}
    assert set(columns.schema["properties"]) == {"a", "exchange", RESCUED}


def test_deselected_rescue_drops_what_would_go_there() -> None:
    columns = make({"a": column("integer")}, deselected={RESCUED})
    assert columns.conform({"a": "x", "": 1}, {}) == {}
    assert RESCUED not in columns.schema["properties"]


def test_columns_of_the_tap_win() -> None:
    columns = make(added=ADDED)
    fitted = columns.conform(
        {"exchange": 1, "_Received_At": 2, RESCUED: 3, "a": 4}, VALUES
    )
    assert fitted == VALUES | {
        "a": 4,
        RESCUED: '{"exchange":1,"_Received_At":2,"_rescued_data":3}',
    }


def test_the_first_rescue_of_a_field_is_warned_about_with_the_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    columns = make({"a": column("integer"), "d": column("array")}, added=ADDED)
    for record in (
        '{"a": "secret", "exchange": "secret", "xmin": "secret"}',
        '{"a": 1.5, "b": "\\u0000secret", "c": {"x": ["\\ud800secret"]}}',
        '{"d": [9223372036854775808], "e": 1e-20000, "f": %s}'
        % ("[" * 101 + "]" * 101),
    ):
        columns.conform(jsontext.parse(record), VALUES)
    words = [
        "'a' went to _rescued_data: a string came, and the column's type is integer",
        "'exchange' went to _rescued_data: a column that the tap adds has this name",
        "'xmin' went to _rescued_data: not every target can have a column of this name",
        "'b' went to _rescued_data: a NUL character, which not every target can hold",
        "'c' went to _rescued_data: half of a surrogate pair inside of it",
        "'d' went to _rescued_data: an integer outside 64 bits inside of it",
        "'e' went to _rescued_data: a number beyond a double's range, or of too many",
        "'f' went to _rescued_data: more than 100 levels of nesting inside of it",
    ]
    assert len(caplog.records) == len(words)
    for warning, expected in zip(caplog.records, words, strict=True):
        assert warning.levelname == "WARNING"
        assert expected in warning.getMessage()
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("record", "anchor"),
    [
        ({"a": "n/a"}, "cookbook.md#odd-values-in-a-column-of-their-own"),
        ({"a": 1.5}, "cookbook.md#change-a-columns-type"),
        ({"exchange": 1}, "columns.md#_rescued_data"),
    ],
)
def test_the_first_rescue_links_to_its_cure(
    record: dict[str, Any], anchor: str, caplog: pytest.LogCaptureFixture
) -> None:
    columns = make({"a": column("integer")}, added=ADDED, save=lambda _new: {})
    columns.conform(record, VALUES)
    (warning,) = caplog.messages
    assert warning.endswith(anchor)


def test_many_rescued_fields_are_counted_and_long_names_cut(
    caplog: pytest.LogCaptureFixture,
) -> None:
    columns = make(evolution="rescue")
    columns.conform({"x" * 1_000_000: 1}, {})
    for number in range(100):
        columns.conform({f"f{number}": 1, "f1": 2}, {})
    assert len(caplog.records) == 21
    assert len(caplog.text) < 10_000
    columns.close()
    assert "81 more fields went to _rescued_data" in caplog.text


def test_the_thousand_and_first_field_is_rescued() -> None:
    columns = make()
    columns.conform({f"c{number}": number for number in range(1000)}, {})
    assert columns.conform({"more": 1, "c7": 2}, {}) == {"c7": 2, RESCUED: '{"more":1}'}


@pytest.mark.parametrize(
    "value",
    [
        *('"a\\u0000b"', '"\\ud800"', '{"a":["\\u0000"]}', '{"\\ud800":1}'),
        *("9223372036854775808", '{"a":9223372036854775808}', "[1e400]", "1e309"),
        *("1e-20000", "[" * 101 + "]" * 101),
    ],
)
def test_values_that_end_a_target_are_rescued_in_escaped_form(value: str) -> None:
    anything = ANY_JSON["type"]
    columns = make({"a": {"type": anything}})
    fitted = columns.conform(jsontext.parse(f'{{"a":{value}}}'), {})
    assert list(fitted) == [RESCUED]
    assert jsontext.parse(fitted[RESCUED]) == {"a": jsontext.parse(value)}
    assert "\0" not in fitted[RESCUED]
    fitted[RESCUED].encode()


def test_text_columns_tell_text_from_other_values() -> None:
    sample: list[dict[str, Any]] = [{"a": 1}, {"a": "x"}]
    columns = make(infer(sample, nested=False, keys=())["properties"])
    sent = [
        "x",
        "",
        "12",
        12,
        Decimal("1.10"),
        True,
        "true",
        {"b": [1]},
        "{",
        '"',
        2**70,
    ]
    written = [columns.conform({"a": value}, {})["a"] for value in sent]
    assert written == [
        *("x", "", '"12"', "12", "1.10", "true", '"true"', '{"b":[1]}', "{", '"'),
        str(2**70),
    ]


def test_a_number_in_a_text_column_and_in_rescue_is_the_text_that_was_sent() -> None:
    sample: list[dict[str, Any]] = [{"a": 1, "b": 1}, {"a": "x", "b": 2}]
    columns = make(infer(sample, nested=False, keys=("id",))["properties"], keys=["id"])
    for text in ("0.00000001", "100e1", "1.50", "1E-8", "-0.0"):
        record = jsontext.parse(f'{{"id":{text},"a":{text},"b":{text},"c":[{text}]}}')
        fitted = columns.conform(record, {})
        assert fitted["id"] == fitted["a"] == text
        assert fitted[RESCUED] == f'{{"b":{text}}}'
        assert f'"c":[{text}]' in jsontext.dumps(fitted).decode()


def test_big_integers_in_the_sample_make_numbers_text() -> None:
    sample = [{"a": 1}, {"a": 2**64}]
    columns = make(infer(sample, nested=False, keys=())["properties"])
    assert [columns.conform(record, {}) for record in sample] == [
        {"a": "1"},
        {"a": "18446744073709551616"},
    ]


def test_without_rescue_what_a_target_cannot_hold_is_its_json_text() -> None:
    columns = make({"data": ANY_JSON}, rescue=False)
    assert columns.conform({"data": {"a": 2**64}}, {}) == {
        "data": '{"a":18446744073709551616}'
    }
    assert columns.conform({"data": "a\0b"}, {}) == {"data": '"a\\u0000b"'}
    assert columns.schema["properties"] == {"data": ANY_JSON}


def test_columns_that_records_bring_are_saved_in_one_go() -> None:
    saved: list[list[str]] = []

    def save(wanted: Any) -> StoredColumns:
        saved.append([each.name for each in wanted])
        return StoredColumns(tuple(wanted))

    columns = make({"a": column("integer")}, save=save)
    records: list[dict[str, Any]] = [
        {"a": 1},
        {"b": None, "c": 1},
        {"b": "x", "xmin": 1, "c": 2},
        {"d": "nul\0", "e": [1]},
    ]
    columns.prepare(iter(records[:1]))
    assert saved == []
    columns.prepare(iter(records))
    assert saved == [["c", "b", "e"]]
    fitted = [columns.conform(record, {}) for record in records]
    assert len(saved) == 1
    assert fitted[1] == {"b": None, "c": 1}
    assert fitted[2] == {"b": "x", "c": 2, RESCUED: '{"xmin":1}'}
    assert fitted[3] == {"e": [1], RESCUED: '{"d":"nul\\u0000"}'}


def test_a_column_that_cannot_be_saved_is_rescued_until_it_can() -> None:
    saved: StoredColumns | None = None
    columns = make({"a": column("integer")}, save=lambda _: saved)
    before = columns.schema
    assert columns.conform({"a": 1, "b": 2}, {}) == {"a": 1, RESCUED: '{"b":2}'}
    assert columns.schema is before
    # Another run was first, and had texts.
    saved = StoredColumns((Column("b", "b", column("string")),))
    assert columns.conform({"a": 1, "b": 2}, {}) == {"a": 1, RESCUED: '{"b":2}'}
    assert columns.conform({"b": "x"}, {}) == {"b": "x"}
    assert columns.schema["properties"]["b"] == column("string")


def test_a_new_column_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    columns = make({"a": {"type": "integer"}})
    for number in range(22):
        columns.conform({"a": 1, f"new{number}": number, "gone": None}, {})
    columns.close()
    texts = [entry.getMessage() for entry in caplog.records]
    assert {entry.levelname for entry in caplog.records} == {"INFO"}
    assert texts[0] == "The field 'new0' became a column: of the type integer"
    assert len(texts) == 22
    assert texts[-1] == "2 more fields became a column"
