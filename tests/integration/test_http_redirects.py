"""Redirects of requests over HTTP, on real connections."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tap_websocket.errors import ConnectionFailed, CredentialError
from tests.support.http import Http, serve_http
from tests.support.receive import Received, receive
from tests.support.scripts import says_nothing
from tests.support.servers import Peer, serve
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("each_transport")

SECRET = {"Authorization": "Bearer s3cret", "X-Key": "also-s3cret"}


@pytest.fixture
def other() -> Iterator[Http]:
    with serve_http() as server:
        yield server


def ask(request: dict[str, Any], *, timeout: float = 10, **given: Any) -> Received:
    """Subscribe with a request, and take its reply as a record."""

    async def script(peer: Peer) -> None:
        await peer.recv()
        await peer.close()
        await peer.wait()

    step = {"request": request, "records": True, "reply_timeout": timeout}
    with serve(script) as server:
        return receive(url=server.url, subscribe_messages=[step, "go"], **given)


def asked(http: Http) -> list[tuple[str, str, str]]:
    """Return method, path and body of each request."""
    return [(method, path, body) for method, path, _, body in http.requests]


def secrets(http: Http) -> list[set[str]]:
    """Return which credentials each request brought."""
    names = {name.lower() for name in SECRET}
    return [names & headers.keys() for _, _, headers, _ in http.requests]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_redirect_is_followed(http: Http, status: int, method: str) -> None:
    http.reply = {"n": 1}
    http.redirects = {"/a": (status, {"Location": "b?c=%20d#e"})}
    run = ask({"url": f"{http.url}/a", "method": method, "headers": SECRET})
    assert asked(http) == [(method, "/a", ""), (method, "/b?c=%20d", "")]
    assert secrets(http) == [{"authorization", "x-key"}] * 2
    if method == "GET":
        assert run.error is None
        assert [record["n"] for record in run.records] == [1]


@pytest.mark.parametrize("status", [307, 308])
def test_method_and_body_are_kept(http: Http, status: int) -> None:
    http.redirects = {"/a": (status, {"Location": "/b"})}
    run = ask({"url": f"{http.url}/a", "method": "PUT", "body": {"x": 1}})
    assert run.error is None
    assert [(method, path) for method, path, _ in asked(http)] == [
        ("PUT", "/a"),
        ("PUT", "/b"),
    ]
    first, second = http.requests
    assert first[3] == second[3] == '{"x":1}'
    assert second[2]["content-type"] == "application/json"


def test_see_other_is_asked_without_a_body(http: Http) -> None:
    http.redirects = {"/a": (303, {"Location": "/b"})}
    assert ask({"url": f"{http.url}/a", "body": {"x": 1}}).error is None
    assert asked(http) == [("POST", "/a", '{"x":1}'), ("GET", "/b", "")]
    assert "content-type" not in http.requests[1][2]


@pytest.mark.parametrize("status", [301, 302])
def test_a_post_does_not_become_a_get_unseen(http: Http, status: int) -> None:
    http.redirects = {"/a": (status, {"Location": "/b"})}
    run = ask({"url": f"{http.url}/a", "body": "x"})
    assert isinstance(run.error, CredentialError)
    assert f"HTTP {status}: the redirect is not followed; put its address into" in str(
        run.error
    )
    assert asked(http) == [("POST", "/a", "x")]


@pytest.mark.parametrize("trusts", [False, True])
def test_headers_stay_behind_at_another_origin(
    http: Http, other: Http, caplog: pytest.LogCaptureFixture, *, trusts: bool
) -> None:
    other.reply = {"n": 1}
    http.redirects = {"/a": (302, {"Location": f"{other.url}/b"})}
    given: dict[str, Any] = {}
    if trusts:
        given["trusted_origins"] = [other.url.replace("http", "ws", 1)]
    with caplog.at_level("INFO"):
        run = ask({"url": f"{http.url}/a", "method": "GET", "headers": SECRET}, **given)
    assert run.error is None
    assert [record["n"] for record in run.records] == [1]
    assert secrets(other) == [{"authorization", "x-key"} if trusts else set()]
    assert ("without the headers" in caplog.text) == (not trusts)
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("trusts", [False, True])
def test_a_body_stays_behind_at_another_origin(
    http: Http, other: Http, *, trusts: bool
) -> None:
    http.redirects = {"/a": (307, {"Location": f"{other.url}/b"})}
    given: dict[str, Any] = {}
    if trusts:
        given["trusted_origins"] = [other.url.replace("http", "ws", 1)]
    run = ask({"url": f"{http.url}/a", "body": {"key": "s3cret"}}, **given)
    if trusts:
        assert run.error is None
        assert asked(other) == [("POST", "/b", '{"key":"s3cret"}')]
        return
    assert isinstance(run.error, CredentialError)
    assert str(run.error) == (
        f"the subscription request to {http.url} is redirected to {other.url}, another "
        "origin, where its body is not sent; to trust it, put it into trusted_origins"
    )
    assert other.requests == []


def test_what_stayed_behind_is_not_sent_later(http: Http, other: Http) -> None:
    """The second address redirects within its own origin."""
    http.redirects = {"/a": (302, {"Location": f"{other.url}/b"})}
    other.redirects = {"/b": (302, {"Location": "/c"})}
    ask({"url": f"{http.url}/a", "method": "GET", "headers": SECRET})
    assert [path for _, path, _ in asked(other)] == ["/b", "/c"]
    assert secrets(other) == [set(), set()]


def test_cookies_go_to_the_host_that_set_them(http: Http, other: Http) -> None:
    sets = {"Set-Cookie": "session=c00kie; Path=/"}
    elsewhere = other.url.replace("localhost", "127.0.0.1")
    http.redirects = {
        "/a": (303, {"Location": "/b", **sets}),
        "/b": (303, {"Location": f"{elsewhere}/c"}),
    }
    assert ask({"url": f"{http.url}/a", "body": "x"}).error is None
    cookies = [headers.get("cookie") for _, _, headers, _ in http.requests]
    assert cookies == [None, "session=c00kie"]
    assert "cookie" not in other.requests[0][2]
    # Each request begins without.
    assert ask({"url": f"{http.url}/b", "method": "GET"}).error is None
    assert "cookie" not in http.requests[-1][2]


def test_a_circle_ends(http: Http) -> None:
    http.redirects = {"/a": (307, {"Location": "/a"})}
    run = ask({"url": f"{http.url}/a"})
    assert isinstance(run.error, CredentialError)
    problem = "more than 5 redirects; check subscribe_messages[0].request"
    assert problem in str(run.error)
    assert len(http.requests) == 6


@pytest.mark.parametrize("location", ["ftp://localhost/", "http://[", "wss://h/"])
def test_what_is_no_address_is_not_followed(http: Http, location: str) -> None:
    http.redirects = {"/a": (302, {"Location": location})}
    run = ask({"url": f"{http.url}/a", "method": "GET"})
    assert isinstance(run.error, CredentialError)
    assert "redirected to what is not an HTTP address" in str(run.error)


def test_user_info_of_an_address_is_not_sent(http: Http) -> None:
    there = http.url.replace("//", "//user:password@")
    http.redirects = {"/a": (302, {"Location": f"{there}/b"})}
    assert ask({"url": f"{http.url}/a", "method": "GET"}).error is None
    assert "authorization" not in http.requests[1][2]


def test_never_from_https_to_http(http: Http, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with serve_http(tls=context) as secure:
        secure.redirects = {"/a": (302, {"Location": f"{http.url}/b"})}
        run = ask(
            {"url": f"{secure.url}/a", "method": "GET"},
            tls={"ca_file": str(tmp_path / "ca.pem")},
            trusted_origins=[http.url.replace("http", "ws", 1)],
        )
    assert isinstance(run.error, CredentialError)
    problem = "redirected from https:// to http://, which is not followed"
    assert problem in str(run.error)
    assert http.requests == []


def test_all_of_it_has_the_time_of_one_request(http: Http) -> None:
    http.delay = 1.0
    http.redirects = {"/a": (307, {"Location": "/a"})}
    run = ask({"url": f"{http.url}/a"}, timeout=2.5)
    assert isinstance(run.error, ConnectionFailed)
    assert "no answer within 2.5 s (reply_timeout)" in str(run.error)
    assert len(http.requests) < 5


def test_refused_credentials_at_the_end_are_refused(http: Http) -> None:
    http.redirects = {"/a": (307, {"Location": "/b"})}
    http.status = 403
    run = ask({"url": f"{http.url}/a"})
    assert isinstance(run.error, CredentialError)
    assert "HTTP 403" in str(run.error)


def test_nothing_of_a_redirect_shows_at_debug_level(
    http: Http, tmp_path: Path, each_transport: str
) -> None:
    http.redirects = {"/a": (303, {"Location": "/u-secret?key=q-secret"})}
    http.status = 404

    with serve(says_nothing) as server:
        config = {
            "url": server.url,
            "transport": each_transport,
            "subscribe_messages": [{"request": {"url": f"{http.url}/a"}}],
            "max_duration": 10,
        }
        run = run_tap(tmp_path, config, env={"LOGLEVEL": "DEBUG"})
    assert run.code == 1
    assert [path for _, path, _ in asked(http)] == ["/a", "/u-secret?key=q-secret"]
    assert "-secret" not in run.stderr, run.stderr
