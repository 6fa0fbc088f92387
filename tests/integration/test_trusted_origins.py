"""Credentials go only where the config says, whatever address a server names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tap_websocket.errors import ConfigError
from tests.support.http import serve_http
from tests.support.receive import make_settings, receive
from tests.support.scripts import greets
from tests.support.servers import serve

if TYPE_CHECKING:
    from tests.support.servers import Peer

pytestmark = pytest.mark.usefixtures("each_transport")

SECRET: dict[str, Any] = {
    "auth": {"type": "bearer", "token": "s3cret"},
    "headers": {"X-Key": "also-s3cret"},
}


def seen(peers: list[Peer]) -> list[set[str]]:
    """Return which credentials each connection brought."""
    names = {"authorization", "x-key"}
    return [names & {name.lower() for name in peer.headers} for peer in peers]


@pytest.mark.parametrize("trusts", [False, True])
def test_a_captured_address(caplog: pytest.LogCaptureFixture, *, trusts: bool) -> None:
    async def second(peer: Peer) -> None:
        await peer.send('{"n": 2}')
        await peer.wait()

    with serve(second) as other:

        async def first(peer: Peer) -> None:
            await peer.send('{"n": 1}')
            await peer.send(json.dumps({"reconnect_url": other.url}))
            await peer.wait()

        with serve(first) as server:
            given: dict[str, Any] = dict(SECRET)
            if trusts:
                given["trusted_origins"] = [other.url.removesuffix("/feed")]
            run = receive(
                url="{address}",
                placeholders={"address": server.url},
                message_rules=[
                    {
                        "match": {"reconnect_url": {"$exists": True}},
                        "then": "replace",
                        "capture": {"address": "$.reconnect_url"},
                    }
                ],
                reconnect=True,
                overlap=0.1,
                max_messages=2,
                **given,
            )
            assert run.error is None
            assert seen(server.peers) == [{"authorization", "x-key"}]
        expected = {"authorization", "x-key"} if trusts else set()
        assert seen(other.peers) == [expected]
    assert ("trusted_origins" in caplog.text) == (not trusts)
    assert "s3cret" not in caplog.text


def test_the_address_that_the_config_names_is_trusted_again() -> None:
    """A captured address serves one attempt; the next one goes to the config's."""

    async def script(peer: Peer) -> None:
        await peer.send(json.dumps({"n": peer.number}))
        if peer.number == 1:
            await peer.send('{"reconnect_url": "ws://localhost:1/"}')
        await peer.wait()

    with serve(script) as server:
        run = receive(
            url="{address}",
            placeholders={"address": server.url},
            message_rules=[
                {
                    "match": {"reconnect_url": {"$exists": True}},
                    "then": "replace",
                    "capture": {"address": "$.reconnect_url"},
                }
            ],
            reconnect=True,
            reconnect_backoff=0.05,
            overlap=0.1,
            max_messages=2,
            **SECRET,
        )
        assert run.error is None
        assert seen(server.peers) == [{"authorization", "x-key"}] * 2


def test_a_fetched_address_gets_no_headers() -> None:
    async def hand_out(request: web.Request) -> web.Response:
        return web.json_response({"url": f"ws://{request.host}/feed"})

    with serve(greets, http=hand_out) as server:
        http = f"http://localhost:{server.port}/token"
        auth = {"type": "token_endpoint", "url": http, "values": {"url": "$.url"}}
        for trusted in ([], [f"ws://localhost:{server.port}"]):
            run = receive(
                url="{url}",
                auth=auth,
                headers={"X-Key": "also-s3cret"},
                trusted_origins=trusted,
                max_messages=1,
            )
            assert run.error is None
        assert seen(server.peers) == [set(), {"x-key"}]


@pytest.mark.parametrize("trusts", [False, True])
def test_a_redirect(*, trusts: bool) -> None:
    with serve(greets) as other:

        def away(request: web.Request) -> web.StreamResponse:
            del request
            return web.Response(status=307, headers={"Location": other.url})

        with serve(greets, refuse=away) as server:
            given: dict[str, Any] = dict(SECRET)
            del given["auth"]
            if trusts:
                given["trusted_origins"] = [other.url.removesuffix("/feed")]
            run = receive(url=server.url, max_messages=1, **given)
        assert run.error is None
        assert seen(other.peers) == [{"x-key"} if trusts else set()]


@pytest.mark.parametrize(
    "origin", ["", "feed", "https://feed", "ws://", "ws://feed/path", "ws://a:b@feed"]
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ConfigError) as raised:
        make_settings(trusted_origins=[origin])
    assert raised.value.problems[0].startswith("trusted_origins[0]: must be")


@pytest.mark.parametrize("named", ["captured", "trusted", "given"])
def test_a_request_to_an_address_that_a_message_named(
    named: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(json.dumps({"api": http.url}))
        assert json.loads(await peer.recv()) == {"go": "on"}
        await peer.close()
        await peer.wait()

    with serve_http() as http, serve(script) as server:
        given: dict[str, Any] = {}
        if named == "trusted":
            given["trusted_origins"] = [http.url.replace("http", "ws", 1)]
        if named == "given":
            given["placeholders"] = {"base": http.url}
        request = {
            "url": "{base}/key" if named == "given" else "{api}/key",
            "headers": {"Authorization": "Bearer s3cret", "X-Key": "also-s3cret"},
            "body": {"a": 1},
        }
        run = receive(
            url=server.url,
            message_rules=[
                {
                    "match": {"api": {"$exists": True}},
                    "then": "ignore",
                    "capture": {"api": "$.api"},
                }
            ],
            subscribe_messages=[
                {"reply": {"api": {"$exists": True}}},
                {"request": request},
                {"message": {"go": "on"}},
            ],
            **given,
        )
        assert run.error is None
        ((_, path, headers, body),) = http.requests
    assert (path, body) == ("/key", '{"a":1}')
    assert headers["content-type"] == "application/json"
    sent = {"authorization", "x-key"} & headers.keys()
    assert sent == (set() if named == "captured" else {"authorization", "x-key"})
    assert ("A server has named the address" in caplog.text) == (named == "captured")
    assert "s3cret" not in caplog.text
