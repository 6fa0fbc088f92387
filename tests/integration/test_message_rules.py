"""Message rules over a real socket: what they ignore, answer, capture and end."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tap_websocket.errors import FeedError
from tests.support.raw import RawPeer, close_frame, frame, serve_raw
from tests.support.receive import receive
from tests.support.servers import Kind, Peer, serve

pytestmark = pytest.mark.usefixtures("each_transport")


def feed(*messages: str | bytes, close: bool = True) -> Any:
    async def script(peer: Peer) -> None:
        for message in messages:
            await peer.send(message)
        if close:
            await peer.close()
        await peer.wait()

    return script


def numbers(run: Any) -> list[Any]:
    return [record.get("n") for record in run.records]


def test_ignored_documents_are_counted_and_count_for_nothing(kind: Kind) -> None:
    script = feed('{"type":"hb"}', '{"n":1}', "pong", '{"n":2}', '{"n":3}', close=False)
    with serve(script, kind) as server:
        run = receive(
            url=server.url,
            message_rules=[
                {"match": {"type": "hb"}, "then": "ignore"},
                {"match": "pong", "then": "ignore"},
            ],
            max_messages=2,
        )
    assert run.error is None
    assert numbers(run) == [1, 2]
    assert (run.counts.ignored, run.counts.messages) == (2, 2)


def test_a_rule_meets_each_spelling_of_a_document() -> None:
    spellings = (
        '{"type":"hb"}',
        '{ "n": 9, "type" : "hb" }',
        '{"type":"h\\u0062"}',
        '{"\\u0074ype":"hb"}',
        '{"type":"other","type":"hb"}',
    )
    with serve(feed(*spellings, '{"n":1,"type":"hbx"}')) as server:
        run = receive(
            url=server.url,
            message_rules=[{"match": {"type": "hb"}, "then": "ignore"}],
        )
    assert numbers(run) == [1]
    assert run.counts.ignored == len(spellings)


def test_fail_ends_the_run_with_the_document_and_no_secret() -> None:
    text = json.dumps({"error": "bad key hunter2 given", "more": "x" * 600})
    with serve(feed('{"n":1}', text, '{"n":2}', close=False)) as server:
        run = receive(
            url=server.url,
            headers={"X-Key": "hunter2"},
            message_rules=[{"match": {"error": {"$exists": True}}, "then": "fail"}],
        )
    assert isinstance(run.error, FeedError)
    assert "bad key" in str(run.error)
    assert len(str(run.error)) < 600
    assert numbers(run) == [1]


@pytest.mark.parametrize("reconnect", [False, True])
def test_stop_closes_the_connection_for_good(reconnect: bool) -> None:
    with serve(feed('{"n":1}', '{"end":1}', '{"n":2}', close=False)) as server:
        run = receive(
            url=server.url,
            reconnect=reconnect,
            message_rules=[{"match": {"end": 1}, "then": "stop"}],
        )
    assert run.error is None
    assert numbers(run) == [1]
    assert len(server.peers) == 1
    assert server.peers[0].close_code == 1000


def test_reconnect_keeps_what_the_server_still_sends() -> None:
    async def script(peer: RawPeer) -> None:
        base = 10 * peer.number
        await peer.upgrade(
            frame(b'{"n":%d}' % base),
            frame(b'{"op":7}'),
            frame(b'{"n":%d}' % (base + 1)),
        )
        opcode, _ = await peer.recv()
        assert opcode == 8
        await peer.send(frame(b'{"n":%d}' % (base + 2)), close_frame(1000))

    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.01,
            message_rules=[{"match": {"op": 7}, "then": "reconnect"}],
            max_messages=6,
        )
    assert run.error is None
    assert numbers(run) == [10, 11, 12, 20, 21, 22]
    assert run.counts.reconnects == 1


def test_reconnect_without_the_setting_is_a_drop() -> None:
    with serve(feed('{"n":1}', '{"op":7}', close=False)) as server:
        run = receive(
            url=server.url, message_rules=[{"match": {"op": 7}, "then": "reconnect"}]
        )
    assert "message_rules[0] asked for it" in str(run.error)
    assert numbers(run) == [1]


def test_a_reply_echoes_values_with_their_type(kind: Kind) -> None:
    async def script(peer: Peer) -> None:
        for ping in ("18212558000", '"text"', "1.50"):
            await peer.send(f'{{"ping":{ping}}}')
            await peer.recv()
        await peer.send('{"n":1}')
        await peer.close()

    with serve(script, kind) as server:
        run = receive(
            url=server.url,
            message_rules=[
                {
                    "match": {"ping": {"$exists": True}},
                    "then": "ignore",
                    "reply": {"pong": "{$.ping}", "id": "{$counter}"},
                },
            ],
        )
    assert server.received == [
        '{"pong":18212558000,"id":1}',
        '{"pong":"text","id":2}',
        '{"pong":1.50,"id":3}',
    ]
    assert numbers(run) == [1]


def test_a_number_is_answered_and_captured_as_it_was_sent(kind: Kind) -> None:
    async def script(peer: Peer) -> None:
        for text in ("0.00000001", "100e1", "1.50", "7"):
            await peer.send(f'{{"ping":{text}}}')
            assert await peer.recv() == f'{{"pong":{text},"as":"{text}|{text}"}}'
        await peer.send('{"n":1}')
        await peer.close()

    with serve(script, kind) as server:
        run = receive(
            url=server.url,
            message_rules=[
                {
                    "match": {"ping": {"$exists": True}},
                    "then": "ignore",
                    "capture": {"last": "$.ping"},
                    "reply": {"pong": "{$.ping}", "as": "{last}|{$.ping}"},
                },
            ],
        )
    assert run.error is None
    assert numbers(run) == [1]


def test_an_acknowledged_document_is_data_and_answered() -> None:
    async def script(peer: Peer) -> None:
        await peer.send('{"envelope_id":"e1","n":1}')
        await peer.recv()
        await peer.send('{"n":2}')
        await peer.close()

    with serve(script) as server:
        run = receive(
            url=server.url,
            message_rules=[
                {
                    "match": {"envelope_id": {"$exists": True}},
                    "reply": '{"envelope_id":"{$.envelope_id}"}',
                },
            ],
        )
    assert server.received == ['{"envelope_id":"e1"}']
    assert numbers(run) == [1, 2]


def test_a_captured_cursor_goes_on_where_the_outage_began(kind: Kind) -> None:
    async def script(peer: Peer) -> None:
        start = int(peer.path.partition("cursor=")[2] or 0)
        for number in range(start + 1, start + 4):
            await peer.send(f'{{"n":{number},"time_us":{number}}}')
        if start < 6:
            await peer.reset() if kind == "uvicorn" else await peer.close(1012)
        await peer.wait()

    with serve(script, kind) as server:
        run = receive(
            url=server.url + "?cursor={cursor}",
            placeholders={"cursor": 0},
            message_rules=[{"capture": {"cursor": "$.time_us"}}],
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=9,
        )
    assert run.error is None
    if kind == "aiohttp":
        assert numbers(run) == list(range(1, 10))
    assert server.peers[0].path.endswith("?cursor=0")


def test_a_heartbeat_carries_what_was_captured() -> None:
    async def script(peer: Peer) -> None:
        assert json.loads(await peer.recv()) == {"op": 1, "d": None}
        await peer.send('{"op":0,"s":42,"n":1}')
        while json.loads(await peer.recv()) != {"op": 1, "d": 42}:
            pass
        await peer.send('{"n":2}')
        await peer.close()

    with serve(script) as server:
        run = receive(
            url=server.url,
            message_rules=[{"match": {"op": 0}, "capture": {"seq": "$.s"}}],
            heartbeat_message={"op": 1, "d": "{seq}"},
            heartbeat_interval=0.05,
        )
    assert run.error is None
    assert numbers(run) == [1, 2]


def test_the_heartbeat_begins_when_the_subscription_is_complete() -> None:
    async def script(peer: Peer) -> None:
        assert await peer.recv() == "subscribe"
        await peer.send("ok")
        assert await peer.recv() == "ping"
        await peer.close()

    with serve(script) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[{"message": "subscribe", "reply": "ok"}],
            heartbeat_message="ping",
            heartbeat_interval=0.05,
        )
    assert run.error is None


def test_a_stale_connection_is_dropped_though_it_answers_pings() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(f'{{"n":{peer.number}}}')
        if peer.number == 2:
            await peer.close()
        await peer.wait()

    begin = time.monotonic()
    with serve(script) as server:
        run = receive(
            url=server.url,
            stale_timeout=2,
            ping_interval=0.05,
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=2,
        )
    assert run.error is None
    assert numbers(run) == [1, 2]
    assert time.monotonic() - begin >= 2


def test_a_stale_connection_says_what_was_ignored_on_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A path that is wrong looks like a silent feed in the log of a long run."""

    async def script(peer: Peer) -> None:
        await peer.send('{"dta": {"n": 1}}')
        if peer.number == 1:
            await peer.send('{"dta": {"n": 2}}')
        else:
            await peer.send('{"data": {"n": 3}}')
        await peer.wait()

    with serve(script) as server:
        run = receive(
            url=server.url,
            records_path="$.data",
            stale_timeout=2,
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=2,
        )
    assert run.error is None
    first, second = (text for text in caplog.messages if text.startswith("Lost"))
    assert "(stale_timeout); 2 documents came and were ignored (message_rules" in first
    # Data came behind what was ignored.
    assert "ignored" not in second


@pytest.mark.parametrize("form", ["raw_string", "binary"])
def test_rules_look_at_a_parsed_copy_where_nothing_is_parsed(form: str) -> None:
    with serve(feed('{"type":"hb"}', "no json", "pong", close=True)) as server:
        run = receive(
            url=server.url,
            message_format=form,
            message_rules=[
                {"match": {"type": "hb"}, "then": "ignore"},
                {"match": {"$regex": "^pon"}, "then": "ignore"},
            ],
        )
    expected = "no json" if form == "raw_string" else "bm8ganNvbg=="
    assert [record["data"] for record in run.records] == [expected]


def test_a_text_that_a_rule_took_is_never_parsed() -> None:
    with serve(feed("PING :x", '{"n":1}', "garbage")) as server:
        run = receive(
            url=server.url,
            message_rules=[{"match": {"$regex": "^PING"}, "then": "ignore"}],
        )
    assert "not valid JSON" in str(run.error)
    assert numbers(run) == [1]


def test_rules_and_speed_leave_the_order_alone() -> None:
    many = [
        '{"type":"hb"}' if number % 7 == 0 else f'{{"n":{number}}}'
        for number in range(2000)
    ]
    many[1002] = '{"n":"odd"}'
    with serve(feed(*many)) as server:
        run = receive(
            url=server.url,
            message_rules=[{"match": {"type": "hb"}, "then": "ignore"}],
            record_metadata=True,
        )
    expected = [None if n == 1002 else n for n in range(2000) if n % 7]
    assert numbers(run) == expected
    assert [r["_sequence"] for r in run.records] == list(range(1, len(expected) + 1))
