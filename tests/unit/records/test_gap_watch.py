"""What is done about missing numbers, batch by batch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_websocket import jsontext
from tap_websocket.errors import SequenceError
from tap_websocket.feed.inbound import Origin
from tests.support.examples import examples
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


OTHERS = [
    b'{"n":%d}',
    b'{"k":7,"n":%d}',
    b'{"k":["a"],"n":%d}',
    b'{"k":"a","n":"%d"}',
    b'{"k":"a","m":%d}',
    b' {"k":"a","n":%d}',
    b'{"k":"a","n":%d.0}',
    b'[{"k":"a","n":%d}]',
    b'"%d"',
    b"%d}",
    b'{"k":"\xff","n":%d}',
]
"""Messages that are not as most are."""


@pytest.mark.parametrize("by", [[], ["$.k"], ["$.k", "$.k"]], ids=len)
@settings(max_examples=examples(40), deadline=None)
@given(
    messages=st.lists(
        st.tuples(
            st.sampled_from([1, 1, 1, 1, 2, 0, -1]),
            st.sampled_from([b'{"k":"a","n":%d}', b'{"k":"b","n":%d}'])
            | st.sampled_from(OTHERS),
        ),
        max_size=30,
    ),
    size=st.integers(2, 30),
)
def test_numbers_are_watched_alike_however_many_come_at_once(
    by: list[str], messages: list[tuple[int, bytes]], size: int
) -> None:
    number, payloads = 10, []
    for step, text in messages:
        number += step
        payloads.append(text % number)

    def outcome(size: int) -> tuple[Any, ...]:
        hand = by_hand(
            make_settings(
                infer_messages=0,
                record_metadata=True,
                on_parse_error="skip",
                sequence={"path": "$.n", "by": by},
            )
        )
        origin = Origin(1, "", {})
        hand.handler.dialing(origin)
        for at in range(0, len(payloads), size):
            hand.handler.consume(origin, payloads[at : at + size], True, None)
        hand.finish()
        lines = [line for page in hand.pages for line in page.records()]
        return [jsontext.parse(line) for line in lines], hand.counts.missing

    assert outcome(size) == outcome(1)
