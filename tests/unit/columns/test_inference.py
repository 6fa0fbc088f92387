"""Which columns a sample of records gets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tap_websocket import jsontext
from tap_websocket.columns.inference import ANY_JSON, JSON_TEXT, infer, infer_column

_TRADE = (
    b'{"symbol":"BTCUSDT","price":42000.10,"quantity":2,"trade_id":7,'
    b'"traded_at":"2026-01-01T00:00:00Z","buyer_is_maker":true,'
    b'"venue":{"id":1},"flags":["a"],"note":null}'
)


def _properties(*texts: str, nested: bool = False, keys: tuple[str, ...] = ()) -> Any:
    records = [jsontext.parse(text) for text in texts]
    return infer(records, nested=nested, keys=keys)["properties"]


def test_a_trade() -> None:
    found = _properties(_TRADE.decode(), '{"quantity":0.5}', keys=("trade_id",))
    assert found == {
        "symbol": {"type": ["string", "null"]},
        "price": {"type": ["number", "null"]},
        "quantity": {"type": ["number", "null"]},
        "trade_id": {"type": "integer"},
        "traded_at": {"type": ["string", "null"]},
        "buyer_is_maker": {"type": ["boolean", "null"]},
        "venue": {"type": ["object", "null"]},
        "flags": {"type": ["array", "null"]},
    }


@pytest.mark.parametrize(
    ("values", "column"),
    [
        (("1", "2.0"), {"type": ["number", "null"]}),
        (("null", "1"), {"type": ["integer", "null"]}),
        (("1e3",), {"type": ["number", "null"]}),
        (("true", "1"), JSON_TEXT),
        (('"x"', "1"), JSON_TEXT),
        (('"x"', "{}"), JSON_TEXT),
        (("[]", "{}"), JSON_TEXT),
        (("9223372036854775807",), {"type": ["integer", "null"]}),
        (("1", "9223372036854775808"), JSON_TEXT),
        (("1.5", "-" + "9" * 5000), JSON_TEXT),
        (("1.5", '"\\ud800"', "1e400"), {"type": ["number", "null"]}),
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_a_field(*, values: tuple[str, ...], column: Any, nested: bool) -> None:
    texts = [f'{{"f":{value}}}' for value in values]
    assert _properties(*texts, nested=nested) == {"f": column}


@pytest.mark.parametrize("value", ["null", r'"\u0000"', "1e400", '{"a":"\\ud800"}'])
def test_what_tells_nothing_or_is_not_to_be_held_gets_no_column(value: str) -> None:
    assert _properties(f'{{"f":{value}}}') == {}


def test_nothing_gets_no_columns() -> None:
    assert _properties() == {}
    assert _properties("{}", "{}") == {}


def test_keys_are_not_null_and_text_where_the_sample_lacks_them() -> None:
    found = _properties(
        '{"a":1,"b":null,"c":"x"}', '{"c":1}', keys=("a", "b", "c", "d")
    )
    text = {"type": "string", "contentMediaType": "application/json"}
    assert found == {"a": {"type": "integer"}, "b": text, "c": text, "d": text}


@pytest.mark.parametrize(
    ("values", "column"),
    [
        (("{}",), {"type": ["object", "null"]}),
        (("[]", "[null]"), {"type": ["array", "null"]}),
        (
            ('{"a":1,"b":null}', '{"a":1.5,"c":[]}', "null"),
            {
                "type": ["object", "null"],
                "properties": {
                    "a": {"type": ["number", "null"]},
                    "b": ANY_JSON,
                    "c": {"type": ["array", "null"]},
                },
                "additionalProperties": False,
            },
        ),
        (
            ("[1,null]", "[2.5]"),
            {"type": ["array", "null"], "items": {"type": ["number", "null"]}},
        ),
        (
            ('[{"a":1},null]',),
            {
                "type": ["array", "null"],
                "items": {
                    "type": ["object", "null"],
                    "properties": {"a": {"type": ["integer", "null"]}},
                    "additionalProperties": False,
                },
            },
        ),
        (("[[1,2]]",), {"type": ["array", "null"]}),
        (('[1,"x"]',), {"type": ["array", "null"]}),
    ],
)
def test_nested_types(values: tuple[str, ...], column: Any) -> None:
    texts = [f'{{"f":{value}}}' for value in values]
    found = _properties(*texts, nested=True)["f"]
    if "properties" in found:
        assert set(found["properties"]) == set(column["properties"])
    assert found == column


@pytest.mark.parametrize(
    ("value", "column"),
    [
        (Decimal("1.0"), {"type": ["number", "null"]}),
        (1, {"type": ["integer", "null"]}),
        (True, {"type": ["boolean", "null"]}),
        (2**63, JSON_TEXT),
        ({"a": 1}, {"type": ["object", "null"]}),
    ],
)
def test_a_column_of_its_first_value(value: Any, column: Any) -> None:
    assert infer_column(value, nested=False) == column


def test_a_column_of_several_types_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    records: list[dict[str, Any]] = [
        {"qty": Decimal("0.5"), "n": 1, "id": 1, "late": None},
        {"qty": "unknown", "n": Decimal("1.5"), "id": True, "late": "x"},
    ]
    infer(records, nested=False, keys=())
    begin = "The field '%s' became a column of text: the sample has %s"
    assert {entry.levelname for entry in caplog.records} == {"WARNING"}
    first, second = (entry.getMessage() for entry in caplog.records)
    page = "cookbook.md#odd-values-in-a-column-of-their-own"
    assert first.startswith(begin % ("qty", "numbers and strings; see https://"))
    assert first.endswith(page)
    assert second == begin % ("id", "booleans and whole numbers")


def test_a_column_of_integers_that_are_too_large_is_warned_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    infer([{"id": 2**63}, {"id": 1}], nested=False, keys=())
    (entry,) = caplog.records
    text = "'id' became a column of text: the sample has integers outside 64 bits"
    assert text in entry.getMessage()


def test_many_columns_of_several_types_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    names = [f"c{number}" for number in range(21)]
    infer([dict.fromkeys(names, 1), dict.fromkeys(names, "a")], nested=False, keys=())
    assert len(caplog.records) == 22
    assert "1 more field became a column of text" in caplog.text
