"""Redirects of the upgrade request: which are followed, and what goes along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import ConnectionFailed
from tests.support.raw import HELLO, close_frame, frame, opens, serve_raw
from tests.support.receive import receive

if TYPE_CHECKING:
    from tests.support.raw import RawPeer

pytestmark = pytest.mark.usefixtures("each_transport")


def test_a_redirect_is_followed_and_credentials_stay_behind() -> None:
    with serve_raw(opens(HELLO)) as second:

        async def first(peer: RawPeer) -> None:
            await peer.status(302, f"Location: {second.url}moved?x=1")

        with serve_raw(first) as server:
            run = receive(
                url=server.url.replace("localhost", "user:pass@localhost"),
                headers={"X-Token": "t"},
                auth={"type": "custom", "headers": {"X-Key": "k"}},
                max_messages=1,
            )
            asked = server.peers[0].headers
        sent = second.peers[0]
    assert run.error is None
    assert asked["x-token"] == "t"
    assert asked["x-key"] == "k"
    assert asked["authorization"] == "Basic dXNlcjpwYXNz"
    assert "@" not in asked["host"]
    assert sent.request.startswith("GET /moved?x=1 HTTP/1.1")
    assert not {"x-token", "x-key", "authorization"} & sent.headers.keys()
    assert sent.headers["user-agent"].startswith("tap-websocket/")


def test_a_redirect_within_the_origin_keeps_credentials() -> None:
    async def play(peer: RawPeer) -> None:
        if peer.number == 1:
            await peer.status(307, "Location: /elsewhere")
        else:
            await peer.upgrade(HELLO)
            await peer.wait()

    with serve_raw(play) as server:
        run = receive(url=server.url, headers={"X-Token": "t"}, max_messages=1)
        peer = server.peers[1]
    assert run.error is None
    assert peer.request.startswith("GET /elsewhere ")
    assert peer.headers["x-token"] == "t"


def test_user_info_in_a_redirect_is_not_sent() -> None:
    async def script(peer: RawPeer) -> None:
        if peer.number == 1:
            port = peer.writer.get_extra_info("sockname")[1]
            where = f"Location: ws://user:pass@localhost:{port}/other"
            await peer.status(302, where)
            return
        await peer.upgrade(frame(b'{"n":1}'), close_frame(1000))
        await peer.wait()

    with serve_raw(script) as server:
        run = receive(url=server.url)
    assert run.error is None
    assert "authorization" not in server.peers[1].headers
    assert server.peers[1].headers["host"] == f"localhost:{server.port}"


def test_redirects_in_a_circle_end() -> None:
    with serve_raw(lambda peer: peer.status(301, "Location: /")) as server:
        run = receive(url=server.url, reconnect=True)
        assert len(server.peers) == 6
    assert "more than 5 redirects" in str(run.error)


def redirecting(target: str) -> Any:
    return lambda peer: peer.status(302, f"Location: {target}")


def test_values_of_auth_do_not_go_to_another_origin(each_transport: str) -> None:
    async def token(peer: RawPeer) -> None:
        await peer.status(200, body=b'{"token": "sEcret"}')

    hello = opens(HELLO)
    with (
        serve_raw(token) as tokens,
        serve_raw(hello) as other,
        serve_raw(redirecting(other.url)) as server,
    ):
        run = receive(
            url=server.url,
            auth={
                "type": "token_endpoint",
                "url": f"http://localhost:{tokens.port}/",
                "values": {"token": "$.token"},
            },
            subscribe_messages=["{token}"],
            transport=each_transport,
            max_messages=1,
            reconnect=True,
        )
        assert not other.peers
    assert isinstance(run.error, ConnectionFailed)
    assert f"ws://localhost:{server.port} redirects to" in str(run.error)
    assert f"ws://localhost:{other.port}" in str(run.error)


def test_headers_that_stay_behind_are_named_and_so_is_the_address_that_failed(
    each_transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        serve_raw(lambda peer: peer.status(404)) as other,
        serve_raw(redirecting(other.url)) as server,
        caplog.at_level("INFO"),
    ):
        run = receive(
            url=server.url, headers={"X-Key": "sEcret"}, transport=each_transport
        )
    assert f"cannot connect to ws://localhost:{other.port}: HTTP 404" in str(run.error)
    (line,) = (each.getMessage() for each in caplog.records if "Redirected" in each.msg)
    assert line == (
        f"Redirected to ws://localhost:{other.port}, without the headers, which are "
        "for the first address"
    )
