"""Fixtures: scripted servers, a real PostgreSQL."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest
import trustme
from hypothesis import settings

from tap_websocket.transports.select import LIBRARIES
from tests.support import postgres as postgres_server
from tests.support import receive
from tests.support.servers import KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.postgres import Postgres

# A busy machine may take its time for one example.
settings.register_profile("ci", deadline=None)
# For `make check`: most properties have dozens of configs, which add up.
settings.register_profile("dev", deadline=None, max_examples=12)
settings.load_profile("ci")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes test at once: most of them wait for sockets."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each server implementation in turn."""
    kind: Kind = request.param
    return kind


@pytest.fixture(params=[library.name for library in LIBRARIES])
def each_transport(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """Let every run of a test be carried by each transport in turn."""
    name: str = request.param
    monkeypatch.setattr(receive, "transport", name)
    return name


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """An authority that the system trusts."""
    authority = trustme.CA()
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    return authority


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
        connection.execute(f"CREATE DATABASE {name}")
    return name


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An S3 bucket, with all that is needed to reach it in the environment."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - takes a second

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        import s3fs  # noqa: PLC0415 - takes a second

        # One that another module's bucket left would still ask that server.
        s3fs.S3FileSystem.clear_instance_cache()
        # moto keeps its buckets as long as the process.
        s3fs.S3FileSystem().makedirs("bucket", exist_ok=True)
        yield "s3://bucket"
    server.stop()
