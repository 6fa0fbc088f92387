"""What a config can say in the places where values are filled in, and what shows."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
import trustme

from tap_websocket.errors import ConnectionFailed, CredentialError
from tests.support.certificates import server_side
from tests.support.http import serve_http
from tests.support.raw import RawPeer, close_frame, frame, serve_raw
from tests.support.receive import make_settings, receive
from tests.support.servers import Peer, serve
from tests.support.tap import run_tap

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("each_transport")

TOKEN = "hunter2.token"


async def greets(peer: RawPeer) -> None:
    """Agree to the first subprotocol, if one is offered; send one record."""
    await peer.read_request()
    offered = peer.headers.get("sec-websocket-protocol")
    extra = ""
    if offered:
        name = offered.partition(",")[0].strip()
        extra = f"Sec-WebSocket-Protocol: {name}\r\n"
    await peer.send(peer.answer(extra=extra), frame(b'{"n":1}'), close_frame(1000))
    await peer.wait()


def test_a_token_in_a_subprotocol() -> None:
    with serve_raw(greets) as server, serve_http() as http:
        http.reply = {"token": TOKEN}
        run = receive(
            url=server.url,
            subprotocols=["token-{token}", "{v|lower}", "chat.v1"],
            placeholders={"v": "V2"},
            auth={
                "type": "token_endpoint",
                "url": http.url,
                "values": {"token": "$.token"},
            },
        )
        (peer,) = server.peers
    assert run.error is None
    offered = peer.headers["sec-websocket-protocol"].split(", ")
    assert offered == [f"token-{TOKEN}", "v2", "chat.v1"]


def test_a_name_that_is_offered_twice_once_filled_in_is_offered_once() -> None:
    with serve_raw(greets) as server:
        run = receive(
            url=server.url,
            subprotocols=["{a}", "{b}"],
            placeholders={"a": "x", "b": "x"},
        )
        (peer,) = server.peers
    assert run.error is None
    assert peer.headers["sec-websocket-protocol"] == "x"


@pytest.mark.parametrize("value", ["", "a b", "a,b", "a=", "ä", "a\r\nX: y"])
def test_a_value_that_makes_no_subprotocol_is_an_error_that_does_not_show_it(
    value: str,
) -> None:
    with serve_raw(greets) as server:
        run = receive(
            url=server.url,
            subprotocols=["x{token}" if value else "{token}"],
            placeholders={"token": value},
        )
    assert isinstance(run.error, ConnectionFailed)
    assert str(run.error).startswith("subprotocols: with its placeholders filled in")
    assert "{token}" in str(run.error)
    assert not server.peers


@pytest.mark.parametrize("answer", ["", "other-hunter2", "v1, " + TOKEN])
def test_no_subprotocol_shows(answer: str, tmp_path: Path) -> None:
    async def script(peer: RawPeer) -> None:
        extra = f"Sec-WebSocket-Protocol: {answer}\r\n" if answer else ""
        await peer.upgrade(extra=extra)
        await peer.wait()

    with serve_raw(script) as server:
        config = {
            "url": server.url,
            "max_messages": 1,
            "subprotocols": ["v1", TOKEN],
        }
        run = run_tap(tmp_path, config)
    (error,) = run.errors
    assert "(2 in subprotocols)" in error
    assert "hunter2" not in run.stderr


def test_a_wrong_subprotocol_is_named_by_its_place(tmp_path: Path) -> None:
    names = [f"{TOKEN} x", "{nobody}"]
    config = {"url": "ws://localhost:1/", "max_messages": 1, "subprotocols": names}
    run = run_tap(tmp_path, config)
    assert run.code == 1
    assert "hunter2" not in run.stderr
    first, second = run.errors
    assert "subprotocols[0]: is not a valid name" in first
    assert "subprotocols[1]: {nobody} is declared nowhere" in second


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("ws://user:pw@HOST/v3/{key}?token={key}", "ws://HOST/v3/{key}"),
        ("ws://{key}@HOST/v3/{key|lower}/x", "ws://HOST/v3/{key|lower}/x"),
        ("ws://{host}/{key}", "ws://{host}/{key}"),
        ("{base}/{key}?a=b", "{base}/{key}"),
        ("ws://HOST", "ws://HOST"),
    ],
)
def test_the_envelopes_url_holds_no_value(url: str, shown: str) -> None:
    with serve_raw(greets) as server:
        host = f"localhost:{server.port}"
        run = receive(
            url=url.replace("HOST", host),
            placeholders={"key": TOKEN, "host": host, "base": f"ws://{host}"},
            envelope=True,
        )
    assert run.error is None
    assert [record["url"] for record in run.records] == [shown.replace("HOST", host)]


@pytest.mark.parametrize("url", ["{url}&access_token={token}", "ws://HOST{path}"])
def test_an_address_that_was_negotiated(url: str) -> None:
    with serve_raw(greets) as server, serve_http() as http:
        host = f"localhost:{server.port}"
        path = "/client/?hub=chat"
        http.reply = {"url": f"http://{host}{path}", "path": path, "token": "a b"}
        run = receive(
            url=url.replace("HOST", host),
            auth={
                "type": "token_endpoint",
                "url": http.url,
                "values": {"url": "$.url", "path": "$.path", "token": "$.token"},
            },
        )
        (peer,) = server.peers
    assert run.error is None
    token = "&access_token=a%20b" if "token" in url else ""
    assert peer.request.startswith(f"GET {path}{token} HTTP/1.1\r\n")


def test_a_token_reply_without_its_values_is_retried_once_there_were_some() -> None:
    async def script(peer: RawPeer) -> None:
        await peer.upgrade(frame(b'{"n":1}'))
        if peer.number == 1:
            http.reply = {"error": "maintenance"}
        peer.reset()

    with serve_raw(script) as server, serve_http() as http:
        http.reply = {"token": "a"}

        run = receive(
            url=f"{server.url}?token={{token}}",
            auth={
                "type": "token_endpoint",
                "url": http.url,
                "values": {"token": "$.token"},
            },
            reconnect=True,
            reconnect_backoff=0.05,
            max_reconnect_attempts=3,
        )
        calls = len(http.requests)
    assert isinstance(run.error, ConnectionFailed)
    assert "max_reconnect_attempts" in str(run.error)
    assert "auth.values.token" in str(run.error)
    assert calls == 4
    assert len(run.records) == 1


def test_a_token_reply_that_never_had_its_values_ends_the_run() -> None:
    with serve_http() as http:
        http.reply = {"error": "maintenance"}
        run = receive(
            url="ws://localhost:1/{token}",
            auth={
                "type": "token_endpoint",
                "url": http.url,
                "values": {"token": "$.token"},
            },
            reconnect=True,
        )
        assert len(http.requests) == 1
    assert isinstance(run.error, CredentialError)


def test_a_context_has_secrets_that_are_no_columns(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        login = json.loads(await peer.recv())
        await peer.send(json.dumps({"n": 1, "login": login["account"]}))
        await peer.send(json.dumps({"error": "not for " + login["token"]}))
        await peer.wait()

    with serve(script) as server:
        config = {
            "url": server.url,
            "contexts": [{"account": "a", "$token": TOKEN}],
            "subscribe_messages": [
                {"message": {"account": "{account}", "token": "{token}"}}
            ],
            "message_rules": [{"match": {"error": {"$exists": True}}, "then": "fail"}],
            "max_messages": 10,
        }
        run = run_tap(tmp_path, config)
    assert run.code == 1
    assert "not for ****" in run.errors[0]
    assert "hunter2" not in run.stderr
    (record,) = run.records
    assert record == {"n": 1, "login": "a", "account": "a"}
    assert set(run.schemas[0]["properties"]) == {
        "n",
        "login",
        "account",
        "_rescued_data",
    }


def test_a_key_of_a_context_stands_there_once(tmp_path: Path) -> None:
    config = {
        "url": "ws://localhost:1/",
        "max_messages": 1,
        "contexts": [{"token": "a", "$token": "b"}, {"$": "c", "$a b": "d"}],
    }
    run = run_tap(tmp_path, config)
    assert run.code == 1
    assert "contexts[0]: token is given with and without $" in run.stderr
    assert "contexts[1]: '' is not a valid name" in run.stderr
    assert "contexts[1]: 'a b' is not a valid name" in run.stderr


def test_a_number_of_placeholders_stays_a_number() -> None:
    async def script(peer: RawPeer) -> None:
        await peer.upgrade()
        _, payload = await peer.recv()
        await peer.send(frame(payload), close_frame(1000))
        await peer.wait()

    with serve_raw(script) as server:
        run = receive(
            url=server.url,
            placeholders={"n": 5, "x": 0.5, "yes": True, "text": "5"},
            subscribe_messages=[
                {"message": {"n": "{n}", "x": "{x}", "yes": "{yes}", "text": "{text}"}}
            ],
            infer_messages=0,
        )
    (record,) = run.records
    assert json.dumps(record["data"], default=float) == (
        '{"n": 5, "x": 0.5, "yes": true, "text": "5"}'
    )


def test_the_types_of_a_placeholder_are_all_named(tmp_path: Path) -> None:
    config = {"url": "ws://a/", "max_messages": 1, "placeholders": {"x": ["a"]}}
    run = run_tap(tmp_path, config)
    (error,) = run.errors
    assert (
        "placeholders.x: must be a string or a number or true or false; an array was "
        "given"
    ) in error


def test_a_token_request_without_trust_is_warned_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tls = server_side(trustme.CA(), "localhost")
    with serve_raw(greets) as server, serve_http(tls=tls) as http:
        http.reply = {"token": "a"}
        run = receive(
            url=f"{server.url}?{{token}}",
            tls={"verify": False},
            auth={
                "type": "token_endpoint",
                "url": http.url,
                "values": {"token": "$.token"},
            },
        )
    assert run.error is None
    (warning,) = (
        r.getMessage() for r in caplog.records if r.levelno == logging.WARNING
    )
    assert warning.startswith("The certificate of https://localhost:")
    assert warning.endswith(" is not checked (tls.verify: false)")


def test_settings_keep_what_a_context_says_for_shards() -> None:
    """A renewed token moves no context to another process."""
    for token in ("a", "b"):
        settings = make_settings(
            contexts=[{"account": str(n), "$token": token} for n in range(20)],
            shard_index=0,
            shard_count=3,
        )
        own = [plan.context["account"] for plan in settings.connections()]
        assert own == [plan.context["account"] for plan in settings.connections()]
        assert {plan.secrets["token"] for plan in settings.connections()} == {token}
        if token == "a":
            first = own
    assert own == first
