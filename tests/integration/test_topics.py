"""Topics over connections and messages: a whole exchange that counts its limits."""

from __future__ import annotations

import collections
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.exchange import Limits, serve_exchange
from tests.support.receive import receive
from tests.support.servers import serve

if TYPE_CHECKING:
    from tests.support.exchange import Exchange
    from tests.support.servers import Peer

pytestmark = pytest.mark.usefixtures("each_transport")


def settings(exchange: Exchange, **more: Any) -> dict[str, Any]:
    """The config of a run that keeps the limits of an exchange."""
    return {
        "url": exchange.url,
        "topics": {"url": exchange.list_url, "path": "$.symbols[*].symbol"},
        "topics_per_connection": exchange.limits.connection,
        "topics_per_message": exchange.limits.message,
        # More than the limit asks for: a busy machine does not see attempts arrive as
        # they were spaced.
        "connect_interval": 2.5 / exchange.limits.connects,
        "subscribe_messages": [exchange.subscription],
        "max_messages": len(exchange.symbols),
        "max_duration": 60,
        **more,
    }


def test_a_whole_exchange_is_subscribed_to_within_its_limits() -> None:
    with serve_exchange(limits=Limits(connects=10)) as exchange:
        run = receive(**settings(exchange))
    assert run.error is None
    assert exchange.breaches == []
    assert exchange.lists == 1
    assert exchange.acknowledged == 60
    seen = collections.Counter(record["symbol"] for record in run.records)
    assert seen == collections.Counter(exchange.symbols)


def test_reconnects_in_the_middle_keep_the_limits() -> None:
    limits = Limits(connection=50, message=20, connects=5)
    with serve_exchange(400, limits, drops=4) as exchange:
        run = receive(
            **settings(
                exchange,
                max_messages=400 + 4 * 20,
                reconnect=True,
                reconnect_backoff=0.01,
            ),
        )
    assert run.error is None
    assert exchange.dropped == 4
    assert exchange.breaches == []
    assert set(exchange.traded) == set(exchange.symbols)
    assert run.counts.reconnects == 4
    assert {record["symbol"] for record in run.records} == set(exchange.symbols)


async def record_messages(peer: Peer) -> None:
    """Acknowledge what carries an id, and answer each message with itself."""
    while True:
        message = await peer.recv()
        assert isinstance(message, str)
        await peer.send(json.dumps({"got": message, "path": peer.path}))


def subscribed(**given: Any) -> tuple[list[str], list[list[str]], list[dict[str, Any]]]:
    """Run until everything was echoed; return paths and messages by connection."""
    with serve(record_messages) as server:
        given.setdefault("url", server.url)
        given["url"] = given["url"].replace("PORT", str(server.port))
        run = receive(idle_timeout=2, infer_messages=0, **given)
        peers = sorted(server.peers, key=lambda peer: str(peer.received))
    assert run.error is None
    return (
        [peer.path for peer in peers],
        [[str(message) for message in peer.received] for peer in peers],
        run.records,
    )


def test_a_json_array_takes_the_topics_of_a_message() -> None:
    _, messages, _ = subscribed(
        topics=["A", "B", "C"],
        topics_per_message=2,
        subscribe_messages=[
            "hello",
            {"message": {"id": "{$counter}", "args": "{topics|lower}"}},
        ],
    )
    assert messages == [
        ["hello", '{"id":1,"args":["a","b"]}', '{"id":2,"args":["c"]}'],
    ]


def test_a_text_takes_the_topics_with_the_separator_as_it_is() -> None:
    _, messages, _ = subscribed(
        topics=["A", "B", "C"],
        topics_per_connection=2,
        topic_templates=['{"channel":"{topic}"}'],
        topic_separator=", ",
        subscribe_messages=['{"args":[{topics}]}'],
    )
    assert messages == [
        ['{"args":[{"channel":"A"}, {"channel":"B"}]}'],
        ['{"args":[{"channel":"C"}]}'],
    ]


def test_a_message_with_a_topic_is_sent_for_each() -> None:
    _, messages, _ = subscribed(
        topics=["A", "B"],
        subscribe_messages=[{"message": {"sub": "x.{topic}"}}, "done"],
    )
    assert messages == [['{"sub":"x.A"}', '{"sub":"x.B"}', "done"]]


def test_a_url_takes_topics_encoded_and_the_separator_as_it_is() -> None:
    paths, _, _ = subscribed(
        url="ws://localhost:PORT/stream?streams={topics}",
        topics=["a@b", "c/d", "e"],
        topics_per_connection=2,
        topic_separator="/",
        subscribe_messages=["x"],
    )
    assert sorted(paths) == ["/stream?streams=a%40b/c%2Fd", "/stream?streams=e"]


def test_a_topic_alone_on_its_connection_is_a_column_of_its_records() -> None:
    paths, messages, records = subscribed(
        url="ws://localhost:PORT/{topic|lower}",
        topics=["A", "B"],
        topics_per_connection=1,
        topic_templates=["{topic}@x"],
        subscribe_messages=["{topic}"],
    )
    assert paths == ["/a%40x", "/b%40x"]
    assert messages == [["A@x"], ["B@x"]]
    assert sorted(record["topic"] for record in records) == ["A@x", "B@x"]


def test_a_reply_may_be_awaited_for_each_topic() -> None:
    received: list[Any] = []

    async def acknowledge_each(peer: Peer) -> None:
        while True:
            args = json.loads(await peer.recv())["args"]
            received.append(args)
            for topic in args:
                await peer.send(json.dumps({"ack": topic}))
            await peer.send(json.dumps({"trade": len(args)}))

    with serve(acknowledge_each) as server:
        run = receive(
            url=server.url,
            topics=["a", "b", "c"],
            topics_per_message=2,
            subscribe_messages=[
                {
                    "message": {"args": "{topics}"},
                    "reply": {"ack": {"$exists": True}},
                    "reply_count": "topics",
                    "reply_timeout": 5,
                },
            ],
            max_messages=2,
        )
    assert run.error is None
    assert received == [["a", "b"], ["c"]]
    assert [record["trade"] for record in run.records] == [2, 1]


def test_starts_of_connection_attempts_keep_their_distance() -> None:
    limits = Limits(connection=1, message=1, connects=100)
    begin = time.monotonic()
    with serve_exchange(6, limits) as exchange:
        run = receive(**settings(exchange, connect_interval=0.25))
    assert run.error is None
    starts = exchange.attempts
    assert len(starts) == 6
    # From the start on: a busy server may see the first attempt late.
    assert starts[-1] - begin >= 5 * 0.25


def test_each_of_two_lines_asks_for_the_topics_of_its_connection() -> None:
    limits = Limits(connection=20, message=10, connects=100)
    with serve_exchange(40, limits) as exchange:
        run = receive(
            **settings(
                exchange,
                redundancy=2,
                deduplicate={"by": ["$.symbol"]},
                reconnect=True,
                max_messages=None,
                idle_timeout=3,
            ),
        )
    assert run.error is None
    assert exchange.breaches == []
    assert len(exchange.attempts) == 4
    assert set(exchange.traded.values()) == {2}
    assert sorted(record["symbol"] for record in run.records) == exchange.symbols
