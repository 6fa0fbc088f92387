"""What fails in a step over HTTP, and whether another try may help."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tap_websocket.errors import ConnectionFailed, CredentialError
from tests.support.http import Http, serve_http, silent_http
from tests.support.receive import receive
from tests.support.scripts import answers, says_nothing
from tests.support.servers import Kind, Peer, free_port, serve

pytestmark = pytest.mark.usefixtures("each_transport")


@pytest.mark.parametrize("status", [503, 404])
def test_a_repetition_that_keeps_failing_is_a_drop(http: Http, status: int) -> None:
    http.script = [(200, {}), *[(status, {})] * 3]

    async def script(peer: Peer) -> None:
        if peer.number == 2:
            await peer.send('{"n":1}')
        await peer.wait()

    with serve(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=1,
            subscribe_messages=[
                {"request": {"url": f"{http.url}/key"}, "every": 0.2},
            ],
        )
    assert run.error is None
    assert run.counts.reconnects == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_what_may_pass_is_a_drop(http: Http, status: int) -> None:
    http.script = [(status, {})]
    http.headers = {"Retry-After": "1"}
    begin = time.monotonic()
    with serve(answers) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=1,
            subscribe_messages=[{"request": {"url": f"{http.url}/x"}}, "go"],
        )
    assert run.error is None
    assert run.counts.reconnects == 1
    if status in {429, 503}:
        assert time.monotonic() - begin > 0.9

    http.script = [(status, {})]
    with serve(answers) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[{"request": {"url": f"{http.url}/x"}}, "go"],
        )
    assert isinstance(run.error, ConnectionFailed)
    assert f"HTTP {status}" in str(run.error)


def test_a_server_that_is_not_there_is_a_drop() -> None:
    with serve(answers) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[
                {"request": {"url": f"http://localhost:{free_port()}/secret"}}
            ],
        )
    assert isinstance(run.error, ConnectionFailed)
    assert "the subscription request to http://localhost" in str(run.error)
    assert "secret" not in str(run.error)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404])
def test_another_status_ends_the_run(http: Http, status: int) -> None:
    http.status = status
    http.reply = {"message": "s3cret"}

    with serve(says_nothing) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.01,
            subscribe_messages=["go", {"request": {"url": f"{http.url}/s3cret"}}],
        )
    assert isinstance(run.error, CredentialError)
    assert f"HTTP {status}" in str(run.error)
    assert "subscribe_messages[1]" in str(run.error)
    assert "s3cret" not in str(run.error)
    assert len(http.requests) == 1


def test_a_status_takes_down_one_line_alone(http: Http) -> None:
    http.script = [(200, {}), (403, {}), (200, {})]

    async def script(peer: Peer) -> None:
        await peer.recv()
        # The other line was refused, and asks again.
        while len(http.requests) < 3:
            await asyncio.sleep(0.01)
        await peer.send('{"n":1}')
        await peer.wait()

    with serve(script) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.1,
            redundancy=2,
            max_messages=1,
            subscribe_messages=[{"request": {"url": http.url}}, "go"],
        )
    assert run.error is None
    assert [record["n"] for record in run.records] == [1]


def test_refused_credentials_are_refreshed_once(http: Http, kind: Kind) -> None:
    with serve_http() as tokens, serve(answers, kind) as server:
        tokens.script = [(200, {"token": "old"}), (200, {"token": "new"})]
        http.script = [(401, {}), (200, {})]
        settings: dict[str, Any] = {
            "url": server.url,
            "auth": {
                "type": "token_endpoint",
                "url": tokens.url,
                "values": {"t": "$.token"},
            },
            "subscribe_messages": [
                {
                    "request": {"url": f"{http.url}/x", "headers": {"X-T": "{t}"}},
                    "reply_timeout": 60,
                },
                "go",
            ],
            # Four requests and a handshake, on a machine that may be busy.
            "connect_timeout": 60,
            "max_duration": 200,
        }
        run = receive(**settings)
        assert run.error is None
        assert [headers["x-t"] for _, _, headers, _ in http.requests] == ["old", "new"]

        tokens.script = [(200, {"token": "a"}), (200, {"token": "b"})]
        http.script = [(401, {}), (403, {})]
        run = receive(**settings)
        assert isinstance(run.error, CredentialError)
        assert "HTTP 403" in str(run.error)


def test_a_value_that_is_missing_is_a_drop(http: Http) -> None:
    http.script = [(200, {"other": 1}), (200, {"key": "k"})]
    with serve(answers) as server:
        run = receive(
            url=server.url,
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=1,
            subscribe_messages=[
                {"request": {"url": http.url}, "values": {"key": "$.key"}},
                "{key}",
            ],
        )
    assert run.error is None
    assert run.counts.reconnects == 1
    assert server.peers[-1].received[0] == "k"


def test_a_reply_has_its_time() -> None:
    """`reply_timeout` bounds the whole request."""

    with silent_http() as url, serve(answers) as server:
        run = receive(
            url=server.url,
            subscribe_messages=[{"request": {"url": url}, "reply_timeout": 0.3}],
        )
    assert isinstance(run.error, ConnectionFailed)
    assert "no answer within 0.3 s (reply_timeout)" in str(run.error)
    assert run.seconds < 10
