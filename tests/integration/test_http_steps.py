"""Steps over HTTP among the subscribe messages, on real connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tap_websocket.errors import ConfigError, ConnectionFailed, CredentialError
from tests.support.http import Http, serve_http, silent_http
from tests.support.receive import Received, make_settings, receive
from tests.support.scripts import answers
from tests.support.servers import Kind, Peer, serve
from tests.support.tap import run_tap, start_tap

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tap_websocket.delivery.bridge import Bridge
    from tap_websocket.delivery.pages import Page

pytestmark = pytest.mark.usefixtures("each_transport")


def test_twitch_s_way(http: Http, kind: Kind) -> None:
    """A greeting names the session, which is then subscribed over HTTP."""
    http.status = 202

    async def script(peer: Peer) -> None:
        await peer.send('{"type":"session_welcome","session":{"id":"s1"}}')
        for _ in range(100):
            if len(http.requests) == 2:
                break
            await peer.send('{"type":"early","n":0}')
        assert await peer.recv() == "done"
        await peer.send('{"type":"data","n":1}')
        await peer.close()
        await peer.wait()

    welcome = {"type": "session_welcome"}
    with serve(script, kind) as server:
        run = receive(
            url=server.url,
            auth={"type": "bearer", "token": "t"},
            message_rules=[
                {"match": welcome, "capture": {"session": "$.session.id"}},
                {"match": {"type": "early"}, "then": "ignore"},
            ],
            subscribe_messages=[
                {"reply": welcome},
                *(
                    {
                        "request": {
                            "url": f"{http.url}/subscriptions",
                            "headers": {"Authorization": "Bearer {token}"},
                            "body": {"type": kind, "transport": "{session}"},
                        }
                    }
                    for kind in ("follow", "cheer")
                ),
                "done",
            ],
        )
    assert run.error is None
    assert [record["n"] for record in run.records] == [1]
    assert [json.loads(body) for _, _, _, body in http.requests] == [
        {"type": "follow", "transport": "s1"},
        {"type": "cheer", "transport": "s1"},
    ]
    method, path, headers, _ = http.requests[0]
    assert (method, path) == ("POST", "/subscriptions")
    assert headers["authorization"] == "Bearer t"
    assert headers["content-type"] == "application/json"


def test_values_of_a_reply_are_placeholders(http: Http) -> None:
    http.reply = {"data": {"key": "k/1", "id": 7}}
    taken: list[Any] = []

    async def script(peer: Peer) -> None:
        taken.append(json.loads(await peer.recv()))
        await peer.close()
        await peer.wait()

    with serve(script) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[
                {
                    "request": {"url": f"{http.url}/key", "method": "GET"},
                    "values": {"key": "$.data.key", "id": "$.data.id"},
                },
                {"message": {"listen": "{key}", "id": "{id}"}},
            ],
        )
    assert run.error is None
    assert taken == [{"listen": "k/1", "id": 7}]
    assert http.requests[0][0] == "GET"


def test_a_reply_may_be_a_message(http: Http, kind: Kind) -> None:
    """An order book begins with a snapshot, and goes on with its changes."""
    http.reply = {"lastUpdateId": 160, "bids": [["0.0024", "10"]]}
    with serve(answers, kind) as server:
        run = receive(
            url=server.url,
            record_metadata=True,
            subscribe_messages=[
                {
                    "request": {"url": f"{http.url}/depth", "method": "GET"},
                    "records": True,
                },
                "go",
            ],
        )
    assert run.error is None
    snapshot, change = run.records
    assert snapshot["lastUpdateId"] == 160
    assert change["n"] == 1
    assert [snapshot["_sequence"], change["_sequence"]] == [1, 2]
    assert run.counts.messages == 2


def test_each_topic_has_its_request(http: Http) -> None:
    http.reply = {"snapshot": 1}
    begin = time.monotonic()
    with serve(answers) as server:
        run = receive(
            url=server.url,
            topics=["A", "B", "C/D"],
            subscribe_interval=0.1,
            subscribe_messages=[
                {
                    "request": {"url": f"{http.url}/{{topic}}", "method": "GET"},
                    "records": True,
                },
                "{topics}",
            ],
        )
    assert run.error is None
    assert [path for _, path, _, _ in http.requests] == ["/A", "/B", "/C%2FD"]
    assert run.counts.messages == 4
    assert time.monotonic() - begin > 0.3


def test_a_request_is_repeated_while_the_connection_lasts(http: Http) -> None:
    http.script = [(200, {}), (503, {}), (200, {})]

    async def script(peer: Peer) -> None:
        while len(http.requests) < 3:
            await asyncio.sleep(0.05)
        await peer.send('{"n":1}')
        await peer.close()
        await peer.wait()

    with serve(script) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[
                {"request": {"url": f"{http.url}/key", "method": "PUT"}, "every": 1}
            ],
        )
    assert run.error is None
    assert run.counts.reconnects == 0
    count = len(http.requests)
    # Longer than it would take to be made once more.
    time.sleep(1.5)
    assert len(http.requests) == count


def test_requests_of_several_topics_are_repeated() -> None:
    with serve_http() as http:

        async def script(peer: Peer) -> None:
            while len(http.requests) < 6:
                await asyncio.sleep(0.05)
            await peer.send('{"n":1}')
            await peer.close()
            await peer.wait()

        with serve(script) as server:
            run = receive(
                url=server.url,
                topics=["a", "b", "c"],
                subscribe_messages=[
                    {"request": {"url": f"{http.url}/{{topic}}"}, "every": 2}
                ],
            )
        assert run.error is None
        paths = [path for _, path, _, _ in http.requests]
        assert paths[:3] == ["/a", "/b", "/c"]
        assert sorted(paths[3:6]) == ["/a", "/b", "/c"]


class Paused:
    """A server whose HTTP reply comes while the tap reads no more.

    Attributes:
        is_paused: Asks the tap; set when its run has begun.
        replied: Set when the tap has that reply: it makes the next request.
        refuses: Set when that one is to be refused from then on.
    """

    def __init__(self) -> None:
        self.is_paused: Callable[[], bool] = lambda: False
        self.replied = threading.Event()
        self.refuses = threading.Event()

    async def http(self, request: web.Request) -> web.Response:
        if request.path == "/snapshot":
            while not self.is_paused():
                await asyncio.sleep(0.01)
            return web.json_response({"n": -1})
        refused = self.replied.is_set() and self.refuses.is_set()
        self.replied.set()
        return web.json_response({}, status=404 if refused else 200)

    async def __call__(self, peer: Peer) -> None:
        with contextlib.suppress(ConnectionError):
            for n in range(1_000_000):
                await peer.send(json.dumps({"n": n, "pad": "x" * 1000}))

    def run(self, each: Callable[[Page, Bridge], None], **given: Any) -> Received:
        def started(bridge: Bridge) -> None:
            self.is_paused = lambda: bridge.buffer.is_full

        with serve(self, http=self.http) as server:
            url = f"http://localhost:{server.port}"
            return receive(
                url=server.url,
                started=started,
                each=each,
                buffer_bytes=64 * 1024,
                schema={"type": "object", "properties": {"n": {"type": "integer"}}},
                max_duration=60,
                subscribe_messages=[
                    {
                        "request": {"url": f"{url}/snapshot"},
                        "records": True,
                        "reply_timeout": 50,
                    },
                    {"request": {"url": f"{url}/key"}, "every": 0.2},
                ],
                **given,
            )


def test_a_reply_that_came_in_a_pause_is_kept_when_the_connection_ends() -> None:
    server = Paused()
    lost = threading.Event()

    def each(page: Page, bridge: Bridge) -> None:
        del page
        if not lost.is_set():
            assert server.replied.wait(30)
            # Nothing is read still, so the refusal ends the connection in the pause.
            server.refuses.set()
            begin = time.monotonic()
            while bridge.failure is None and time.monotonic() - begin < 30:
                time.sleep(0.05)
            lost.set()

    run = server.run(each)
    assert isinstance(run.error, CredentialError | ConnectionFailed)
    assert "HTTP 404" in str(run.error)
    assert -1 in [record["n"] for record in run.records]


def test_a_reply_that_came_in_a_pause_is_kept_when_the_run_is_stopped() -> None:
    server = Paused()
    stopped = threading.Event()

    def each(page: Page, bridge: Bridge) -> None:
        del page
        if not stopped.is_set():
            assert server.replied.wait(30)
            stopped.set()
            bridge.stop("the test says so")

    run = server.run(each)
    assert run.error is None
    assert run.records[-1]["n"] == -1


def test_when_and_unless_look_at_what_was_captured_before(kind: Kind) -> None:
    """A session is begun on the first connection, and resumed on later ones."""

    async def script(peer: Peer) -> None:
        await peer.recv()
        await peer.send(json.dumps({"type": "ready", "session": f"s{peer.number}"}))
        await peer.send(json.dumps({"n": peer.number}))
        await peer.close(4000)
        await peer.wait()

    with serve(script, kind) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=2,
            subscribe_messages=[
                {"message": {"op": "identify"}, "unless": "session"},
                {"message": {"op": "resume", "id": "{session}"}, "when": "session"},
            ],
            message_rules=[
                {
                    "match": {"type": "ready"},
                    "then": "ignore",
                    "capture": {"session": "$.session"},
                }
            ],
        )
    assert run.error is None
    sent = [json.loads(peer.received[0]) for peer in server.peers[:2]]
    assert sent == [{"op": "identify"}, {"op": "resume", "id": "s1"}]


@pytest.mark.parametrize(
    ("item", "line"),
    [
        ({"values": {"a": "$.a"}}, r"\[0\]: values needs a request"),
        ({"every": 5, "message": "x"}, r"\[0\]: every needs a request"),
        (
            {"records": True, "message": "x"},
            r"\[0\]: records needs a request or a reply",
        ),
        (
            {"request": {"url": "http://h/"}, "message": "x"},
            r"\[0\]: message does not go with a request",
        ),
        ({"request": {"url": "ws://h/"}}, "must be a URL that begins with http"),
        ({"request": {"url": "http://h/{x}"}}, r"\{x\} is declared nowhere"),
        (
            {"request": {"url": "http://h/"}, "values": {"a": "$["}},
            r"subscribe_messages\[0\].values.a",
        ),
        (
            {"request": {"url": "http://h/", "method": "G T"}},
            "must be an HTTP method",
        ),
        ({"message": "x", "when": "nothing"}, r"\[0\].when: 'nothing' is captured"),
    ],
)
def test_a_wrong_item_is_one_line(item: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        make_settings(subscribe_messages=[item])


def test_nothing_of_a_request_shows_at_debug_level(http: Http, tmp_path: Path) -> None:
    http.reply = {"key": "v-secret"}
    with serve(answers) as server:
        config = {
            "url": server.url,
            "placeholders": {"p": "p-secret"},
            "subscribe_messages": [
                {
                    "request": {
                        "url": f"{http.url}/u-secret/{{p}}",
                        "headers": {"X-Key": "h-secret {p}"},
                        "body": {"key": "b-secret {p}"},
                    },
                    "values": {"key": "$.key"},
                },
                {
                    "request": {"url": f"{http.url}/u-secret"},
                    "values": {"no": "$.missing"},
                },
            ],
            "max_duration": 10,
        }
        run = run_tap(tmp_path, config, env={"LOGLEVEL": "DEBUG"})
    assert run.code == 1
    for place in "upvhb":
        assert f"{place}-secret" not in run.stderr, run.stderr


def test_a_signal_abandons_a_request(tmp_path: Path) -> None:
    with silent_http() as url, serve(answers) as server:
        config = {
            "url": server.url,
            "subscribe_messages": [{"request": {"url": url}, "reply_timeout": 60}],
            "max_duration": 60,
            "infer_messages": 0,
        }
        with start_tap(tmp_path, config) as tap:
            while not server.peers:
                time.sleep(0.05)
            time.sleep(0.3)
            begin = time.monotonic()
            tap.terminate()
            tap.communicate(timeout=20)
        assert tap.returncode == 0
        assert time.monotonic() - begin < 10
