"""A batch of messages: what ends the work on it."""

from __future__ import annotations

import pytest

from tap_websocket.feed.inbound import CloseAction, Origin
from tap_websocket.records.batch import Batch, StoppedError


def batch(room: int | None = None) -> Batch:
    return Batch(Origin(1, "ws://127.0.0.1/", {}), 0, room, binary=False)


def test_work_that_is_stopped_ends_at_its_next_record() -> None:
    worked_on = batch()
    worked_on.go_on()
    worked_on.result.stop()
    with pytest.raises(StoppedError):
        worked_on.go_on()


@pytest.mark.parametrize(
    ("messages", "directive", "over"),
    [
        (0, None, False),
        (0, CloseAction.REPLACE, False),
        (1, None, True),
        (0, CloseAction.STOP, True),
    ],
)
def test_a_batch_is_over_when_the_room_is_taken_or_a_rule_stops_the_run(
    messages: int,
    directive: CloseAction | None,
    over: bool,
) -> None:
    worked_on = batch(room=1)
    worked_on.result.messages = messages
    worked_on.result.directive = directive
    assert worked_on.is_over is over
