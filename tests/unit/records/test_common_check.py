"""Two lines that have no record in common are warned of, once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from tap_websocket.feed.inbound import Origin
from tests.support.intake import by_hand
from tests.support.receive import make_settings

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT = "Two connections brought 100 records and more each, and none in common"


@dataclasses.dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def own(line: int, number: int) -> str:
    """A message that another line never brings."""
    return f'{{"n": {number}, "delivery": "{line}-{number}"}}'


def same(line: int, number: int) -> str:
    """A message that each line brings."""
    del line
    return f'{{"n": {number}}}'


def sent_late(line: int, number: int) -> str:
    """A message that one line brings a round after the other."""
    return f'{{"n": {number - 150 * line}}}'


class Lines:
    """Two lines, and what is logged of them."""

    def __init__(self, caplog: pytest.LogCaptureFixture, **given: object) -> None:
        self.clock = Clock()
        self.hand = by_hand(
            make_settings(reconnect=True, redundancy=2, infer_messages=0, **given),
            clock=self.clock,
        )
        self.origins = [Origin(number, "", {}) for number in (1, 2)]
        self.number = 0
        self._caplog = caplog
        for origin in self.origins:
            self.hand.handler.dialing(origin)

    def bring(self, make: Callable[[int, int], str], count: int) -> None:
        """Have each line bring so many messages."""
        for line, origin in enumerate(self.origins):
            numbers = range(self.number, self.number + count)
            payloads = [make(line, number).encode() for number in numbers]
            result = self.hand.handler.consume(origin, payloads, False, None)
            assert result.error is None
        self.number += count

    @property
    def warnings(self) -> list[str]:
        texts = [record.getMessage() for record in self._caplog.records]
        return [text for text in texts if TEXT in text]


def test_lines_without_a_common_record_are_warned_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines = Lines(caplog)
    lines.bring(own, 150)
    assert not lines.warnings
    lines.clock.now += 10
    lines.bring(own, 1)
    lines.bring(own, 1)
    (warning,) = lines.warnings
    assert "deduplicate.by" in warning


@pytest.mark.parametrize("make", [same, sent_late])
def test_lines_that_bring_the_same_are_not(
    make: Callable[[int, int], str], caplog: pytest.LogCaptureFixture
) -> None:
    lines = Lines(caplog)
    for _ in range(5):
        lines.bring(make, 150)
        lines.clock.now += 9
    assert not lines.warnings


def test_few_records_prove_nothing(caplog: pytest.LogCaptureFixture) -> None:
    lines = Lines(caplog)
    for _ in range(9):
        lines.bring(own, 10)
        lines.clock.now += 60
    assert not lines.warnings


def test_what_a_line_brought_before_the_other_came_back_proves_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines = Lines(caplog)
    for number in range(3, 6):
        lines.bring(own, 150)
        lines.hand.handler.dropped(lines.origins[1])
        lines.clock.now += 60
        lines.origins[1] = Origin(number, "", {})
        lines.hand.handler.dialing(lines.origins[1])
    assert not lines.warnings


def test_lines_that_are_not_to_be_compared_are_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lines = Lines(caplog, deduplicate=False)
    lines.bring(own, 150)
    lines.clock.now += 10
    lines.bring(own, 150)
    assert not lines.warnings
