"""Fixtures of tests over real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_websocket.transports.select import LIBRARIES
from tests.support.http import Http, serve_http
from tests.support.token_server import TokenServer, serve_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=[library.name for library in LIBRARIES])
def transport(request: pytest.FixtureRequest) -> str:
    """The name of each transport in turn, for tests that make one themselves."""
    name: str = request.param
    return name


@pytest.fixture
def http() -> Iterator[Http]:
    """A scripted HTTP server."""
    with serve_http() as server:
        yield server


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take proxies out of the environment."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def token_server() -> Iterator[TokenServer]:
    """A server that answers requests for tokens."""
    with serve_tokens() as server:
        yield server
