"""Fixtures of tests over real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tap_websocket.transports.select import LIBRARIES
from tests.support.http import Http, serve_http

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
