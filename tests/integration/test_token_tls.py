"""Token requests over TLS."""

from __future__ import annotations

import ssl

import pytest
import trustme

from tap_websocket.auth import types as auth
from tap_websocket.auth.authenticator import Authenticator
from tap_websocket.errors import CredentialError
from tap_websocket.http.answer import TransientHttpError
from tap_websocket.http.client import HttpClient
from tests.support.token_server import TokenServer, ask

pytestmark = pytest.mark.usefixtures("no_proxy")


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def _secure(token_server: TokenServer, authority: trustme.CA) -> auth.TokenEndpoint:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    token_server.socket = context.wrap_socket(token_server.socket, server_side=True)
    token_server.replies({"t": "x"})
    url = token_server.url.replace("http", "https")
    return auth.TokenEndpoint(f"{url}/", (("token", "$.t"),))


def test_trust_is_that_of_the_context(
    token_server: TokenServer, authority: trustme.CA
) -> None:
    setting = _secure(token_server, authority)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    client = HttpClient(5, make_tls=lambda: context)
    assert ask(Authenticator(setting, client)).values == {"token": "x"}


def test_an_untrusted_certificate_is_final(
    token_server: TokenServer,
    authority: trustme.CA,
) -> None:
    setting = _secure(token_server, authority)
    with pytest.raises(CredentialError, match=r"is not trusted .*; check tls"):
        ask(Authenticator(setting, HttpClient(5)))


def test_verification_can_be_turned_off(
    token_server: TokenServer,
    authority: trustme.CA,
) -> None:
    setting = _secure(token_server, authority)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = HttpClient(5, make_tls=lambda: context)
    assert ask(Authenticator(setting, client)).values == {"token": "x"}


def test_tls_to_a_server_without_it_is_worth_another_try(
    token_server: TokenServer,
) -> None:
    url = token_server.url.replace("http", "https")
    setting = auth.TokenEndpoint(url, (("token", "$.t"),))
    with pytest.raises(TransientHttpError, match="TLS was interrupted"):
        ask(Authenticator(setting, HttpClient(5)))
