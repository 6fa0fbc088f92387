"""`tls`, `proxy`, `compression` and `subprotocols` through the settings."""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tap_websocket.errors import ConnectionFailed
from tests.support.certificates import server_side
from tests.support.proxies import serve_proxy
from tests.support.raw import close_frame, frame, opens, serve_raw
from tests.support.receive import receive
from tests.support.servers import Kind, Peer, serve

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("each_transport")


async def hello(peer: Any) -> None:
    await peer.send('{"n":1}')
    await peer.close()
    await peer.wait()


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, str]:
    authority = trustme.CA()
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return authority, str(path)


def test_a_client_certificate(
    authority: tuple[trustme.CA, str],
    tmp_path: Path,
) -> None:
    issuer, ca_file = authority
    client = issuer.issue_cert("client.example")
    client.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "client.pem"))
    context = server_side(issuer, "localhost")
    context.verify_mode = ssl.CERT_REQUIRED
    issuer.configure_trust(context)
    with serve(hello, tls=context) as server:
        run = receive(
            url=server.url,
            tls={"ca_file": ca_file, "cert_file": str(tmp_path / "client.pem")},
        )
        assert run.error is None, run.error
        without = receive(url=server.url, tls={"ca_file": ca_file})
    assert len(run.records) == 1
    assert isinstance(without.error, ConnectionFailed)


def test_no_check_warns_on_every_connect(
    authority: tuple[trustme.CA, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def twice(peer: Peer) -> None:
        await peer.send(f'{{"n":{peer.number}}}')
        await peer.close(1012)
        await peer.wait()

    context = server_side(authority[0], "elsewhere.example")
    with serve(twice, tls=context) as server, caplog.at_level(logging.WARNING):
        run = receive(
            url=server.url,
            tls={"verify": False},
            reconnect=True,
            reconnect_backoff=0.01,
            max_messages=2,
        )
    assert run.error is None
    assert caplog.text.count("is not checked (tls.verify: false)") == 2


@pytest.mark.parametrize("kind", ["http", "socks5", "socks5h"])
@pytest.mark.parametrize("over_tls", [False, True])
def test_a_proxy(
    kind: Any,
    over_tls: bool,
    authority: tuple[trustme.CA, str],
) -> None:
    context = server_side(authority[0], "localhost") if over_tls else None
    with (
        serve(hello, tls=context) as server,
        serve_proxy(kind, "user:pass") as proxy,
    ):
        tls = {"ca_file": authority[1]} if over_tls else {}
        refused = receive(
            url=server.url,
            proxy=proxy.url_with("user:wrong"),
            tls=tls,
            reconnect=True,
            max_duration=5,
        )
        run = receive(url=server.url, proxy=proxy.url, tls=tls)
        assert run.error is None, run.error
        assert proxy.asked().endswith(f":{server.port}")
    assert len(run.records) == 1
    assert isinstance(refused.error, ConnectionFailed)
    assert "proxy" in str(refused.error)
    assert "wrong" not in str(refused.error)


def test_a_proxy_of_the_environment_and_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serve(hello) as server, serve_proxy("http") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        run = receive(url=server.url)
        assert run.error is None
        assert proxy.asked() == f"localhost:{server.port}"
        direct = receive(url=server.url, proxy="none")
        assert direct.error is None
        assert proxy.lines.empty()


def test_a_subprotocol_that_the_server_agrees_to(kind: Kind) -> None:
    with serve(hello, kind, subprotocols=("b", "c")) as server:
        run = receive(url=server.url, subprotocols=["a", "b"])
        assert run.error is None, run.error
        if kind == "aiohttp":
            offered = server.peers[0].headers["sec-websocket-protocol"]
            assert [name.strip() for name in offered.split(",")] == ["a", "b"]
    with serve_raw(raw_hello) as raw:
        none = receive(url=raw.url, subprotocols=["a", "b"], reconnect=True)
    assert "agreed to none of the subprotocols offered (2 in subprotocols)" in str(
        none.error
    )


raw_hello = opens(frame(b'{"n":1}'), close_frame(1000))


@pytest.mark.parametrize("agrees", [True, False])
def test_compression_is_for_auto_to_place(kind: Kind, agrees: bool) -> None:
    async def script(peer: Peer) -> None:
        for number in range(100):
            await peer.send(f'{{"n":{number},"text":"{"x" * 1000}"}}')
        await peer.close()
        await peer.wait()

    with serve(script, kind, compress=agrees) as server:
        run = receive(url=server.url, compression=True, transport="auto")
    assert run.error is None
    assert [record["n"] for record in run.records] == list(range(100))
    if kind == "aiohttp":
        offered = server.peers[0].headers["sec-websocket-extensions"]
        assert "permessage-deflate" in offered
