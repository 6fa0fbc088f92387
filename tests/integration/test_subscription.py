"""The subscription over a real socket: what is sent when, and which replies count."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tap_websocket.errors import ConnectionFailed
from tap_websocket.expressions.matchers import compile_matcher
from tap_websocket.feed.subscription import Request, Subscription
from tap_websocket.settings import Item
from tests.support.raw import RawPeer, close_frame, frame, opens, serve_raw
from tests.support.receive import receive
from tests.support.servers import Kind, Peer, serve

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("each_transport")

ACK = {"type": "ack"}


def texts(peer: Peer) -> list[Any]:
    return [json.loads(text) for text in peer.received]


def test_the_next_item_waits_for_the_replies_to_the_last(kind: Kind) -> None:
    early: list[bool] = []

    async def script(peer: Peer) -> None:
        await peer.recv()
        await peer.send('{"n": 1}')
        await peer.send('{"type": "ack", "for": "a"}')
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(
                asyncio.shield(later := asyncio.ensure_future(peer.recv())), 0.1
            )
        early.append(later.done())
        await peer.send('{"n": 2}')
        await peer.send('{"type": "ack", "for": "b"}')
        await later
        await peer.send('{"type": "ack"}')
        await peer.send('{"n": 3}')
        await peer.wait()

    with serve(script, kind) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[
                {"message": {"op": 1}, "reply": ACK, "reply_count": 2},
                '{"op":2}',
            ],
            max_messages=3,
        )
    assert run.error is None
    assert early == [False]
    assert texts(server.peers[0]) == [{"op": 1}, {"op": 2}]
    # An acknowledgement that comes late is still none of the data.
    assert [record["n"] for record in run.records] == [1, 2, 3]
    assert run.counts.ignored == 3


def test_a_greeting_is_awaited_however_early_it_comes() -> None:
    async def script(peer: RawPeer) -> None:
        await peer.upgrade(frame(b"hello"), frame(b'{"n":0}'))
        await peer.recv()
        await peer.send(frame(b'{"n":1}'), close_frame(1000))
        await peer.wait()

    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[{"reply": "hello"}, "subscribe"],
        )
    assert run.error is None
    assert server.peers[0].frames[0] == (1, b"subscribe")
    assert [record["n"] for record in run.records] == [0, 1]


def test_replies_in_one_batch_move_on_in_order() -> None:
    async def script(peer: RawPeer) -> None:
        await peer.upgrade(
            frame(b'{"type":"welcome"}'),
            frame(b'{"type":"ready"}'),
            frame(b'{"n":1}'),
        )
        await peer.recv()
        await peer.send(close_frame(1000))

    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[
                {"reply": {"type": "welcome"}},
                {"reply": {"type": "ready"}},
                "go",
            ],
        )
    assert [record["n"] for record in run.records] == [1]
    assert server.peers[0].frames[0] == (1, b"go")


def test_one_of_two_replies_is_told_from_none() -> None:
    async def script(peer: Peer) -> None:
        await peer.recv()
        await peer.send('{"type": "ack"}')
        await peer.send('{"type": "error"}')
        await peer.wait()

    with serve(script) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[
                {"message": "s", "reply": ACK, "reply_count": 2, "reply_timeout": 2},
            ],
            message_rules=[{"match": {"type": "error"}, "then": "ignore"}],
        )
    assert "1 of 2 replies came within 2 s (reply_timeout; check reply_count" in str(
        run.error
    )


def test_a_reply_that_does_not_come_in_time_is_a_drop() -> None:
    async def script(peer: Peer) -> None:
        await peer.recv()
        await peer.send('{"n": 1}')
        if peer.number > 1:
            await peer.send('{"type": "ack"}')
        await peer.wait()

    settings: dict[str, Any] = {
        "subscribe_messages": [
            {"message": "s", "reply": ACK, "reply_timeout": 2},
        ],
    }
    with serve(script) as server:
        run = receive(url=server.url, **settings)
        assert isinstance(run.error, ConnectionFailed)
        assert "subscribe_messages[0]: no reply within 2 s (reply_timeout)" in str(
            run.error
        )
        assert [record["n"] for record in run.records] == [1]
    with serve(script) as server:
        again = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=2,
            idle_timeout=20,
            **settings,
        )
    assert again.error is None
    assert [peer.received for peer in server.peers] == [["s"], ["s"]]
    assert again.counts.reconnects == 1


@pytest.mark.parametrize("code", [1000, None])
def test_a_clean_close_while_a_reply_is_awaited_is_a_drop(code: int | None) -> None:
    with serve_raw(opens(frame(b'{"n":1}'), close_frame(code))) as server:
        run = receive(
            url=server.url, subscribe_messages=[{"message": "s", "reply": ACK}]
        )
    assert isinstance(run.error, ConnectionFailed)
    assert [record["n"] for record in run.records] == [1]


def test_binary_items_are_sent_in_binary_frames(kind: Kind) -> None:
    async def script(peer: Peer) -> None:
        await peer.recv()
        await peer.recv()
        await peer.send("{}")
        await peer.close()

    with serve(script, kind) as server:
        receive(
            url=server.url,
            subscribe_messages=[
                {"message": base64.b64encode(b"\0\xff{a}").decode(), "binary": True},
                "text",
            ],
            placeholders={"a": "b"},
        )
    assert server.received == [b"\0\xff{a}", "text"]


def test_the_interval_lies_between_two_messages() -> None:
    times: list[float] = []

    async def script(peer: Peer) -> None:
        for _ in range(3):
            await peer.recv()
            times.append(time.monotonic())
        await peer.send('{"n": 1}')
        await peer.wait()

    begin = time.monotonic()
    with serve(script) as server:
        receive(
            url=server.url,
            subscribe_messages=["1", "2", "3"],
            subscribe_interval=0.5,
            max_messages=1,
        )
    assert server.received == ["1", "2", "3"]
    # From the start on: a busy server may read the first message late.
    assert times[1] - begin >= 0.5
    assert times[2] - begin >= 1


def test_replies_are_found_inside_of_arrays_and_by_text() -> None:
    async def script(peer: Peer) -> None:
        await peer.send('[{"ev": "status", "status": "connected"}]')
        await peer.recv()
        await peer.send('[{"ev": "T", "p": 1}, {"ev": "status", "status": "ok"}]')
        await peer.recv()
        await peer.send("OK 12")
        await peer.send('[{"ev": "T", "p": 2}]')
        await peer.close()

    with serve(script) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[
                {"reply": {"ev": "status", "status": "connected"}},
                {"message": "auth", "reply": {"ev": "status", "status": "ok"}},
                {"message": "sub", "reply": {"$regex": r"^OK \d+$"}},
            ],
        )
    assert run.error is None, run.error
    assert server.received == ["auth", "sub"]
    assert [record["p"] for record in run.records] == [1, 2]


def test_a_reply_may_be_data_all_the_same(kind: Kind) -> None:
    async def script(peer: Peer) -> None:
        await peer.recv()
        await peer.send('{"id": 1, "result": [{"n": 1}, {"n": 2}]}')
        assert await asyncio.wait_for(peer.recv(), 20) == '{"get":"rest"}'
        await peer.send('{"id": 2, "result": [{"n": 3}]}')
        await peer.send('[{"id": 1, "result": {"n": 4}}, {"id": 2, "result": {}}]')
        await peer.close()

    with serve(script, kind) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[
                {"message": {"get": "first"}, "reply": {"id": 1}, "records": True},
                {"message": {"get": "rest"}, "reply": {"id": 2}},
            ],
            records_path="$.result",
        )
    assert run.error is None
    assert [record["n"] for record in run.records] == [1, 2, 4]


class Hand:
    """A subscription driven by hand, over a clock that stands still."""

    def __init__(self, *items: Item, interval: float = 0) -> None:
        self.now = 0.0
        self.behind = False
        self.timers: list[tuple[float, Callable[[], None], mock.Mock]] = []
        self.sent: list[Any] = []
        self.complete = 0
        self.late: list[str] = []
        self.subscription = Subscription(
            [Request(item, {}, item.replies(0)) for item in items],
            interval=interval,
            perform=lambda _request, _done: None,
            send=lambda message, _values: self.sent.append(message),
            on_complete=self.completed,
            on_timeout=self.late.append,
            schedule=self.schedule,
            clock=lambda: self.now,
            has_unread=lambda: self.behind,
        )
        self.subscription.start()

    def completed(self) -> None:
        self.complete += 1

    def schedule(self, delay: float, act: Callable[[], None]) -> mock.Mock:
        timer = mock.Mock()
        self.timers.append((self.now + delay, act, timer))
        return timer

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        due = [entry for entry in self.timers if entry[0] <= self.now]
        self.timers = [entry for entry in self.timers if entry[0] > self.now]
        for _, act, timer in due:
            if not timer.cancel.called:
                act()


def awaiting(reply: Any, message: bytes | None = None, **more: Any) -> Item:
    return Item("here", message, compile_matcher(reply), **more)


def test_the_reply_clock_stands_still_while_reading_is_paused() -> None:
    hand = Hand(awaiting("ok", reply_timeout=10))
    hand.pass_time(6)
    hand.subscription.pause()
    hand.pass_time(100)
    assert hand.late == []
    hand.subscription.resume()
    hand.pass_time(9)
    assert hand.late == []
    hand.pass_time(1)
    assert hand.late == ["here: no reply within 10 s (reply_timeout)"]


def test_replies_that_came_are_counted_when_others_do_not() -> None:
    hand = Hand(awaiting("ok", reply_timeout=10, reply_count=2))
    hand.subscription.answers_text("ok")
    hand.pass_time(10)
    (reason,) = hand.late
    assert reason.startswith("here: 1 of 2 replies came within 10 s (reply_timeout; ")


def test_a_reply_may_stand_in_what_is_not_read_yet() -> None:
    hand = Hand(awaiting("ok", reply_timeout=10))
    hand.behind = True
    hand.pass_time(10)
    hand.pass_time(10)
    assert hand.late == []
    hand.behind = False
    hand.pass_time(10)
    assert len(hand.late) == 1


def test_a_clock_that_starts_in_a_pause_stands_still_too() -> None:
    hand = Hand(Item("a", b"1"), awaiting("ok", b"2", reply_timeout=10), interval=1)
    hand.subscription.pause()
    hand.pass_time(1)
    assert hand.sent == [b"1", b"2"]
    hand.pass_time(50)
    assert hand.late == []
    hand.subscription.resume()
    hand.pass_time(10)
    assert len(hand.late) == 1


def test_nothing_is_sent_when_the_connection_is_over() -> None:
    hand = Hand(Item("a", b"1"), Item("b", b"2"), interval=1)
    hand.subscription.stop()
    hand.pass_time(1)
    assert hand.sent == [b"1"]
    assert hand.complete == 0


def test_equal_replies_count_for_the_item_that_waits() -> None:
    hand = Hand(awaiting("ok", b"1"), awaiting("ok", b"2"), awaiting("no", b"3"))
    assert hand.subscription.answers_text("ok")
    assert hand.sent == [b"1", b"2"]
    assert hand.subscription.answers_text("ok")
    assert hand.sent == [b"1", b"2", b"3"]
    assert hand.subscription.answers_text("ok")
    assert hand.subscription.awaiting
    assert not hand.subscription.answers_text("data")
    assert hand.subscription.answers_text("no")
    assert (hand.complete, hand.subscription.awaiting) == (1, False)


def test_what_stands_behind_a_reply_in_an_array_is_data() -> None:
    async def script(peer: RawPeer) -> None:
        await peer.upgrade()
        await peer.recv()
        await peer.send(frame(b'[{"n":1},{"ok":true},{"n":2}]'))
        await peer.wait()

    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            max_messages=1,
            subscribe_messages=[{"message": "subscribe", "reply": {"ok": True}}],
        )
    assert run.error is None
    assert [record["n"] for record in run.records] == [1, 2]
