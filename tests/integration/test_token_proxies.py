"""Token requests through the same proxies as handshakes, real ones and scripted."""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tap_websocket.errors import CredentialError
from tap_websocket.http.answer import TransientHttpError
from tap_websocket.http.client import HttpClient
from tap_websocket.network.tls import TlsSettings, make_context
from tests.support.certificates import server_side
from tests.support.proxies import answering, serve_proxy, socks
from tests.support.raw import serve_raw

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.proxies import Kind
    from tests.support.raw import RawPeer

URL = "https://feed.test/"
SECRETS = ("sEcr", "dXNAZXI6c0Vjcs", "us@er", "us%40er")


async def token(peer: RawPeer) -> None:
    await peer.status(200, body=b'{"t": "x"}')


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("kind", ["http", "https", "socks5", "socks5h"])
def test_a_proxy_leads_to_a_token_server(
    kind: Kind,
    secure: bool,
    authority: trustme.CA,
    ca_file: str,
    tmp_path: Path,
) -> None:
    certificate = tmp_path / "proxy.pem"
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    tls = server_side(authority, "localhost") if secure else None
    secret = "sEcr€t" if kind.startswith("http") else "sEcret"
    with (
        serve_raw(token, tls=tls) as server,
        serve_proxy(kind, f"us@er:{secret}", certificate=certificate) as proxy,
    ):
        given = proxy.url_with(f"us%40er:{secret}".replace("€", "%E2%82%AC"))
        client = HttpClient(10, given, lambda: make_context(TlsSettings(ca_file)))
        url = server.url.replace("ws", "http", 1)
        assert client.send("POST", url).json() == {"t": "x"}
        host = "127.0.0.1" if kind == "socks5" else "localhost"
        assert proxy.asked() == f"{host}:{server.port}"


def failure(proxy: str) -> Exception:
    client = HttpClient(5, proxy)
    with pytest.raises((CredentialError, TransientHttpError)) as caught:
        client.send("POST", URL)
    trace = "".join(traceback.format_exception(caught.value))
    for secret in SECRETS:
        assert secret not in trace
    return caught.value


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        (answering(b"HTTP/1.1 407 No\r\n\r\n"), CredentialError, "check proxy$"),
        (answering(b"HTTP/1.1 403 No\r\n\r\n"), CredentialError, "refuses .*HTTP 403"),
        (answering(b"HTTP/1.1 502 No\r\n\r\n"), TransientHttpError, "reach .*HTTP 502"),
        (
            answering(b"SSH-2.0-OpenSSH_9.6\r\n!"),
            CredentialError,
            "not HTTP; .* proxy$",
        ),
    ],
)
def test_an_http_proxy_that_fails(script: Any, kind: type, words: str) -> None:
    with serve_raw(script) as server:
        error = failure(f"http://us%40er:sEcr%C3%A9t@127.0.0.1:{server.port}")
    assert type(error) is kind
    assert re.search(words, str(error))


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (socks(b"\5\2", b"\1\1"), CredentialError),
        (socks(b"\5\xff"), CredentialError),
        (socks(b"\5\2", b"\1\0", b"\5\2\0\1" + bytes(6)), CredentialError),
        (socks(b"\5\2", b"\1\0", b"\5\4\0\1" + bytes(6)), TransientHttpError),
    ],
)
def test_a_socks_proxy_that_fails(script: Any, kind: type) -> None:
    with serve_raw(script) as server:
        error = failure(f"socks5h://us%40er:sEcret@127.0.0.1:{server.port}")
    assert type(error) is kind
    assert "the proxy" in str(error)
