"""The settings against gaps, and what they need."""

from __future__ import annotations

from typing import Any

import pytest

from tap_websocket.errors import ConfigError
from tests.support.receive import make_settings

RULES = [{"match": "bye", "then": "replace"}]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"redundancy": 2}, "redundancy"),
        ({"connection_lifetime": 60}, "connection_lifetime"),
        ({"message_rules": RULES}, "message_rules[0].then: replace"),
    ],
)
def test_a_second_connection_needs_reconnect(given: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError) as raised:
        make_settings(**given)
    assert raised.value.problems == [f"{name}: needs reconnect: true"]


@pytest.mark.parametrize(
    "given",
    [{"redundancy": 2}, {"connection_lifetime": 60}, {"message_rules": RULES}],
)
def test_whole_records_are_compared_by_itself(given: dict[str, Any]) -> None:
    found = make_settings(reconnect=True, **given).continuity.deduplicate
    assert found is not None
    assert (found.by, found.seconds) == ((), 60)
    off = make_settings(reconnect=True, deduplicate=False, **given)
    assert off.continuity.deduplicate is None


def test_one_line_compares_nothing() -> None:
    settings = make_settings(reconnect=True)
    assert settings.continuity.deduplicate is None
    assert settings.continuity.redundancy == 1


def test_names_have_no_limit_in_time_unless_set() -> None:
    found = make_settings(deduplicate={"by": ["$.id"]}).continuity.deduplicate
    assert found is not None
    assert found.seconds is None
    found = make_settings(
        deduplicate={"by": ["$.id"], "seconds": "90"}
    ).continuity.deduplicate
    assert found is not None
    assert found.seconds == 90


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"deduplicate": {"by": ["$.["]}}, "deduplicate.by[0]"),
        ({"alternate_urls": ["http://feed/"]}, "alternate_urls[0]: must begin with"),
        ({"alternate_urls": ["ws://feed/{who}"]}, "alternate_urls[0]"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        make_settings(**given)
    assert problem in raised.value.problems[0]


def test_what_has_no_effect_is_warned_about() -> None:
    warnings = make_settings(overlap=3, deduplicate={}).warnings
    assert len(warnings) == 2
    assert not make_settings(deduplicate={"by": ["$.id"]}).warnings
    assert not make_settings(reconnect=True, redundancy=2, overlap=3).warnings
