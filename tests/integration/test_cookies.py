"""Cookies of a login and of redirects, sent as a browser would."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tests.support.receive import receive
from tests.support.scripts import sends
from tests.support.servers import Peer, serve
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.servers import Server

pytestmark = pytest.mark.usefixtures("each_transport")


one = sends('{"n":1}')


@contextlib.contextmanager
def _serve(*cookies: str, refuse: Any = None) -> Iterator[tuple[Server, list[Any]]]:
    """Serve a login that sets cookies, and a feed on the same host."""
    asked: list[Any] = []

    async def login(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Cookie"))
        response = web.json_response({"user": "me"})
        for cookie in cookies:
            response.headers.add("Set-Cookie", cookie)
        return response

    with serve(one, http=login, refuse=refuse) as server:
        yield server, asked


def _login(server: Server) -> dict[str, Any]:
    url = server.url.replace("ws://", "http://")
    return {"type": "token_endpoint", "url": url, "values": {"user": "$.user"}}


def test_a_login_s_cookie_is_sent_to_the_feed() -> None:
    with _serve("JSESSIONID=node0abc; Path=/; HttpOnly", "x=1") as (server, _):
        run = receive(url=server.url, auth=_login(server))
    assert run.error is None
    sent = server.peers[0].headers["cookie"]
    assert set(sent.split("; ")) == {"JSESSIONID=node0abc", "x=1"}


@pytest.mark.parametrize(
    "cookie",
    [
        "a=1; Domain=example.com",
        "a=1; Path=/elsewhere",
        "a=1; Secure",
        "a=1; Max-Age=0",
    ],
)
def test_a_cookie_for_something_else_stays_behind(cookie: str) -> None:
    with _serve(cookie) as (server, _):
        run = receive(url=server.url, auth=_login(server))
    assert run.error is None
    assert "cookie" not in server.peers[0].headers


def test_a_cookie_goes_beside_one_that_is_configured() -> None:
    with _serve("a=1") as (server, _):
        run = receive(url=server.url, auth=_login(server), headers={"cookie": "own=2"})
    assert run.error is None
    assert server.peers[0].headers["cookie"] == "own=2; a=1"


def test_a_redirect_s_cookie_is_sent_where_it_leads() -> None:
    def refuse(request: web.Request) -> web.StreamResponse | None:
        if request.path == "/begin":
            headers = [
                ("Location", "/feed"),
                ("Set-Cookie", "lb=node1; Path=/"),
                ("Set-Cookie", "other=2; Path=/"),
            ]
            response = web.Response(status=302)
            for name, value in headers:
                response.headers.add(name, value)
            return response
        return None

    with serve(one, refuse=refuse) as server:
        address = server.url.rpartition("/")[0]
        run = receive(url=f"{address}/begin")
    assert run.error is None
    sent = server.peers[0].headers["cookie"]
    assert set(sent.split("; ")) == {"lb=node1", "other=2"}


def test_each_attempt_begins_without_cookies() -> None:
    async def script(peer: Peer) -> None:
        await peer.send('{"n":1}')
        await peer.close(4000)
        await peer.wait()

    asked: list[Any] = []

    async def login(request: web.Request) -> web.Response:
        asked.append(request.headers.get("Cookie"))
        response = web.json_response({"user": "me"})
        if len(asked) == 1:
            response.headers.add("Set-Cookie", "a=1")
        return response

    with serve(script, http=login) as server:
        run = receive(
            url=server.url,
            auth=_login(server),
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=2,
        )
    assert run.error is None
    assert asked[:2] == [None, None]
    assert server.peers[0].headers["cookie"] == "a=1"
    assert "cookie" not in server.peers[1].headers


def test_a_cookie_never_shows(tmp_path: Path) -> None:
    with _serve("sid=cookie-secret") as (server, _):
        config = {
            "url": server.url,
            "auth": _login(server),
            "message_rules": [{"then": "fail"}],
            "max_duration": 10,
        }
        run = run_tap(tmp_path, config, env={"LOGLEVEL": "DEBUG"})
    assert server.peers[0].headers["cookie"] == "sid=cookie-secret"
    assert "cookie-secret" not in run.stderr
