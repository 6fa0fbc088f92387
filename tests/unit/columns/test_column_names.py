"""Names of fields that not every target can have for a column."""

from __future__ import annotations

from typing import Any

import pytest

from tap_websocket import jsontext
from tap_websocket.columns.names import RESCUED
from tests.support.columns import column, make

ADDED: dict[str, dict[str, Any]] = {
    "_received_at": {"type": ["string", "null"], "format": "date-time"},
    "exchange": {"type": ["string", "null"]},
}
VALUES = {"_received_at": "2026-01-01T00:00:00.000000Z", "exchange": "kraken"}


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "\x00",
        "\ud800",
        'a"b',
        "a\nb",
        "x" * 64,
        "xmin",
        "_sdc_deleted_at",
        RESCUED,
    ],
)
def test_names_that_some_target_cannot_have(name: str) -> None:
    columns = make()
    fitted = columns.conform({name: 1}, {})
    assert list(fitted) == [RESCUED]
    assert jsontext.parse(fitted[RESCUED]) == {name: 1}


@pytest.mark.parametrize(
    ("first", "second"),
    [("Price", "price"), ("a.b", "a_b"), ("a b", "a-b"), ("\xc9", "\xe9")],
)
def test_names_that_some_target_takes_for_one(
    first: str,
    second: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    record = {first: 1, second: 2}
    exact, portable = make(), make(naming="portable")
    assert exact.conform(dict(record), {}) == record
    assert not exact.sent_as
    (warning,) = caplog.records
    assert ascii(first) in warning.getMessage()
    assert ascii(second) in warning.getMessage()
    assert portable.conform(dict(record), {}) == {first: 1, f"{second}_2": 2}
    assert portable.sent_as == {f"{second}_2": second}
    assert len(caplog.records) == 1


def test_a_suffix_that_a_field_has_already_is_passed_over() -> None:
    columns = make(naming="portable")
    record = {"e": 1, "E_2": 2, "E": 3, "e_2": 4, "E_3": 5, "e-2": 6}
    assert columns.conform(dict(record), {}) == {
        "e": 1,
        "E_2": 2,
        "E_3": 3,
        "e_2_2": 4,
        "E_3_2": 5,
        "e-2_3": 6,
    }


def test_a_value_that_a_renamed_column_cannot_hold_is_rescued_as_it_was_sent() -> None:
    columns = make(naming="portable")
    columns.conform({"e": 1, "E": 2}, {})
    assert columns.conform({"e": 1, "E": "x"}, {}) == {"e": 1, RESCUED: '{"E":"x"}'}
    assert columns.conform({"E": None}, {}) == {"E_2": None}


def test_a_null_without_a_column_is_left_out_where_names_are_folded() -> None:
    columns = make(naming="portable")
    assert columns.conform({"e": 1, "E": None, "new": None}, {}) == {"e": 1}
    assert columns.conform({"E": 2}, {}) == {"E_2": 2}


def test_names_with_dots_spaces_and_of_63_bytes_are_columns() -> None:
    record = {"a.b": 1, "c d": 2, "x" * 63: 3, "\N{FIRE}": 4, "e\\f": 5, "%(s)s": 6}
    assert make().conform(dict(record), {}) == record


def test_a_users_column_that_some_target_cannot_have_is_warned_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    columns = make({"a": column("integer"), "": column("integer")}, evolution="rescue")
    assert columns.conform({"a": 1, "": 2}, {}) == {"a": 1, RESCUED: '{"":2}'}
    assert "The field '' is in the schema" in caplog.text
