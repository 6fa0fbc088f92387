"""Replies to messages that came together are sent together, before anything else."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.fake_transport import FakePeer, run_feed

ASKED: dict[str, Any] = {
    "match": {"ask": {"$exists": True}},
    "then": "emit",
    "reply": {"answer": "{$.ask}"},
}


def _asks(*numbers: int) -> list[str]:
    return [f'{{"ask": {number}}}' for number in numbers]


def test_replies_to_what_came_in_one_read_are_one_write() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        peer.text(*_asks(1, 2, 3))
        peer.text(*_asks(4))
        peer.text('{"no": "question"}')
        await asyncio.sleep(1)
        peer.close_frame(1000)

    run = run_feed(script, records=True, message_rules=[ASKED])
    (peer,) = run.peers
    assert peer.sent == [f'{{"answer":{number}}}' for number in (1, 2, 3, 4)]
    assert peer.writes == [3, 1]


def test_a_reply_is_sent_before_the_subscription_goes_on() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        peer.text(*_asks(1), "welcome", *_asks(2))
        await asyncio.sleep(1)
        peer.close_frame(1000)

    run = run_feed(
        script,
        records=True,
        message_rules=[ASKED],
        subscribe_messages=[{"reply": "welcome"}, "subscribe"],
    )
    (peer,) = run.peers
    assert peer.sent == ['{"answer":1}', "subscribe", '{"answer":2}']


def test_replies_are_sent_to_what_ends_the_run() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        peer.text(*_asks(1, 2, 3))
        await peer.wait_closed()

    run = run_feed(script, records=True, message_rules=[ASKED], max_messages=2)
    assert run.peers[0].sent == ['{"answer":1}', '{"answer":2}']
    assert run.peers[0].closed_with == 1000


def test_a_reply_that_is_awaited_since_the_same_read_is_no_record() -> None:
    async def script(peer: FakePeer) -> None:
        peer.accept()
        await asyncio.sleep(1)
        for number in range(10):
            peer.text(*[f'a/{number} {{"n": 1}}'] * 100)
        peer.text("go", 'a/next {"n": 2}', *['a/1 {"n": 3}'] * 10)
        await asyncio.sleep(1)
        peer.close_frame(1000)

    run = run_feed(
        script,
        records=True,
        infer_messages=2,
        message_pattern="^a/(?P<id>[a-z0-9]+) (?P<json>.*)$",
        subscribe_messages=[
            {"reply": "go"},
            {"message": "next", "reply": {"$regex": "^a/next"}},
        ],
    )
    assert run.peers[0].sent == ["next"]
    assert [record["n"] for record in run.records] == [1] * 1000 + [3] * 10
