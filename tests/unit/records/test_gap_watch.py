"""What is done about missing numbers, batch by batch."""

from __future__ import annotations

import pytest

from tap_websocket.errors import SequenceError
from tap_websocket.feed.inbound import Origin
from tests.support.intake import by_hand
from tests.support.receive import make_settings

END = {"match": {"end": True}, "then": "stop"}


@pytest.mark.parametrize("room", [None, 2])
def test_a_batch_that_ends_the_run_has_its_gaps_too(room: int | None) -> None:
    hand = by_hand(
        make_settings(
            infer_messages=0,
            message_rules=[END],
            sequence={"path": "$.n", "on_gap": "fail"},
        )
    )
    payloads = [b'{"n": 1}', b'{"n": 5}', b'{"end": true}']
    origin = Origin(1, "", {})
    hand.handler.dialing(origin)
    result = hand.handler.consume(origin, payloads, False, room)
    assert isinstance(result.error, SequenceError)
    assert result.messages == 2
