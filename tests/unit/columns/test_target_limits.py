"""What every target can hold: large values are looked at in one go."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_websocket.columns.target_limits import (
    INTEGER_MAX,
    INTEGER_MIN,
    MAX_LEVELS,
    is_storable,
)


def item_by_item(value: Any, levels: int = MAX_LEVELS) -> bool:
    """Look at each value by itself."""
    if isinstance(value, dict):
        return levels > 0 and all(
            is_storable(name) and item_by_item(item, levels - 1)
            for name, item in value.items()
        )
    if isinstance(value, list):
        return levels > 0 and all(item_by_item(item, levels - 1) for item in value)
    return is_storable(value)


TEXTS = st.text(
    st.characters(codec=None, categories=["L", "Cs", "Nd"]) | st.just("\0"), max_size=3
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(INTEGER_MIN - 1, INTEGER_MAX + 1)
    | st.sampled_from([INTEGER_MIN, INTEGER_MIN - 1, INTEGER_MAX, INTEGER_MAX + 1])
    | st.sampled_from([Decimal("1e400"), Decimal("1.5"), Decimal("1e-17000")])
    | st.floats(allow_nan=False)
    | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
)


@given(VALUES, st.integers(0, 4))
def test_a_value_is_looked_at_as_item_by_item(value: Any, levels: int) -> None:
    assert is_storable([value], levels) is item_by_item([value], levels)
    assert is_storable(value) is item_by_item(value)


@pytest.mark.parametrize(
    ("levels", "fits"), [(MAX_LEVELS, True), (MAX_LEVELS + 1, False)]
)
@pytest.mark.parametrize("kind", [list, dict])
def test_levels_are_counted(kind: type, levels: int, fits: bool) -> None:
    value: Any = kind()
    for _ in range(levels - 1):
        value = [value] if kind is list else {"a": value}
    assert is_storable(value) is fits


@pytest.mark.parametrize("item", [0, "a", [], {}, None, [0], {"a": "b"}])
def test_a_million_items_take_no_second(item: Any) -> None:
    value = {"a": [item] * 1_000_000}
    started = time.process_time()
    assert is_storable(value)
    assert time.process_time() - started < 0.9
