"""The tap into real targets: every value that was sent is found there."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from scripts.project import environment, make_project
from scripts.tools import tool
from tap_websocket.demo import trades
from tests.support.drift import Rows, as_sent, check, drift, gather, sending
from tests.support.servers import serve
from tests.support.tap import parse, pipe
from tests.support.targets import FILES, duckdb, pipelinewise_postgres

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.postgres import Postgres
    from tests.support.targets import Target


def into_postgres(
    directory: Path,
    config: dict[str, Any],
    postgres: Postgres,
    database: str,
) -> tuple[list[int], Rows, dict[str, str]]:
    target_config = postgres.config(database)
    run, code, errors = pipe(
        directory, config, [tool("target-postgres")], target_config
    )
    assert run.code == 0, run.stderr
    assert code == 0, errors
    with postgres.connect(database) as connection:
        types = {
            str(name): str(kind)
            for name, kind in connection.execute(
                "SELECT column_name, data_type FROM information_schema.columns "
                "WHERE table_name = 'messages'",
            )
        }
        cursor = connection.execute(
            "SELECT row_to_json(messages)::text FROM messages",
        )
        rows = [parse(str(row[0])) for row in cursor]
    return [run.code, code], rows, types


@pytest.fixture
def feed_config() -> dict[str, Any]:
    return {"idle_timeout": 30, "infer_messages": 100}


def load(target: Target, directory: Path, config: dict[str, Any]) -> Rows:
    """Send the drifting feed into a target; return its rows."""
    with serve(sending(list(map(as_sent, drift())))) as server:
        loaded = target.load(directory, {"url": server.url, **config})
    assert loaded.run.code == 0, loaded.run.stderr
    assert loaded.code == 0, loaded.errors
    return loaded.rows


def test_drift_into_jsonl(tmp_path: Path, feed_config: dict[str, Any]) -> None:
    (target,) = (target for target in FILES if target.name == "target-jsonl")
    check(load(target, tmp_path, feed_config), drift())


def test_drift_into_csv(tmp_path: Path, feed_config: dict[str, Any]) -> None:
    (target,) = (target for target in FILES if target.name == "target-csv")
    rows = {int(row["i"]): row for row in load(target, tmp_path, feed_config)}
    assert len(rows) == len(drift())
    for record in drift():
        row = rows[record["i"]]
        rescued = parse(row["_rescued_data"] or "{}")
        for name, value in record.items():
            if name in rescued:
                assert rescued[name] == value
            elif isinstance(value, str):
                assert row[name] == value
            elif value is not None:
                assert parse(row[name].lower()) == parse(as_sent(value).lower())


def test_drift_into_postgres(
    tmp_path: Path,
    feed_config: dict[str, Any],
    postgres: Postgres,
    database: str,
) -> None:
    messages = drift()
    with serve(sending(list(map(as_sent, messages)))) as server:
        config = {"url": server.url, **feed_config}
        codes, rows, types = into_postgres(tmp_path, config, postgres, database)
    assert codes == [0, 0]
    check(rows, messages)
    assert types["a"] == "bigint"
    assert types["appears"] == "text"
    assert types["null_first"] == "bigint"


@pytest.mark.parametrize("name", ["target-duckdb", "pipelinewise-target-postgres"])
def test_drift_into_targets_that_know_no_case(
    name: str,
    tmp_path: Path,
    feed_config: dict[str, Any],
    request: pytest.FixtureRequest,
) -> None:
    if name == "target-duckdb":
        target = duckdb()
    else:
        server: Postgres = request.getfixturevalue("postgres")
        target = pipelinewise_postgres(server, request.getfixturevalue("database"))
    rows = load(target, tmp_path, feed_config)
    sent_as = json.loads((tmp_path / "columns.json").read_text())["sent_as"]
    folded = {name.lower(): sent for name, sent in sent_as.items()}
    assert any(name != sent for name, sent in sent_as.items())
    check(rows, drift(), folded)


def test_the_demo_feed_into_postgres(
    tmp_path: Path,
    postgres: Postgres,
    database: str,
) -> None:
    """Only `url` and `max_messages` are set."""
    feed = trades(7)
    messages = [next(feed) for _ in range(600)]
    with serve(sending(messages)) as server:
        config = {"url": server.url, "max_messages": 600}
        _, rows, types = into_postgres(tmp_path, config, postgres, database)
    expected = {
        "symbol": "text",
        "traded_at": "text",
        "price": "numeric",
        "quantity": "numeric",
        "trade_id": "bigint",
        "buyer_is_maker": "boolean",
        "venue": "jsonb",
        "flags": "jsonb",
    }
    assert {name: types[name] for name in expected} == expected
    for row, message in zip(rows, messages, strict=True):
        assert dict(gather(row)) == parse(message)


def test_names_that_differ_by_case_have_their_columns_in_postgres(
    tmp_path: Path,
    postgres: Postgres,
    database: str,
) -> None:
    """Binance's own trade, with `url` and `max_messages` alone."""
    trade = {"e": "trade", "E": 1672515782136, "s": "BNBBTC", "p": "0.00100000"}
    trade |= {"q": "100", "T": 1672515782135, "m": True, "M": False}
    messages = [as_sent(trade | {"t": number}) for number in range(300)]
    with serve(sending(messages)) as server:
        config = {"url": server.url, "max_messages": 300}
        _, rows, types = into_postgres(tmp_path, config, postgres, database)
    names = {name for name in types if not name.startswith("_")}
    assert names == {"e", "E", "s", "t", "p", "q", "T", "m", "M"}
    assert [{name: row[name] for name in names} for row in rows] == list(
        map(parse, messages),
    )
    assert all(row["_rescued_data"] is None for row in rows)


@pytest.mark.parametrize(
    "given",
    [
        {"infer_messages": 0},
        {"envelope": True},
        {"message_format": "raw_string"},
        {"message_format": "binary"},
        {"record_metadata": True},
        {"contexts": [{"region": "eu"}]},
    ],
    ids=str,
)
def test_no_row_without_data_in_any_format(
    given: dict[str, Any],
    tmp_path: Path,
    postgres: Postgres,
    database: str,
) -> None:
    feed = trades(7)
    messages = [next(feed) for _ in range(150)]
    with serve(sending(messages)) as server:
        config = {"url": server.url, "max_messages": 150, **given}
        _, rows, _ = into_postgres(tmp_path, config, postgres, database)
    assert len(rows) == 150
    if "record_metadata" in given or "contexts" in given:
        assert [row["trade_id"] for row in rows] == list(range(1, 151))
    else:
        assert all(row["data"] for row in rows)
    if "infer_messages" in given or "envelope" in given:
        assert [row["data"] for row in rows] == [parse(message) for message in messages]


def test_any_json_value_in_the_data_column(
    tmp_path: Path,
    postgres: Postgres,
    database: str,
) -> None:
    values = ["{}", '{"a":1.10}', "[1,{}]", '"text"', "12", "1.5", "true", '"\\u0000"']
    with serve(sending(values)) as server:
        config = {"url": server.url, "max_messages": len(values), "envelope": True}
        _, rows, types = into_postgres(tmp_path, config, postgres, database)
    assert types["data"] == "jsonb"
    assert types["received_at"].startswith("timestamp")
    assert [row["data"] for row in rows[:-1]] == [parse(value) for value in values[:-1]]
    assert rows[-1]["data"] == values[-1]


def test_meltano_run_into_jsonl(tmp_path: Path) -> None:
    feed = trades(3)
    messages = [next(feed) for _ in range(400)]
    output = tmp_path / "output"
    with serve(sending(messages)) as server:
        config = {
            "url": server.url,
            "idle_timeout": "20.5",
            "headers": {"X-Api.Key": "abc"},
        }
        make_project(tmp_path, tap_config=config, output=output)
        done = subprocess.run(
            [tool("meltano"), "run", "tap-websocket", "target-jsonl"],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        peers = server.peers
    assert done.returncode == 0, done.stderr
    assert peers[-1].headers["x-api.key"] == "abc"
    rows = [
        parse(line) for line in (output / "messages.jsonl").read_text().splitlines()
    ]
    assert rows == [parse(message) for message in messages]
    assert json.loads(messages[0]).keys() <= rows[0].keys()
