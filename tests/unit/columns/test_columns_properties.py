"""Whatever is sent: records and rescue give it back, and every target holds them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from unittest import mock

import jsonschema
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tap_websocket import jsontext
from tap_websocket.columns import large_payloads, target_limits
from tap_websocket.columns.inference import infer, is_text
from tap_websocket.columns.names import RESCUED
from tap_websocket.columns.payload_check import MAX_SURE_BYTES, needs_slow_path
from tap_websocket.errors import SchemaError
from tests.support.columns import columns_of
from tests.support.examples import examples
from tests.support.json_objects import objects

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tap_websocket.columns.columns import Columns

ADDED: dict[str, dict[str, Any]] = {
    "_received_at": {"type": ["string", "null"], "format": "date-time"},
    "exchange": {"type": ["string", "null"]},
}
VALUES = {"_received_at": "2026-01-01T00:00:00.000000Z", "exchange": "kraken"}


def exact(text: str) -> dict[str, str]:
    """Return the fields of an object in canonical text, by the standard library."""
    parsed = json.loads(
        text,
        parse_float=jsontext.Number,
        parse_int=lambda digits: int(digits) if len(digits) < 4000 else Decimal(digits),
    )
    return canonical(parsed)


def canonical(record: dict[str, Any]) -> dict[str, str]:
    return {name: jsontext.dumps(value).decode() for name, value in record.items()}


def sent_back(fitted: dict[str, Any], columns: Columns, added: dict[str, Any]) -> Any:
    """Return what was sent, from what a target is given, as the documentation says."""
    properties = columns.schema["properties"]
    sent = {}
    for column, value in fitted.items():
        if column == RESCUED or column in added:
            continue
        name = columns.sent_as.get(column, column)
        if isinstance(value, str) and is_text(properties[column]):
            sent[name] = _read_text(value)
        else:
            sent[name] = value
    if fitted.get(RESCUED) is not None:
        sent |= jsontext.parse(fitted[RESCUED])
    return sent


def _read_text(text: str) -> Any:
    try:
        return jsontext.parse(text)
    except jsontext.InvalidJson:
        return text


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _assert_every_target_holds(
    fitted: dict[str, Any],
    columns: Columns,
    naming: str,
) -> None:
    properties = columns.schema["properties"]
    jsonschema.Draft7Validator(columns.schema).validate(fitted)
    assert all(fitted[name] is None for name in fitted.keys() - properties.keys())
    assert all(map(target_limits.is_storable, fitted.values()))
    for text in _strings(fitted):
        assert "\0" not in text
        text.encode()
    if naming == "portable":
        folded = [target_limits.fold(name) for name in {*fitted, *properties}]
        assert len(set(folded)) == len(folded)
    line = jsontext.dumps(fitted)
    assert b"\n" not in line
    assert b"\r" not in line


@settings(deadline=None, max_examples=examples(400))
@given(
    texts=st.lists(objects(), max_size=6),
    sampled=st.integers(0, 6),
    evolution=st.sampled_from(["add_columns", "rescue"]),
    nested=st.booleans(),
    added=st.sampled_from([{}, VALUES]),
    naming=st.sampled_from(["exact", "portable"]),
)
@example(
    texts=['{"a":1}', '{"a":"x\\ud800","b":1e400}', '{"a":null}'],
    sampled=1,
    evolution="rescue",
    nested=False,
    added=VALUES,
    naming="exact",
)
@example(
    texts=['{"a":{"b":1}}', '{"a":{"b":1,"c":2}}', '{"c":[[1,2],[3]]}'],
    sampled=1,
    evolution="add_columns",
    nested=True,
    added={},
    naming="portable",
)
def test_records_and_rescue_give_back_what_was_sent(
    *,
    texts: list[str],
    sampled: int,
    evolution: Any,
    nested: bool,
    added: dict[str, Any],
    naming: Any,
) -> None:
    records = [jsontext.parse(text.encode()) for text in texts]
    columns = columns_of(
        infer(records[:sampled], nested=nested, keys=()),
        keys=(),
        evolution=evolution,
        added=ADDED if added else {},
        rescue=True,
        nested=nested,
        naming=naming,
    )
    known = columns.schema
    for text, record in zip(texts, records, strict=True):
        fitted = columns.conform(record, added)
        sent = canonical(sent_back(fitted, columns, added))
        # Where names are folded, a null without a column is left out.
        nulls = {name for name in record if record[name] is None} - sent.keys()
        assert not nulls or naming == "portable"
        assert sent | dict.fromkeys(nulls, "null") == exact(text)
        assert added.items() <= fitted.items()
        _assert_every_target_holds(fitted, columns, naming)
        assert known["properties"].items() <= columns.schema["properties"].items()
        known = columns.schema


_PLAIN: dict[str, Any] = {"nested": False, "keys": (), "naming": "exact"}
_PORTABLE = _PLAIN | {"naming": "portable"}


@settings(deadline=None, max_examples=examples(400))
@given(
    texts=st.lists(objects(), min_size=1, max_size=6),
    sampled=st.integers(0, 6),
    nested=st.booleans(),
    keys=st.sampled_from([(), ("a",)]),
    naming=st.sampled_from(["exact", "portable"]),
)
@example(texts=['{"a":1.0}', '{"a":1}'], sampled=2, **_PLAIN)
@example(texts=['{"a":"12"}', '{"a":null}'], sampled=0, **_PLAIN | {"keys": ("a",)})
@example(texts=['{"a\\\\b":1,"a":2}'], sampled=1, **_PLAIN)
@example(texts=['{"a":0.5}', '{"a":1e-20000}'], sampled=1, **_PLAIN)
@example(texts=['{"a":1,"A":null,"b":null}'], sampled=1, **_PORTABLE)
@example(texts=['{"a":1,"A":2}', '{"A":3,"a":4}'], sampled=1, **_PORTABLE)
def test_what_the_decoder_takes_is_left_as_it_is(
    *,
    texts: list[str],
    sampled: int,
    nested: bool,
    keys: tuple[str, ...],
    naming: Any,
) -> None:
    records = [jsontext.parse(text.encode()) for text in texts]
    columns = columns_of(
        infer(records[:sampled], nested=nested, keys=keys),
        keys=keys,
        evolution="add_columns",
        added=ADDED,
        rescue=True,
        nested=nested,
        naming=naming,
    )
    for text, record in zip(texts, records, strict=True):
        decode, version = columns.decoder(), columns.version
        taken = decode is not None and _takes(decode, text)
        try:
            fitted = columns.conform(record, {})
        except SchemaError:
            assert not taken
            continue
        if taken:
            assert canonical(fitted) == exact(text)
            assert columns.version == version


def _takes(decode: Any, text: str) -> bool:
    """Return whether a payload is taken, as a small one or as a large one."""
    payload = text.encode()
    for large in (1 << 30, 0):
        with mock.patch.object(large_payloads, "LARGE", large):
            try:
                decode(payload)
            except (msgspec.MsgspecError, RecursionError):
                continue
            return not needs_slow_path(payload)
    return False


_TRADE = (
    '{"symbol":"BTCUSDT","price":42000.10,"quantity":2,"trade_id":7,'
    '"buyer_is_maker":true,"venue":{"id":1,"tags":["x"]},"flags":["a"],"note":null}'
)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("keys", [(), ("trade_id",)])
def test_the_decoder_takes_what_fits(*, nested: bool, keys: tuple[str, ...]) -> None:
    columns = columns_of(
        infer([jsontext.parse(_TRADE)], nested=nested, keys=keys),
        keys=keys,
        evolution="add_columns",
        added=ADDED,
        rescue=True,
        nested=nested,
    )
    columns.conform(jsontext.parse(_TRADE), VALUES)
    decode = columns.decoder()
    assert decode is not None
    assert _takes(decode, _TRADE)
    assert _takes(decode, '{"trade_id":1,\r\n"price":7,"venue":null}')
    assert not _takes(decode, '{"trade_id":1.0}')
    assert not _takes(decode, '{"trade_id":9223372036854775808}')
    assert not _takes(decode, '{"trade_id":1,"venue":{"id":9223372036854775808}}')
    assert not _takes(decode, '{"trade_id":1,"exchange":"x"}')
    assert not _takes(decode, '{"trade_id":1,"new":1}')
    assert not _takes(decode, '{"trade_id":1,"symbol":"\\u0000"}')
    assert not _takes(decode, '{"trade_id":1,"symbol":"\\ud800"}')
    assert not _takes(decode, '{"trade_id":1,"price":0.%s}' % ("1" * MAX_SURE_BYTES))
    assert _takes(decode, "{}") == (not keys)
    assert _takes(decode, '{"trade_id":null}') == (not keys)


def test_a_key_that_the_tap_adds_is_not_looked_for_in_payloads() -> None:
    columns = columns_of(
        infer([{"a": 1}], nested=False, keys=()),
        keys=("exchange",),
        evolution="add_columns",
        added=ADDED,
        rescue=True,
    )
    decode = columns.decoder()
    assert decode is not None
    assert _takes(decode, '{"a":1}')


@pytest.mark.parametrize(
    ("payload", "missed"),
    [
        ('{"id":"0b54fa4e-1234-4e-100"}', False),
        ('{"price":1e-99,"other":[0.5E-8]}', False),
        ('{"price":1.5e-100}', True),
        ('{"prices":[-1E-0020000]}', True),
        ('{"price": \n0e-123}', True),
        ('{"text":"\\u0000"}', True),
        ('{"text":"%s"}' % ("x" * MAX_SURE_BYTES), False),
        ('{"text":"%s"}' % ("1" * (MAX_SURE_BYTES - 100)), False),
        ('{"text":"%s"}' % ("1" * (MAX_SURE_BYTES + 1)), True),
        ('{"text":"%s"}' % ("1" * 99 + "x") * 1000, False),
        ('{"text":"x","price":0.%s}' % ("1" * (MAX_SURE_BYTES + 1)), True),
        ('{"text":"%s","price":2E-100}' % ("-" * 5000), True),
        ('{"text":"%s","price":2e-100}' % ("x" * 5000 + "-" * 500), True),
        ('{"text":"%s"}' % ("x" * 5000 + "-" * 5000), False),
        ('{"text":"%s","price":2e-100}' % ("x-" * 3 + "x" * 9000), True),
        ("-1e-100", True),
    ],
)
def test_what_a_decoder_misses(*, payload: str, missed: bool) -> None:
    assert needs_slow_path(payload.encode()) == missed


def test_the_decoder_of_text_columns_takes_plain_text() -> None:
    sample: list[dict[str, Any]] = [{"a": 1}, {"a": "x"}]
    columns = columns_of(
        infer(sample, nested=False, keys=("id",)),
        keys=("id",),
        evolution="add_columns",
        added={},
        rescue=True,
    )
    decode = columns.decoder()
    assert decode is not None
    assert _takes(decode, '{"id":"12","a":"true story"}')
    assert not _takes(decode, '{"id":"12","a":" true "}')
    assert not _takes(decode, '{"id":"12","a":1}')
    assert not _takes(decode, '{"id":12}')
