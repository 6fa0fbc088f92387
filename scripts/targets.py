"""Run the tap into real targets and write what they make of it into docs/targets.md."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.tools import tool
from tap_websocket.demo import trades
from tests.support import postgres
from tests.support.drift import as_sent, drift, gather, sending
from tests.support.servers import serve
from tests.support.tap import parse
from tests.support.targets import FILES, databases

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.targets import Loaded, Target

PAGE = Path(__file__).resolve().parent.parent / "docs" / "targets.md"
BEGIN, END = "<!-- targets: begin -->", "<!-- targets: end -->"

Record = dict[str, Any]

_PACKAGES = {
    "target-postgres": "meltanolabs-target-postgres",
    "target-csv": "meltanolabs-target-csv",
}
_DATABASES = 3
"""Targets that write into databases."""

_YES, _NO = "yes", "**no**"


def main() -> None:
    """Run each target and write the table."""
    head = (
        "| target | version | what it needs of the tap | each value of a feed that "
        "drifts is found, in its column or in `_rescued_data` | a new column in "
        "mid-run | a number of 25 digits | objects and arrays | an empty string |"
    )
    rows = []
    with postgres.start() as server:
        targets = _Targets(server)
        for index in range(len(targets)):
            rows.append(_row(targets, index))
            print(rows[-1], flush=True)
    table = "\n".join([BEGIN, head, "|" + " --- |" * 8, *rows, END])
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + table + after)
    print(f"wrote {PAGE.name}")


class _Targets:
    """The targets, each time with an empty place to write to."""

    def __init__(self, server: postgres.Postgres) -> None:
        self._server = server
        self._databases = 0

    def __len__(self) -> int:
        return len(FILES) + _DATABASES

    def fresh(self, index: int) -> Target:
        """Return a target that holds nothing yet."""
        if index < len(FILES):
            return FILES[index]
        self._databases += 1
        name = f"matrix_{self._databases}"
        with self._server.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return databases(self._server, name)[index - len(FILES)]


def _row(targets: _Targets, index: int) -> str:
    """Return a target's line of the table."""
    target = targets.fresh(index)
    needs = [
        f"`{name}: {json.dumps(value)}`".replace('"', "")
        for name, value in target.needs.items()
        if name != "schema_location"
    ]
    tried = [
        probe(targets.fresh(index))
        for probe in (_drifting, _grows, _digits, _nested, _empty)
    ]
    cells = [
        _package(target.name),
        _version(target.name),
        ", ".join(needs) or "nothing",
        *tried,
    ]
    return f"| {' | '.join(cells)} |"


def _package(name: str) -> str:
    return _PACKAGES.get(name, name)


def _version(name: str) -> str:
    """Return the installed version of a target, and of DuckDB where it is one."""
    names = [_package(name), *(["duckdb"] if "duckdb" in name else [])]
    program = (
        "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
    )
    python = tool(name).parent / "python"
    found = [
        subprocess.run(
            [python, "-c", program, package],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for package in names
    ]
    return found[0] if len(found) == 1 else f"{found[0]} (duckdb {found[1]})"


def _load(
    target: Target,
    records: list[Record],
) -> tuple[Loaded, Mapping[str, str]]:
    """Send records through the tap into a target; return also the sent names."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with serve(sending([as_sent(record) for record in records])) as server:
            config = {"url": server.url, "idle_timeout": 60}
            loaded = target.load(directory, config)
        kept = directory / "columns.json"
        sent_as = json.loads(kept.read_text())["sent_as"] if kept.exists() else {}
    if loaded.code or loaded.run.code:
        print(loaded.errors[-2000:], loaded.run.stderr[-2000:], file=sys.stderr)
    return loaded, {column.lower(): sent for column, sent in sent_as.items()}


def _drifting(target: Target) -> str:
    demo = trades(7)
    plain = [parse(next(demo)) | {"i": -1 - number} for number in range(300)]
    for records in (plain, drift()):
        loaded, sent_as = _load(target, records)
        if loaded.code or loaded.run.code:
            return f"{_NO}: it ends"
        found = {int(row["i"]): row for row in loaded.rows}
        for record in records:
            if not _is_found(record, found.get(record["i"]), sent_as, target):
                return _NO
    return _YES


def _is_found(
    record: Record,
    row: Record | None,
    sent_as: Mapping[str, str],
    target: Target,
) -> bool:
    """Return whether a row has each field of a record."""
    if row is None:
        return False
    wanted = [
        (name.lower(), _text(value) if target.is_text else value)
        for name, value in record.items()
        if value is not None
    ]
    fields = gather(row, sent_as)
    if target.is_text:
        fields = [
            (name, value if isinstance(value, str) else _text(value))
            for name, value in fields
        ]
    return all(field in fields for field in wanted)


def _text(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Return a value as target-csv writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value)
    return as_sent(value).replace(", ", ",").replace(": ", ":")


def _grows(target: Target) -> str:
    first = [{"i": number, "a": 1} for number in range(150)]
    loaded, _ = _load(target, [*first, {"i": 150, "a": 1, "fresh": "x"}])
    if loaded.code:
        return f"{_NO}: it ends"
    return _YES if loaded.rows[-1].get("fresh") == "x" else "rescued"


def _digits(target: Target) -> str:
    price = Decimal("1234567890.123456789012345")
    loaded, _ = _load(target, [{"i": 0, "price": price}])
    (row,) = loaded.rows
    exact = str(row["price"]) == str(price)
    return "exact" if exact else "rounded to a double"


def _nested(target: Target) -> str:
    value = {"levels": [["1.10", 2], []], "name": None}
    loaded, _ = _load(target, [{"i": 0, "book": value, "tags": ["a", {"b": 1}]}])
    (row,) = loaded.rows
    if row["book"] == value and row["tags"] == ["a", {"b": 1}]:
        return "JSON"
    texts = [str(row["book"]), str(row["tags"])]
    if [parse(text) for text in texts] == [value, ["a", {"b": 1}]]:
        return "JSON text"
    return _NO


def _empty(target: Target) -> str:
    loaded, _ = _load(target, [{"i": 0, "text": ""}, {"i": 1, "text": None}])
    empty, null = (row["text"] for row in loaded.rows)
    if empty == "" and null is None:
        return "kept"
    return "as null" if empty == null else _NO


if __name__ == "__main__":
    main()
