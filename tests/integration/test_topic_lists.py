"""Topics that are fetched: what is asked, what is no list, and when it is retried."""

from __future__ import annotations

import json
import logging
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from aiohttp import web

from tests.support.certificates import server_side
from tests.support.http import serve_http
from tests.support.proxies import serve_proxy
from tests.support.receive import receive
from tests.support.servers import serve
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.receive import Received
    from tests.support.servers import Peer


class Lists:
    """A feed whose HTTP side answers requests for its topics one after the other."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, str, dict[str, str], str]] = []

    async def http(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.requests.append((request.method, request.path_qs, headers, body))
        status, text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(status=status, text=text)

    async def __call__(self, peer: Peer) -> None:
        asked = json.loads(await peer.recv())
        await peer.send(json.dumps({"asked": asked["args"]}))
        await peer.wait()


def fetch(lists: Lists, **more: Any) -> Received:
    request = {"url": "http://127.0.0.1:PORT/list", "path": "$.data[*].s"}
    request |= more.pop("topics", {})
    with serve(lists, http=lists.http) as server:
        request["url"] = request["url"].replace("PORT", str(server.port))
        return receive(
            url=server.url,
            topics=request,
            subscribe_messages=[{"message": {"args": "{topics}"}}],
            max_messages=1,
            infer_messages=0,
            **more,
        )


def asked(run: Received) -> list[str]:
    assert run.error is None
    (record,) = run.records
    found: list[str] = record["data"]["asked"]
    return found


def listed(*topics: Any) -> str:
    return json.dumps({"data": [{"s": topic} for topic in topics]})


def test_strings_and_numbers_are_topics_and_each_counts_once() -> None:
    lists = Lists((200, listed("b", "a", 17, "b", 1)[:-2] + ', {"s": 1.50}]}'))
    assert asked(fetch(lists)) == ["b", "a", "17", "1", "1.50"]
    ((method, path, _, _),) = lists.requests
    assert (method, path) == ("GET", "/list")


def test_what_is_asked_may_hold_placeholders() -> None:
    lists = Lists((200, listed("a")))
    topics = {
        "url": "http://127.0.0.1:PORT/{kind}?key={key}",
        "method": "POST",
        "headers": {"X-Key": "{key}"},
        "body": {"kind": "{kind}", "limit": 5},
    }
    placeholders = {"kind": "spot", "key": "a b"}
    assert asked(fetch(lists, topics=topics, placeholders=placeholders)) == ["a"]
    ((method, path, headers, body),) = lists.requests
    assert (method, path) == ("POST", "/spot?key=a%20b")
    assert headers["x-key"] == "a b"
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {"kind": "spot", "limit": 5}


def test_a_redirect_is_followed() -> None:
    with serve_http() as http:
        http.redirects = {"/old": (301, {"Location": "/new"})}
        http.reply = {"data": [{"s": "a"}]}
        topics = {"url": f"{http.url}/old", "headers": {"X-Key": "k"}}
        assert asked(fetch(Lists((500, "")), topics=topics)) == ["a"]
        assert [path for _, path, _, _ in http.requests] == ["/old", "/new"]
        assert http.requests[1][2]["x-key"] == "k"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ((200, "<html>"), "the topic list reply of .* is not JSON; check the URL"),
        ((200, '{"data": []}'), "topics.path: the reply of .* has nothing at this"),
        ((200, listed("a", True)), "a match is true or false"),
        ((200, listed("a", None)), "a match is null"),
        ((200, listed([])), r"a match is an array \(add \[\*\] to the path"),
        ((200, listed({})), "a match is an object"),
        ((200, listed("")), "a match is an empty string"),
        ((403, ""), "the topic list request to .* got HTTP 403: check topics"),
        ((302, ""), "the redirect is not followed; put its address into topics"),
        ((503, ""), "the topic list request to .* failed: .*503.*; reconnect: true"),
    ],
)
def test_what_is_no_list_ends_the_run(answer: tuple[int, str], problem: str) -> None:
    run = fetch(Lists(answer))
    assert run.records == []
    assert re.search(problem, str(run.error))


def test_a_list_longer_than_max_message_bytes_ends_the_run() -> None:
    run = fetch(Lists((200, listed("a" * 5000))), max_message_bytes=4096)
    assert "the topic list reply of" in str(run.error)
    assert "longer than 4096 bytes" in str(run.error)


def test_a_failure_that_may_pass_is_tried_again_and_the_list_is_fetched_once() -> None:
    lists = Lists((503, ""), (429, ""), (200, listed("a")))
    run = fetch(lists, reconnect=True, reconnect_backoff=0.01)
    assert asked(run) == ["a"]
    assert len(lists.requests) == 3


def test_attempts_are_limited_as_those_to_connect_are() -> None:
    lists = Lists((503, ""))
    retries = {"reconnect_backoff": 0.01, "max_reconnect_attempts": 2}
    run = fetch(lists, reconnect=True, **retries)
    assert "gave up on topics after 2 retries" in str(run.error)
    assert len(lists.requests) == 3


def test_a_run_that_ends_before_it_has_a_list_never_connected() -> None:
    run = fetch(
        Lists((503, "")),
        reconnect=True,
        reconnect_backoff=0.1,
        max_duration=3,
    )
    assert "never connected (max_duration" in str(run.error)
    assert "HTTP 503" in str(run.error)


def test_a_list_that_does_not_come_is_the_reason_of_a_run_that_never_connected() -> (
    None
):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        run = receive(
            url="ws://localhost:1/{topics}",
            topics={"url": f"{url}/list?key=secret", "path": "$[*]"},
            max_duration=3,
        )
    waited = rf"the topic list of {re.escape(url)} has not come after \d+ s"
    assert re.search(waited, str(run.error))
    assert "secret" not in str(run.error)
    assert run.seconds < 15


def test_how_many_there_are_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tap-websocket")
    lists = Lists((200, listed("alpha", "beta", "gamma")))
    fetch(lists, topics_per_connection=2)
    lines: dict[int, list[str]] = {
        level: [one.getMessage() for one in caplog.records if one.levelno == level]
        for level in (logging.INFO, logging.DEBUG)
    }
    assert (
        "Topics: 3 listed, 3 for this run, on 2 connections, in 2 subscribe messages"
    ) in lines[logging.INFO]
    assert "Topics of connection 1: alpha, beta" in lines[logging.DEBUG]
    assert not any("alpha" in line for line in lines[logging.INFO])


def test_the_list_takes_the_way_of_the_feed_through_proxy_and_trust(
    tmp_path: Path,
) -> None:
    authority = trustme.CA()
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    lists = Lists((200, listed("a", "b")))
    tls = server_side(authority, "localhost")
    with (
        serve(lists, http=lists.http, tls=tls) as server,
        serve_proxy("http") as proxy,
    ):
        there = f"localhost:{server.port}"
        run = receive(
            url=f"wss://{there}/feed",
            topics={"url": f"https://{there}/list", "path": "$.data[*].s"},
            subscribe_messages=[{"message": {"args": "{topics}"}}],
            max_messages=1,
            infer_messages=0,
            proxy=proxy.url,
            tls={"ca_file": str(ca_file)},
        )
        assert asked(run) == ["a", "b"]
        assert [proxy.asked(), proxy.asked()] == [there, there]


def test_a_list_whose_server_is_not_trusted_ends_the_run() -> None:
    lists = Lists((200, listed("a")))
    with serve(lists, http=lists.http, tls=server_side(trustme.CA(), "localhost")) as (
        server
    ):
        run = receive(
            url=server.url,
            topics={"url": f"https://localhost:{server.port}/", "path": "$[*]"},
            subscribe_messages=["{topics}"],
            reconnect=True,
        )
    assert "is not trusted" in str(run.error)
    assert lists.requests == []


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_headers_and_query_never_show(tmp_path: Path, level: str) -> None:
    lists = Lists((503, ""))
    with serve(lists, http=lists.http) as server:
        config = {
            "url": server.url,
            "topics": {
                "url": f"http://127.0.0.1:{server.port}/list?key=query-secret",
                "headers": {"X-Key": "header-secret"},
                "path": "$[*]",
            },
            "subscribe_messages": ["{topics}"],
            "max_duration": 5,
        }
        run = run_tap(tmp_path, config, env={"LOGLEVEL": level})
    assert run.code == 1
    assert "HTTP 503" in run.stderr
    assert "query-secret" not in run.stderr
    assert "header-secret" not in run.stderr
    assert lists.requests[0][1] == "/list?key=query-secret"
