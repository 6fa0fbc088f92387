"""How often a line may try again, and how long it waits."""

from __future__ import annotations

from typing import Any

import pytest

from tap_websocket.feed.retries import Retries
from tests.support.receive import make_settings


def retries(addresses: int = 1, **given: Any) -> Retries:
    settings = make_settings(**{"reconnect": True, "reconnect_backoff": 2, **given})
    return Retries(settings.reconnect, addresses)


def test_another_address_is_tried_at_once_where_trying_again_does_not_help() -> None:
    counted = retries(addresses=3)
    assert [counted.failed(final=True) for _ in range(3)] == [True, True, False]
    counted.opened()
    assert counted.failed(final=True)


def test_an_attempt_that_may_be_made_again_waits() -> None:
    counted = retries(addresses=3)
    assert not counted.failed(final=False)
    assert counted.failed(final=True)


def test_without_reconnect_each_address_is_tried_once() -> None:
    counted = retries(addresses=2, reconnect=False)
    assert [counted.failed(final=False) for _ in range(2)] == [True, False]


def test_retries_end_where_no_other_line_is_up() -> None:
    counted = retries(max_reconnect_attempts=2)
    redundant = [True, False, True, False, False]
    assert [counted.count(redundant=one) for one in redundant] == [True] * 4 + [False]
    assert counted.attempts == 5
    counted.produced()
    assert counted.count(redundant=False)
    assert counted.attempts == 1


def test_the_wait_is_at_least_what_the_server_asks_for() -> None:
    counted = retries(reconnect_backoff_max=60)
    counted.count(redundant=False)
    counted.count(redundant=False)
    assert counted.wait(0, 1.0) == pytest.approx(4)
    assert counted.wait(9, 1.0) == pytest.approx(9)


def test_the_wait_of_a_refused_line_doubles_until_a_connection_lasts() -> None:
    counted = retries()
    assert [counted.wait_refused() for _ in range(3)] == [2, 4, 8]
    counted.lasted(300)
    assert counted.wait_refused() == 16
    counted.lasted(301)
    assert counted.wait_refused() == 2


def test_the_second_connection_without_data_is_too_many_for_a_large_message() -> None:
    counted = retries()
    assert not counted.was_too_big()
    counted.produced()
    assert not counted.was_too_big()
    assert counted.was_too_big()
