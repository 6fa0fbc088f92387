"""Captured values: of one connection, of all lines of a group, and forgotten."""

from __future__ import annotations

from typing import Any

from tap_websocket.expressions.placeholders import PlaceholderValues

NAMES = frozenset({"cursor"})


def test_the_newest_wins_among_lines_and_is_no_part_of_what_is_fixed() -> None:
    shared: dict[str, Any] = {}
    one, two = (
        PlaceholderValues({"cursor": 0, "id": 0}, shared=shared, shared_names=NAMES)
        for _ in range(2)
    )
    one.capture({"cursor": 5, "id": 1})
    assert (two["cursor"], two["id"]) == (5, 0)
    two.capture({"cursor": 6})
    assert one.branch()["cursor"] == 6
    assert one.captured == {"cursor": 6, "id": 1}
    assert [dict(values) for values in one.fixed] == [{}, {"cursor": 0, "id": 0}]


def test_none_forgets_and_the_first_value_is_back() -> None:
    values = PlaceholderValues({"id": 0}, shared={}, shared_names=NAMES)
    values.capture({"id": 1, "cursor": 7})
    branch = values.branch()
    values.capture({"id": None, "cursor": None, "other": None})
    assert values["id"] == 0
    assert "cursor" not in values
    # A connection of its own keeps its own.
    assert branch["id"] == 1
    assert "cursor" not in branch


def test_what_is_offered_wins_over_what_is_fixed_alone() -> None:
    values = PlaceholderValues({"token": "a"}, {"token": "b"})
    values.authenticate({"token": "c"})
    assert values["token"] == "c"
    values.capture({"token": "d"})
    assert values["token"] == "d"
    assert values.offered == {"token": "c"}
