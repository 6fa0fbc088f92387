"""Token requests: over a real socket, to a small HTTP server."""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest

from tap_websocket.auth import types as auth
from tap_websocket.auth.authenticator import Authenticator
from tap_websocket.errors import ConnectionFailed, CredentialError
from tap_websocket.http.answer import TransientHttpError
from tap_websocket.http.client import HttpClient
from tests.support.token_server import Asked, Reply, TokenServer, ask, endpoint, oauth2

pytestmark = pytest.mark.usefixtures("no_proxy")


def test_client_credentials(token_server: TokenServer) -> None:
    token_server.replies(
        {"access_token": "t1", "token_type": "bearer", "expires_in": 3600}
    )
    authenticator, _ = oauth2(token_server, scope="read write", audience="api")
    credentials = ask(authenticator)
    assert credentials.headers == (("Authorization", "Bearer t1"),)
    assert credentials.values == {"access_token": "t1"}
    (asked,) = token_server.asked
    assert (asked.method, asked.path) == ("POST", "/token?t=1")
    assert asked.basic == "i+d:s%3A%C3%BC"
    assert asked.form == {
        "grant_type": "client_credentials",
        "scope": "read write",
        "audience": "api",
    }
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert credentials.secrets == ("t1",)


def test_a_token_is_kept_until_30_s_before_it_expires(
    token_server: TokenServer,
) -> None:
    token_server.replies(
        *({"access_token": f"t{n}", "expires_in": 100} for n in range(3))
    )
    authenticator, clock = oauth2(token_server)
    assert ask(authenticator).values == {"access_token": "t0"}
    clock.now = 70
    assert ask(authenticator).values == {"access_token": "t0"}
    clock.now = 70.1
    assert ask(authenticator).values == {"access_token": "t1"}


@pytest.mark.parametrize("lifetime", [None, "soon", True, [1]])
def test_without_a_lifetime_a_token_is_kept(
    token_server: TokenServer, lifetime: Any
) -> None:
    token_server.replies({"access_token": "t", "expires_in": lifetime})
    authenticator, clock = oauth2(token_server)
    ask(authenticator)
    clock.now = 1e9
    ask(authenticator)
    assert len(token_server.asked) == 1


def test_a_lifetime_may_be_text(token_server: TokenServer) -> None:
    token_server.replies({"access_token": "t", "expires_in": "100"})
    authenticator, clock = oauth2(token_server)
    ask(authenticator)
    clock.now = 80
    ask(authenticator)
    assert len(token_server.asked) == 2


def test_a_refused_token_is_fetched_anew_once(token_server: TokenServer) -> None:
    token_server.replies({"access_token": "t0"}, {"access_token": "t1"})
    authenticator, _ = oauth2(token_server)
    stale = ask(authenticator)
    assert authenticator.refresh(stale)
    assert ask(authenticator).values == {"access_token": "t1"}
    assert authenticator.refresh(stale)
    assert ask(authenticator).values == {"access_token": "t1"}
    assert len(token_server.asked) == 2


def test_a_rotated_refresh_token_is_kept(token_server: TokenServer) -> None:
    token_server.replies(
        {"access_token": "t0", "refresh_token": "r1"},
        {"access_token": "t1"},
        {"access_token": "t2", "refresh_token": "r2"},
    )
    authenticator, _ = oauth2(token_server, refresh_token="r0", scope="s")
    secrets: set[str] = set()
    for _ in range(3):
        credentials = ask(authenticator)
        secrets.update(credentials.secrets)
        authenticator.refresh(credentials)
    assert [asked.form["refresh_token"] for asked in token_server.asked] == [
        "r0",
        "r1",
        "r1",
    ]
    assert {asked.form["grant_type"] for asked in token_server.asked} == {
        "refresh_token"
    }
    assert {"r1", "r2", "t0", "t1", "t2"} == secrets


def test_a_refresh_token_that_nobody_asked_for_is_left_alone(
    token_server: TokenServer,
) -> None:
    token_server.replies({"access_token": "t0", "refresh_token": "r1"})
    authenticator, _ = oauth2(token_server)
    authenticator.refresh(ask(authenticator))
    ask(authenticator)
    assert token_server.asked[1].form["grant_type"] == "client_credentials"


def test_a_server_may_want_the_client_in_the_body(token_server: TokenServer) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.form.get("client_secret") != "s:ü" or asked.basic:
            return 400, {}, b'{"error": "invalid_request"}'
        return 200, {}, b'{"access_token": "t"}'

    token_server.answer = answer
    authenticator, _ = oauth2(token_server)
    authenticator.refresh(ask(authenticator))
    ask(authenticator)
    assert [asked.basic is None for asked in token_server.asked] == [False, True, True]


def test_a_server_may_want_the_client_as_it_is(token_server: TokenServer) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.basic != "i d:s:ü":
            return 401, {}, b'{"error": "invalid_client"}'
        return 200, {}, b'{"access_token": "t"}'

    token_server.answer = answer
    authenticator, _ = oauth2(token_server)
    authenticator.refresh(ask(authenticator))
    ask(authenticator)
    assert len(token_server.asked) == 4


def test_a_client_that_is_refused_is_not_sent_twice_alike(
    token_server: TokenServer,
) -> None:
    token_server.replies((401, {}, b""))
    setting = auth.OAuth2(token_server.url, "plain", "secret")
    with pytest.raises(CredentialError, match="got HTTP 401: check auth"):
        ask(Authenticator(setting, HttpClient(5)))
    assert [asked.basic for asked in token_server.asked] == ["plain:secret", None]


@pytest.mark.parametrize(
    ("code", "words", "requests"),
    [
        ("invalid_client", "does not know the client", 3),
        ("invalid_grant", "refresh token is no longer valid", 1),
        ("invalid_scope", "check scope", 1),
        ("secret words", "check auth", 3),
    ],
)
def test_a_refusal_is_final(
    token_server: TokenServer,
    code: str,
    words: str,
    requests: int,
) -> None:
    token_server.replies((400, {}, json.dumps({"error": code}).encode()))
    authenticator, _ = oauth2(token_server)
    with pytest.raises(CredentialError, match=words) as caught:
        ask(authenticator)
    assert "secret words" not in str(caught.value)
    assert f"{token_server.url} got HTTP 400" in str(caught.value)
    assert len(token_server.asked) == requests


@pytest.mark.parametrize(
    "reply",
    [{}, [], {"access_token": ""}, {"access_token": 5}, {"access_token": "a\r\nb"}],
)
def test_a_reply_without_a_token_is_final(
    token_server: TokenServer, reply: Any
) -> None:
    token_server.replies(reply)
    with pytest.raises(CredentialError, match="has no access_token"):
        ask(oauth2(token_server)[0])


def test_one_request_however_many_wait(token_server: TokenServer) -> None:
    token_server.replies({"access_token": "t"})
    authenticator, _ = oauth2(token_server)
    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(lambda _: ask(authenticator), range(20)))
    assert {result.values["access_token"] for result in results} == {"t"}
    assert len(token_server.asked) == 1


def test_endpoint_requests_are_made_one_at_a_time(token_server: TokenServer) -> None:
    def answer(_: Asked) -> Reply:
        time.sleep(0.005)
        return 200, {}, b'{"data": {"token": "t"}}'

    token_server.answer = answer
    authenticator = endpoint(token_server)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: ask(authenticator), range(10)))
    assert len(token_server.asked) == 10
    assert token_server.most_busy == 1


def test_an_endpoint_offers_values_of_its_reply(token_server: TokenServer) -> None:
    token_server.replies(
        {"data": {"token": "t", "servers": [{"endpoint": "wss://e/", "ping": 18000}]}},
    )
    authenticator = endpoint(
        token_server,
        path="/{tenant}/bullet?u={$now_s}",
        values=(
            ("token", "$.data.token"),
            ("endpoint", "$.data.servers[0].endpoint"),
            ("ping", "$.data.servers[*].ping"),
        ),
        given=(("X-Key", "{key}"),),
        body={"n": "{n}", "k": "{key}!"},
    )
    credentials = ask(authenticator, tenant="a/b", key="k1", n=7)
    assert credentials.values == {"token": "t", "endpoint": "wss://e/", "ping": 18000}
    assert credentials.headers == ()
    (asked,) = token_server.asked
    assert (asked.method, asked.path) == ("POST", "/a%2Fb/bullet?u=1")
    assert asked.headers["X-Key"] == "k1"
    assert asked.headers["Content-Type"] == "application/json"
    assert asked.headers["User-Agent"].startswith("tap-websocket/")
    assert asked.body == b'{"n":7,"k":"k1!"}'
    assert set(credentials.secrets) == {"t", "wss://e/", "18000"}


def test_an_endpoint_is_called_for_each_attempt(token_server: TokenServer) -> None:
    token_server.replies({"data": {"token": "t0"}}, {"data": {"token": "t1"}})
    authenticator = endpoint(token_server)
    stale = ask(authenticator)
    assert ask(authenticator).values == {"token": "t1"}
    assert authenticator.refresh(stale)


def test_a_body_that_is_a_string_is_sent_as_it_is(token_server: TokenServer) -> None:
    token_server.replies({"data": {"token": "t"}})
    headers = (("content-type", "text/x"),)
    ask(endpoint(token_server, body="a={a}", given=headers), a="1 2")
    assert token_server.asked[0].body == b"a=1 2"
    assert token_server.asked[0].headers.get_all("Content-Type") == ["text/x"]
    ask(endpoint(token_server, body=[1], given=headers))
    assert token_server.asked[1].headers.get_all("Content-Type") == ["text/x"]
    ask(endpoint(token_server, method="GET"))
    assert (token_server.asked[2].method, token_server.asked[2].body) == ("GET", b"")


def test_userinfo_of_an_endpoint_is_sent_as_basic(token_server: TokenServer) -> None:
    token_server.replies({"data": {"token": "t"}})
    url = token_server.url.replace("://", "://us%3Aer:pass@")
    setting = auth.TokenEndpoint(f"{url}/x", (("token", "$.data.token"),))
    ask(Authenticator(setting, HttpClient(5)))
    assert token_server.asked[0].basic == "us:er:pass"


@pytest.mark.parametrize("reply", [{"ok": False}, {"data": {"token": None}}, [1]])
def test_a_path_without_a_match_is_final(token_server: TokenServer, reply: Any) -> None:
    token_server.replies(reply)
    with pytest.raises(CredentialError, match=r"auth\.values\.token: .* nothing at"):
        ask(endpoint(token_server))


def test_a_url_of_another_scheme_is_refused(token_server: TokenServer) -> None:
    setting = auth.TokenEndpoint("{u}", (("token", "$.t"),))
    with pytest.raises(ConnectionFailed, match=r"auth\.url: .*https://HOST; check"):
        ask(
            Authenticator(setting, HttpClient(5)),
            u=token_server.url.replace("http", "ws"),
        )


def test_netrc_takes_nothing_away(
    token_server: TokenServer,
    tmp_path: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    token_server.replies({"access_token": "t"})
    ask(oauth2(token_server)[0])
    assert token_server.asked[0].basic == "i+d:s%3A%C3%BC"


def test_a_proxy_is_used(
    token_server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_server.replies({"t": "x"})
    setting = auth.TokenEndpoint("http://feed.test/a", (("token", "$.t"),))
    proxy = token_server.url.replace("://", "://us%40er:pass@")
    assert ask(Authenticator(setting, HttpClient(5, proxy))).values == {"token": "x"}
    monkeypatch.setenv("http_proxy", proxy)
    assert ask(Authenticator(setting, HttpClient(5))).values == {"token": "x"}
    for asked in token_server.asked:
        assert urlsplit(asked.path).hostname == "feed.test"
        credentials = asked.headers["Proxy-Authorization"].partition(" ")[2]
        assert base64.b64decode(credentials) == b"us@er:pass"


def test_none_ignores_the_proxy_of_the_environment(
    token_server: TokenServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    token_server.replies({"data": {"token": "t"}})
    setting = auth.TokenEndpoint(token_server.url, (("token", "$.data.token"),))
    with pytest.raises(TransientHttpError, match="the proxy refused"):
        ask(Authenticator(setting, HttpClient(5)))
    assert ask(Authenticator(setting, HttpClient(5, "none"))).values


@pytest.mark.parametrize(
    "proxy", ["http://u:secret@127.0.0.1:1", "socks5h://127.0.0.1:1"]
)
def test_a_proxy_that_is_not_there_is_worth_another_try(proxy: str) -> None:
    setting = auth.TokenEndpoint("https://feed.test/", (("token", "$.t"),))
    with pytest.raises(TransientHttpError) as caught:
        ask(Authenticator(setting, HttpClient(5, proxy)))
    assert "secret" not in str(caught.value)


def test_a_proxy_that_wants_credentials_is_named(token_server: TokenServer) -> None:
    token_server.replies((407, {}, b""))
    setting = auth.TokenEndpoint("http://feed.test/", (("token", "$.t"),))
    with pytest.raises(CredentialError, match="the proxy wants credentials"):
        ask(Authenticator(setting, HttpClient(5, token_server.url)))


def test_header_values_outside_ascii_are_utf_8_on_the_wire(
    token_server: TokenServer,
) -> None:
    """As those of the handshake."""
    token_server.replies({})
    HttpClient(20).send("GET", token_server.url, (("X-User", "Zoë Łukasz"),))
    (asked,) = token_server.asked
    assert asked.headers["X-User"].encode("latin-1").decode() == "Zoë Łukasz"
