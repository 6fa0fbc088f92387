"""Fixtures: scripted servers, a real PostgreSQL, settings by hand."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket import config
from tap_websocket.settings import Settings
from tap_websocket.tap import TapWebSocket
from tests.support import postgres as postgres_server
from tests.support.servers import KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.postgres import Postgres


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each server implementation in turn."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for this worker."""
    with postgres_server.start() as server:
        yield server


_DATABASES = itertools.count(1)


@pytest.fixture
def database(postgres: Postgres) -> str:
    """A database of its own."""
    name = f"test{next(_DATABASES)}"
    with postgres.connect() as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    return name


@pytest.fixture
def settings() -> Callable[..., Settings]:
    """Make settings as the tap does, from a few of them."""

    def make(**given: Any) -> Settings:
        raw = {"url": "ws://localhost:1/", "max_messages": 1, **given}
        prepared = config.prepare(raw, TapWebSocket.config_jsonschema)
        assert not prepared.problems
        return Settings.from_config(prepared.config, prepared.given)

    return make
