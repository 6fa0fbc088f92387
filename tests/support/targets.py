"""Real targets: what each needs, and what it holds after `tap | target`."""

from __future__ import annotations

import csv
import dataclasses
import subprocess
from typing import TYPE_CHECKING, Any

from scripts.tools import tool
from tests.support.tap import parse, pipe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.support.postgres import Postgres
    from tests.support.tap import Run

__all__ = [
    "FILES",
    "Loaded",
    "Target",
    "databases",
    "duckdb",
    "pipelinewise_postgres",
    "postgres",
]

Rows = list[dict[str, Any]]

_STREAM = "messages"


@dataclasses.dataclass(frozen=True)
class Loaded:
    """What `tap | target` left behind.

    Attributes:
        run: The tap's.
        code: The target's exit code.
        errors: What the target wrote to stderr.
        rows: What is in the target now, of this run and of earlier ones.
    """

    run: Run
    code: int
    errors: str
    rows: Rows


@dataclasses.dataclass(frozen=True)
class Target:
    """A target, and how to look into it.

    Attributes:
        name: The name of its command.
        config: Its settings; what it writes goes into this directory.
        read: Returns its rows; it is given the directory.
        needs: Settings of the tap that it needs.
        is_text: Whether each value is read as text.
    """

    name: str
    config: Callable[[Path], Mapping[str, Any]]
    read: Callable[[Path], Rows]
    needs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    is_text: bool = False

    def load(self, directory: Path, config: Mapping[str, Any]) -> Loaded:
        """Run `tap | target`, in a directory where both may leave files."""
        run, code, errors = pipe(
            directory,
            {**config, **self.needs},
            [tool(self.name)],
            self.config(directory),
        )
        rows = self.read(directory) if code == 0 else []
        return Loaded(run, code, errors, rows)


_PORTABLE = {"column_names": "portable", "schema_location": "columns.json"}
"""For targets that know no case: two names that differ by it alone end them."""


def postgres(server: Postgres, database: str) -> Target:
    """Return target-postgres, into a database."""
    return Target(
        "target-postgres",
        lambda _: server.config(database),
        lambda _: _postgres_rows(server, database),
    )


def pipelinewise_postgres(server: Postgres, database: str) -> Target:
    """Return PipelineWise's target-postgres, into a database."""
    config = {
        "host": "127.0.0.1",
        "port": server.port,
        "user": "postgres",
        "password": "unused",
        "dbname": database,
        "default_target_schema": "public",
        "primary_key_required": False,
    }
    return Target(
        "pipelinewise-target-postgres",
        lambda _: config,
        lambda _: _postgres_rows(server, database),
        _PORTABLE,
    )


def _postgres_rows(server: Postgres, database: str) -> Rows:
    with server.connect(database) as connection:
        cursor = connection.execute(
            f"SELECT row_to_json({_STREAM})::text FROM {_STREAM}",
        )
        return [parse(str(row[0])) for row in cursor]


def duckdb() -> Target:
    """Return target-duckdb, into a file."""

    def config(directory: Path) -> Mapping[str, Any]:
        path = str(directory / "feed.duckdb")
        return {
            "path": path,
            "filepath": path,
            "database": "feed",
            "default_target_schema": "main",
            "primary_key_required": False,
        }

    def read(directory: Path) -> Rows:
        return _in_target(
            "target-duckdb",
            "import duckdb, sys\n"
            "connection = duckdb.connect(sys.argv[1])\n"
            f"connection.execute('select to_json({_STREAM})::varchar from {_STREAM}')\n"
            "for row in connection.fetchall():\n"
            "    print(row[0])\n",
            directory / "feed.duckdb",
        )

    return Target("target-duckdb", config, read, _PORTABLE)


def _in_target(name: str, program: str, path: Path) -> Rows:
    """Run a program with the libraries of a target; each line is a row."""
    printed = subprocess.run(
        [tool(name).parent / "python", "-c", program, str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    return [parse(line) for line in printed.stdout.splitlines()]


def _jsonl_config(directory: Path) -> Mapping[str, Any]:
    return {"destination_path": str(directory), "do_timestamp_file": False}


def _jsonl_rows(directory: Path) -> Rows:
    lines = (directory / f"{_STREAM}.jsonl").read_text().splitlines()
    return [parse(line) for line in lines]


def _csv_rows(directory: Path) -> Rows:
    # A field may hold a whole message.
    csv.field_size_limit(2**31 - 1)
    with (directory / f"{_STREAM}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


FILES = (
    Target("target-jsonl", _jsonl_config, _jsonl_rows),
    Target(
        "target-csv",
        lambda directory: {"output_path": str(directory)},
        _csv_rows,
        {
            # Its first line has the columns: one that comes later has no place.
            "schema_evolution": "rescue",
            # Else it writes objects and arrays as Python does.
            "flattening_enabled": True,
            "flattening_max_depth": 1,
        },
        is_text=True,
    ),
)
"""Targets that write files."""


def databases(server: Postgres, database: str) -> tuple[Target, ...]:
    """Return the targets that write into databases.

    Args:
        server: Where target-postgres writes.
        database: Its database; the name of another one is made of it.
    """
    other = f"{database}_pipelinewise"
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {other}")
    return (
        postgres(server, database),
        pipelinewise_postgres(server, other),
        duckdb(),
    )
