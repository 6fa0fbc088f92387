"""Which proxy a connection goes through, and what of it shows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tap_websocket.logs import SecretFilter
from tests.support.connect import connect
from tests.support.proxies import serve_proxy
from tests.support.scripts import greets
from tests.support.servers import serve

if TYPE_CHECKING:
    from tests.support.proxies import Kind


@pytest.mark.parametrize("transport", ["websockets", "picows"])
def test_only_what_the_handshake_says_is_used(
    transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with serve(greets) as server:
        assert connect(transport, server.url).texts == [b"{}"]


@pytest.mark.parametrize("kind", ["http", "socks5h"])
@pytest.mark.parametrize("transport", ["websockets", "picows"])
def test_no_secret_shows_even_at_debug_level(
    kind: Kind,
    transport: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The header is debug text that the tap's mask knows; a proxy's user-info never."""
    mask = SecretFilter(["tOkEn"])
    with (
        serve(greets) as server,
        serve_proxy(kind, "proxyuser:sEcret") as proxy,
        caplog.at_level(logging.DEBUG),
    ):
        caplog.handler.addFilter(mask)
        connect(transport, server.url, proxy=proxy.url, headers=(("X-Key", "tOkEn"),))
        caplog.handler.removeFilter(mask)
    for secret in ("sEcret", "proxyuser", "cHJveHl1c2Vy", "tOkEn"):
        assert secret not in caplog.text
