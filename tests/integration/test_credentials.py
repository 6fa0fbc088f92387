"""Credentials on real handshakes: each type of `auth`, and placeholders everywhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest

from tap_websocket.errors import ConfigError, ConnectionFailed, CredentialError
from tests.support.http import serve_http
from tests.support.oauth2 import CLIENT_ID, CLIENT_SECRET, OAuth2Server, serve_oauth2
from tests.support.raw import RawPeer, close_frame, frame, serve_raw
from tests.support.receive import make_settings, receive
from tests.support.scripts import sends
from tests.support.servers import Peer, serve

pytestmark = pytest.mark.usefixtures("each_transport")


one = sends('{"n":1}')


def oauth2(server: OAuth2Server, **more: Any) -> dict[str, Any]:
    return {
        "type": "oauth2",
        "token_url": server.url,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        **more,
    }


def test_basic_credentials() -> None:
    with serve(one) as server:
        run = receive(
            url=server.url,
            auth={"type": "basic", "username": "üser", "password": "pä:ss"},
        )
    assert run.error is None
    expected = base64.b64encode("üser:pä:ss".encode()).decode()
    assert server.peers[0].headers["authorization"] == f"Basic {expected}"


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_oauth2_client_credentials(method: str) -> None:
    with serve_oauth2((method,)) as tokens, serve(one) as server:
        run = receive(
            url=server.url + "?t={access_token}",
            auth=oauth2(tokens, scope="feed"),
            subscribe_messages=[{"message": {"token": "{access_token}"}}],
        )
        assert run.error is None, run.error
        assert tokens.issued == ["access-1"]
    peer = server.peers[0]
    assert peer.headers["authorization"] == "Bearer access-1"
    assert peer.path.endswith("?t=access-1")


def test_a_refused_token_is_refreshed_once() -> None:
    async def script(peer: RawPeer) -> None:
        await peer.read_request()
        if peer.headers["authorization"] == "Bearer access-1":
            await peer.send(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
            return
        await peer.send(peer.answer(), frame(b'{"n":1}'), close_frame(1000))
        await peer.wait()

    with serve_oauth2() as tokens, serve_raw(script) as server:
        run = receive(url=server.url, auth=oauth2(tokens))
        assert run.error is None
        assert tokens.issued == ["access-1", "access-2"]
    assert [record["n"] for record in run.records] == [1]
    assert len(server.peers) == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_second_refusal_ends_the_run(status: int) -> None:
    async def script(peer: RawPeer) -> None:
        await peer.status(status)

    with serve_oauth2() as tokens, serve_raw(script) as server:
        run = receive(url=server.url, auth=oauth2(tokens), reconnect=True)
        assert len(tokens.issued) == 2
    assert isinstance(run.error, ConnectionFailed)
    assert f"HTTP {status}; the credentials are refused: check auth" in str(run.error)
    assert len(server.peers) == 2


def test_a_token_without_anything_to_refresh_is_refused_once() -> None:
    async def script(peer: RawPeer) -> None:
        await peer.status(401)

    with serve_raw(script) as server:
        run = receive(
            url=server.url, auth={"type": "bearer", "token": "x"}, reconnect=True
        )
    assert "HTTP 401" in str(run.error)
    assert len(server.peers) == 1


def test_a_rotated_refresh_token_is_kept_for_the_rest_of_the_run() -> None:
    async def script(peer: Peer) -> None:
        await peer.send(f'{{"n":{peer.number}}}')
        await peer.close(1012)
        await peer.wait()

    with serve_oauth2() as tokens, serve(script) as server:
        tokens.expires_in = 1
        run = receive(
            url=server.url,
            auth=oauth2(tokens, refresh_token="refresh-0"),
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=3,
        )
        assert run.error is None
        assert tokens.issued == ["access-1", "access-2", "access-3"]
        assert tokens.refresh_tokens[-1] == "refresh-3"


def test_many_connections_wait_for_one_token_request() -> None:
    with serve_oauth2() as tokens, serve(one) as server:
        run = receive(
            url=server.url,
            auth=oauth2(tokens),
            contexts=[{"name": str(number)} for number in range(40)],
        )
        assert run.error is None
        assert tokens.issued == ["access-1"]
    assert len(run.records) == 40


def test_bad_client_credentials_end_the_run() -> None:
    with serve_oauth2() as tokens, serve(one) as server:
        auth = {**oauth2(tokens), "client_secret": "wrong"}
        run = receive(url=server.url, auth=auth, reconnect=True)
    assert isinstance(run.error, CredentialError)
    assert "check client_id and client_secret" in str(run.error)
    assert server.peers == []


def test_a_token_endpoint_gives_address_and_token() -> None:
    async def script(peer: Peer) -> None:
        await peer.recv()
        await peer.send(f'{{"n":{peer.number}}}')
        await peer.close(1012)
        await peer.wait()

    with serve(script) as server, serve_http() as http:
        http.reply = {
            "data": {
                "token": "a b&c",
                "instanceServers": [{"endpoint": server.url, "pingInterval": 18000}],
            },
        }
        run = receive(
            url="{endpoint}?token={token}&connectId={$uuid}",
            auth={
                "type": "token_endpoint",
                "url": http.url + "/bullet/{kind}",
                "headers": {"X-Kind": "{kind}"},
                "body": {"kind": "{kind}", "n": 1},
                "values": {
                    "token": "$.data.token",
                    "endpoint": "$.data.instanceServers[0].endpoint",
                    "interval": "$.data.instanceServers[0].pingInterval",
                },
            },
            placeholders={"kind": "public"},
            subscribe_messages=[{"message": {"every": "{interval}"}}],
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=2,
            envelope=True,
        )
    assert run.error is None
    assert len(http.requests) == 2
    method, path, headers, body = http.requests[0]
    assert (method, path) == ("POST", "/bullet/public")
    assert headers["x-kind"] == "public"
    assert json.loads(body) == {"kind": "public", "n": 1}
    assert "?token=a%20b%26c&connectId=" in server.peers[0].path
    assert server.peers[0].path != server.peers[1].path
    assert server.peers[0].received == ['{"every":18000}']
    # Values of placeholders may be secrets, and are not shown.
    assert run.records[0]["url"] == "{endpoint}"


def test_a_value_that_the_reply_lacks_ends_the_run() -> None:
    with serve_http() as http:
        http.reply = {"ok": False, "error": "s3cr3t"}
        run = receive(
            url="{url}",
            auth={
                "type": "token_endpoint",
                "url": http.url,
                "values": {"url": "$.url"},
            },
            reconnect=True,
        )
    assert isinstance(run.error, CredentialError)
    assert "auth.values.url" in str(run.error)
    assert "s3cr3t" not in str(run.error)


def test_an_endpoint_that_is_down_is_tried_again() -> None:
    with serve_http() as http:
        http.status = 503
        run = receive(
            url="{url}",
            auth={
                "type": "token_endpoint",
                "url": http.url,
                "values": {"url": "$.url"},
            },
            reconnect=True,
            reconnect_backoff=0.01,
            max_reconnect_attempts=2,
        )
    assert "gave up on the feed after 2 retries" in str(run.error)
    assert len(http.requests) == 3


def test_a_finished_url_must_be_a_websocket_url() -> None:
    with serve_http() as http:
        http.reply = {"url": "mqtt://not.a.feed/secret"}
        run = receive(
            url="{url}",
            auth={
                "type": "token_endpoint",
                "url": http.url,
                "values": {"url": "$.url"},
            },
        )
    assert isinstance(run.error, ConnectionFailed)
    assert "url: with its placeholders filled in" in str(run.error)
    assert "secret" not in str(run.error)


def test_a_run_ends_though_a_token_request_hangs() -> None:
    async def script(peer: RawPeer) -> None:
        await peer.silence()

    begin = time.monotonic()
    with serve_raw(script) as server:
        run = receive(
            url="{url}",
            auth={
                "type": "token_endpoint",
                "url": f"http://localhost:{server.port}/",
                "values": {"url": "$.url"},
            },
            connect_timeout=30,
            max_duration=0.3,
        )
    assert "never connected" in str(run.error)
    assert time.monotonic() - begin < 10


def test_a_signed_login() -> None:
    async def script(peer: Peer) -> None:
        (login,) = json.loads(await peer.recv())["args"]
        message = f"{login['timestamp']}GET/users/self/verify"
        mac = hmac.new(b"s3cr3t", message.encode(), hashlib.sha256).digest()
        good = login["sign"] == base64.b64encode(mac).decode()
        await peer.send(json.dumps({"event": "login" if good else "error"}))
        await peer.recv()
        await peer.send('{"n":1}')
        await peer.close()
        await peer.wait()

    with serve(script) as server:
        run = receive(
            url=server.url,
            auth={
                "type": "signed",
                "secret": "s3cr3t",
                "template": "{timestamp}GET/users/self/verify",
            },
            subscribe_messages=[
                {
                    "message": {
                        "op": "login",
                        "args": [{"timestamp": "{timestamp}", "sign": "{signature}"}],
                    },
                    "reply": {"event": "login"},
                },
                "subscribe",
            ],
            message_rules=[{"match": {"event": "error"}, "then": "fail"}],
        )
    assert run.error is None
    assert [record["n"] for record in run.records] == [1]


def test_contexts_fill_placeholders_and_win_over_fixed_ones() -> None:
    with serve(one) as server:
        run = receive(
            url=server.url + "/{symbol}?v={version}",
            headers={"X-Symbol": "{symbol}"},
            placeholders={"symbol": "none", "version": 2},
            contexts=[{"symbol": "BTC/USD"}, {"symbol": "ETH"}],
        )
    assert run.error is None
    assert sorted(peer.path for peer in server.peers) == [
        "/feed/BTC%2FUSD?v=2",
        "/feed/ETH?v=2",
    ]
    symbols = {peer.headers["x-symbol"] for peer in server.peers}
    assert symbols == {"BTC/USD", "ETH"}
    assert {record["symbol"] for record in run.records} == symbols


def test_a_name_in_contexts_and_auth_is_an_error() -> None:
    with pytest.raises(ConfigError, match="contexts: token is a value of auth too"):
        make_settings(
            auth={"type": "bearer", "token": "x"}, contexts=[{"token": "mine"}]
        )
