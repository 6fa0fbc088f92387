"""TLS through proxies, and with them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tap_websocket.network.errors import (
    BadHandshake,
    Incapable,
    Unreachable,
    Untrusted,
)
from tests.support.certificates import client_side, server_side
from tests.support.connect import connect
from tests.support.proxies import answering, serve_proxy
from tests.support.raw import serve_raw
from tests.support.refused import CREDENTIALS, refused
from tests.support.scripts import sends
from tests.support.servers import serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.proxies import Kind

hello = sends('{"n": 1}')


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "proxy.pem"
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(path))
    return path


@pytest.mark.parametrize("kind", ["http", "socks5", "socks5h"])
def test_tls_runs_through_a_proxy(
    kind: Kind, transport: str, authority: trustme.CA
) -> None:
    tls = server_side(authority, "localhost")
    with serve(hello, tls=tls) as server, serve_proxy(kind) as proxy:
        heard = connect(
            transport, server.url, proxy=proxy.url, tls=client_side(authority)
        )
        with pytest.raises(Untrusted, match=r"^the certificate is not trusted"):
            connect(transport, server.url, proxy=proxy.url)
    assert heard.texts == [b'{"n": 1}']


@pytest.mark.parametrize("secure", [False, True])
def test_a_proxy_that_speaks_tls(
    secure: bool, authority: trustme.CA, certificate: Path
) -> None:
    """TLS runs in TLS; each certificate is checked for its own name."""
    tls = server_side(authority, "elsewhere.test") if secure else None
    options: dict[str, Any] = {"tls": client_side(authority)}
    if secure:
        options["server_name"] = "elsewhere.test"
    with (
        serve(hello, tls=tls) as server,
        serve_proxy("https", "us@er:", certificate=certificate) as proxy,
    ):
        url = proxy.url_with("us%40er")
        heard = connect("websockets", server.url, proxy=url, **options)
        assert proxy.asked() == f"localhost:{server.port}"
    assert heard.texts == [b'{"n": 1}']


def test_a_tls_proxy_that_is_not_trusted(certificate: Path) -> None:
    with serve_proxy("https", certificate=certificate) as proxy:
        error = refused("websockets", proxy=proxy.url)
    assert type(error) is Untrusted
    assert str(error).startswith("TLS with the proxy: the certificate is not trusted")


def test_a_server_behind_a_tls_proxy_that_is_not_trusted(
    authority: trustme.CA, certificate: Path
) -> None:
    unknown = server_side(trustme.CA(), "localhost")
    with (
        serve(hello, tls=unknown) as server,
        serve_proxy("https", certificate=certificate) as proxy,
    ):
        error = refused(
            "websockets", server.url, proxy=proxy.url, tls=client_side(authority)
        )
    assert type(error) is Untrusted
    assert str(error).startswith("the certificate is not trusted")


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"HTTP/1.1 407 No\r\n\r\n", BadHandshake, "wants other credentials"),
        (b"HTTP/1.1 502 No\r\n\r\n", Unreachable, r"cannot reach .*\(HTTP 502\)"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", BadHandshake, "is not HTTP"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000,
            BadHandshake,
            "too long",
            id="an endless header",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000,
            BadHandshake,
            "too long",
            id="endless headers",
        ),
        (b"HTTP/1.1 20!", Unreachable, "hung up"),
    ],
)
def test_a_tls_proxy_that_fails(
    answer: bytes, kind: type, words: str, authority: trustme.CA
) -> None:
    tls = server_side(authority, "127.0.0.1")
    with serve_raw(answering(answer), tls=tls) as server:
        proxy = f"https://{CREDENTIALS}@127.0.0.1:{server.port}"
        error = refused("websockets", proxy=proxy, tls=client_side(authority))
    assert type(error) is kind
    assert re.match(f"the proxy.*{words}", str(error))


def test_a_tls_proxy_that_is_down_or_speaks_no_tls() -> None:
    error = refused("websockets", proxy="https://u:sEcret@127.0.0.1:1")
    assert type(error) is Unreachable
    assert "the proxy cannot be reached: Connection refused" in str(error)
    with serve_raw(answering(b"HTTP/1.1 400 No\r\n\r\n", request=b"\3")) as server:
        proxy = f"https://127.0.0.1:{server.port}"
        error = refused("websockets", proxy=proxy)
    assert type(error) is BadHandshake
    assert "the proxy speaks no TLS on this port" in str(error)


def test_picows_leaves_tls_proxies_to_websockets() -> None:
    error = refused("picows", proxy="https://u:sEcret@127.0.0.1:1")
    assert type(error) is Incapable
    assert "https:// proxy" in str(error)
