"""The setting `tls`: certificates, keys and trust, over real TLS."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization as pem

from tap_websocket.auth import types as auth
from tap_websocket.auth.authenticator import Authenticator
from tap_websocket.expressions.placeholders import ConnectionBuiltins
from tap_websocket.http.client import HttpClient
from tap_websocket.network.errors import (
    BadHandshake,
    HandshakeError,
    Unreachable,
    Untrusted,
)
from tap_websocket.network.tls import TlsSettings, make_context
from tests.support.certificates import server_side
from tests.support.connect import connect
from tests.support.raw import serve_raw
from tests.support.scripts import greets
from tests.support.servers import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.raw import RawPeer

PASSWORD = "sEcret ü"


@dataclasses.dataclass
class Files:
    """A server's context, and a client's files."""

    server: ssl.SSLContext
    folder: Path
    ca: str
    both: str
    cert: str
    key: str
    encrypted: str
    other_key: str


@pytest.fixture
def files(tmp_path: Path) -> Files:
    authority = trustme.CA()
    server = server_side(authority, "localhost")
    authority.configure_trust(server)
    server.verify_mode = ssl.CERT_REQUIRED
    client = authority.issue_cert("client@feed.test")
    (certificate,) = client.cert_chain_pems
    contents = {
        "ca": authority.cert_pem.bytes(),
        "both": client.private_key_and_cert_chain_pem.bytes(),
        "cert": certificate.bytes(),
        "key": client.private_key_pem.bytes(),
        "encrypted": _encrypt(client.private_key_pem.bytes()),
        "other_key": authority.issue_cert("x.test").private_key_pem.bytes(),
    }
    names = {}
    for name, content in contents.items():
        path = tmp_path / f"{name}.pem"
        path.write_bytes(content)
        names[name] = str(path)
    return Files(server, tmp_path, **names)


def _encrypt(key: bytes) -> bytes:
    return pem.load_pem_private_key(key, None).private_bytes(
        pem.Encoding.PEM,
        pem.PrivateFormat.PKCS8,
        pem.BestAvailableEncryption(PASSWORD.encode()),
    )


def heard(files: Files, transport: str, **given: Any) -> list[bytes]:
    settings = TlsSettings(**{"ca_file": files.ca, **given})
    with serve(greets, tls=files.server) as server:
        return connect(
            transport,
            server.url,
            tls=make_context(settings),
            server_name=settings.server_name,
        ).texts


def test_a_client_certificate(files: Files, transport: str) -> None:
    ways: list[dict[str, Any]] = [
        {"cert_file": files.both},
        {"cert_file": files.cert, "key_file": files.key},
        {
            "cert_file": files.cert,
            "key_file": files.encrypted,
            "key_password": PASSWORD,
        },
        {"cert_file": files.both, "key_password": "not needed"},
    ]
    for way in ways:
        assert heard(files, transport, **way) == [b"{}"]


@contextlib.contextmanager
def refusing(context: ssl.SSLContext) -> Iterator[str]:
    """Serve TLS that says in an alert what is wrong, which asyncio's does not."""

    def accept(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with contextlib.suppress(OSError), connection:
            context.wrap_socket(connection, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener,))
        thread.start()
        yield f"wss://localhost:{listener.getsockname()[1]}/"
        thread.join()


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("shown", [False, True])
def test_a_client_certificate_that_is_not_the_right_one(
    version: str, shown: bool, files: Files, transport: str
) -> None:
    files.server.maximum_version = ssl.TLSVersion[version]
    path = files.folder / "stranger.pem"
    stranger = trustme.CA().issue_cert("client@feed.test")
    stranger.private_key_and_cert_chain_pem.write_to_path(str(path))
    tls = TlsSettings(files.ca, str(path) if shown else None)
    words = r"want.? another client certificate .*tls"
    with (
        refusing(files.server) as url,
        pytest.raises(HandshakeError, match=words) as caught,
    ):
        connect(transport, url, tls=make_context(tls))
    told = shown and version == "TLSv1_2"
    assert type(caught.value) is (BadHandshake if told else Unreachable)


def test_ca_file_takes_the_place_of_the_system_s_trust(
    files: Files, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", files.ca)
    assert heard(files, transport, ca_file=None, cert_file=files.both) == [b"{}"]
    other = files.folder / "other-ca.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    with pytest.raises(Untrusted, match="is not trusted"):
        heard(files, transport, ca_file=str(other), cert_file=files.both)


def test_server_name_overrides_the_host(transport: str, files: Files) -> None:
    names = []

    def note(_: Any, name: str, __: Any) -> None:
        names.append(name)

    files.server.sni_callback = note
    with pytest.raises(Untrusted, match=r"is not valid for 'feed\.test'"):
        heard(files, transport, cert_file=files.both, server_name="feed.test")
    address = TlsSettings(ca_file=files.ca, cert_file=files.both)
    with serve(greets, tls=files.server) as server:
        url = server.url.replace("localhost", "127.0.0.1")
        context = make_context(address)
        with pytest.raises(Untrusted, match=r"127\.0\.0\.1"):
            connect(transport, url, tls=context)
        found = connect(transport, url, tls=context, server_name="localhost")
        assert found.texts == [b"{}"]
        assert server.peers[0].headers["host"] == f"127.0.0.1:{server.port}"
    assert names == ["feed.test", None, "localhost"]


def test_verify_false_checks_neither_issuer_nor_name(
    files: Files, transport: str
) -> None:
    assert heard(
        files,
        transport,
        ca_file=None,
        verify=False,
        cert_file=files.both,
        server_name="feed.test",
    ) == [b"{}"]


def test_tls_1_2_at_least() -> None:
    for verify in (True, False):
        context = make_context(TlsSettings(verify=verify))
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_each_context_is_a_new_one(files: Files) -> None:
    settings = TlsSettings(ca_file=files.ca, cert_file=files.both)
    assert make_context(settings) is not make_context(settings)


def test_token_requests_show_the_certificate(files: Files) -> None:
    async def reply(peer: RawPeer) -> None:
        await peer.status(200, body=b'{"t": "x"}')

    settings = TlsSettings(
        ca_file=files.ca,
        cert_file=files.cert,
        key_file=files.encrypted,
        key_password=PASSWORD,
        server_name="elsewhere.test",
    )
    with serve_raw(reply, tls=files.server) as server:
        url = server.url.replace("wss:", "https:")
        client = HttpClient(5, "none", lambda: make_context(settings))
        endpoint = auth.TokenEndpoint(url, (("t", "$.t"),))
        moment = ConnectionBuiltins(clock=lambda: 1.0).moment()
        found = Authenticator(endpoint, client).credentials({}, moment)
    assert found.values == {"t": "x"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"ca_file": "{folder}/no.pem"}, r"^ca_file: the file .*/no\.pem cannot be "),
        ({"ca_file": "{folder}"}, r"^ca_file: the file .* \(Is a directory\)$"),
        ({"ca_file": "a\0b"}, r"^ca_file: the file .* cannot be read"),
        ({"ca_file": "{key}"}, r"^ca_file: the file .* holds no PEM certificate$"),
        ({"ca_file": "{broken}"}, r"^ca_file: .* certificate that cannot be read$"),
        ({"cert_file": "{folder}/no.pem"}, r"^cert_file: the file .*No such file"),
        ({"cert_file": "{key}"}, r"^cert_file: .* holds no PEM certificate$"),
        ({"cert_file": "{cert}"}, r"^cert_file: .* holds no PEM key; add key_file$"),
        ({"cert_file": "{broken}"}, r"^cert_file: .* cannot be read as PEM$"),
        ({"key_file": "{key}"}, "^key_file: .* add cert_file$"),
        (
            {"cert_file": "{cert}", "key_file": "{folder}/no.pem"},
            r"^key_file: the file .*No such file",
        ),
        (
            {"cert_file": "{cert}", "key_file": "{cert}"},
            r"^key_file: the file .* holds no PEM key$",
        ),
        (
            {"cert_file": "{cert}", "key_file": "{broken}"},
            r"^cert_file: .* cannot be read as PEM$",
        ),
        (
            {"cert_file": "{cert}", "key_file": "{other_key}"},
            "^key_file: the key does not belong to the certificate in cert_file$",
        ),
        (
            {"cert_file": "{cert}", "key_file": "{encrypted}"},
            "^key_password: the key in key_file is encrypted; give its password$",
        ),
        *(
            (
                {
                    "cert_file": "{cert}",
                    "key_file": "{encrypted}",
                    "key_password": password,
                },
                "^key_password: it does not open the key in key_file$",
            )
            for password in ("sEcret", "", "sEcret" * 999)
        ),
        ({"server_name": ""}, "^server_name: it is not a host name$"),
        ({"server_name": ".feed.test"}, "^server_name: it is not a host name$"),
        ({"server_name": "a\0b"}, "^server_name: it is not a host name$"),
        ({"server_name": "x" * 64 + "ü"}, "^server_name: it is not a host name$"),
    ],
)
def test_what_cannot_be_used(given: dict[str, str], words: str, files: Files) -> None:
    broken = files.folder / "broken.pem"
    broken.write_text(
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    )
    names = {**vars(files), "broken": broken}
    filled = {name: value.format(**names) for name, value in given.items()}
    with pytest.raises(ValueError, match=words) as caught:
        make_context(TlsSettings(**filled))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert "sEcret" not in str(caught.value)


def test_the_password_does_not_show() -> None:
    assert PASSWORD not in repr(TlsSettings(key_password=PASSWORD))
