"""The configs of docs/cookbook.md and docs/exploring.md, run as printed."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from scripts.declared import ROOT
from scripts.tools import tool
from tap_websocket.demo import trades
from tests.support.servers import serve
from tests.support.tap import pipe, run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.postgres import Postgres
    from tests.support.servers import Peer
    from tests.support.tap import Run

DEMO = "ws://127.0.0.1:8765/"


def configs(page: str) -> dict[str, dict[str, Any]]:
    """The page's whole configs, by their heading."""
    found = {}
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    for section in text.split("\n## ")[1:]:
        heading = section.partition("\n")[0]
        for block in re.findall(
            r"^```json\n(.*?)^```", section, re.MULTILINE | re.DOTALL
        ):
            config = json.loads(block)
            if "url" in config:
                found[heading] = config
    return found


COOKBOOK = configs("cookbook")
EXPLORING = configs("exploring")


async def demo(peer: Peer) -> None:
    for number, trade in enumerate(trades(1)):
        await peer.send(trade)
        if number > 300:
            break
    await peer.wait()


def run(directory: Path, config: dict[str, Any]) -> Run:
    assert config["url"].startswith(DEMO)
    if "batch_config" in config:
        config = copy.deepcopy(config)
        config["batch_config"]["storage"]["root"] = directory.as_uri()
    with serve(demo) as server:
        url = config["url"].replace(DEMO, f"{server.url}/")
        done = run_tap(directory, config | {"url": url})
    assert done.code == 0, done.stderr
    assert not done.warnings
    return done


def sent(count: int) -> list[dict[str, Any]]:
    return [
        json.loads(trade) for trade, _ in zip(trades(1), range(count), strict=False)
    ]


@pytest.mark.parametrize("heading", COOKBOOK)
def test_each_config_of_the_cookbook_runs(heading: str, tmp_path: Path) -> None:
    done = run(tmp_path, COOKBOOK[heading])
    assert done.records or done.of_type("BATCH")


def test_only_some_messages(tmp_path: Path) -> None:
    symbols = {
        row["symbol"] for row in run(tmp_path, COOKBOOK["Only some messages"]).records
    }
    assert symbols == {"BTC-USD", "SOL-USD"}


def test_several_connections(tmp_path: Path) -> None:
    records = run(tmp_path, COOKBOOK["Several connections"]).records
    assert {row["room"] for row in records} <= {"north", "south"}
    assert len(records) == 50


def test_several_tables(tmp_path: Path) -> None:
    done = run(tmp_path, COOKBOOK["Several tables"])
    found = {
        (message["stream"], message["record"]["symbol"])
        for message in done.of_type("RECORD")
    }
    assert found == {("btc", "BTC-USD"), ("eth", "ETH-USD")}


def test_rename_and_drop(tmp_path: Path) -> None:
    records = run(tmp_path, COOKBOOK["Rename and drop"]).records
    assert [row["instrument"] for row in records] == [row["symbol"] for row in sent(50)]
    assert all("symbol" not in row for row in records)


def test_mask(tmp_path: Path) -> None:
    records = run(tmp_path, COOKBOOK["Mask"]).records
    salted = [f"keep-me-secret{row['symbol']}".encode() for row in sent(50)]
    masked = [hashlib.md5(text).hexdigest() for text in salted]
    assert [row["symbol"] for row in records] == masked


def test_compute(tmp_path: Path) -> None:
    records = run(tmp_path, COOKBOOK["Compute"]).records
    costs = [row["price"] * row["quantity"] for row in sent(50)]
    assert [float(row["cost"]) for row in records] == pytest.approx(costs)


def test_nested_fields_as_columns(tmp_path: Path) -> None:
    records = run(tmp_path, COOKBOOK["Nested fields as columns"]).records
    assert [row["venue__name"] for row in records] == [
        row["venue"]["name"] for row in sent(50)
    ]


@pytest.mark.parametrize(
    ("heading", "query", "expected"),
    [
        (
            "Real timestamps",
            """
            SELECT data_type, (SELECT count(traded_at) FROM messages)
            FROM information_schema.columns WHERE column_name = 'traded_at'
            """,
            [("timestamp without time zone", 50)],
        ),
        (
            "Keep the newest row of each key",
            "SELECT symbol, trade_id FROM last_trades ORDER BY symbol",
            sorted({row["symbol"]: row["trade_id"] for row in sent(50)}.items()),
        ),
    ],
)
def test_in_postgresql(
    heading: str,
    query: str,
    expected: list[tuple[object, ...]],
    tmp_path: Path,
    postgres: Postgres,
    database: str,
) -> None:
    with serve(demo) as server:
        config = COOKBOOK[heading] | {"url": server.url}
        target = [tool("target-postgres")]
        done, code, errors = pipe(tmp_path, config, target, postgres.config(database))
    assert [done.code, code] == [0, 0], done.stderr + errors
    with postgres.connect(database) as connection:
        assert list(connection.execute(query)) == expected


def test_exploring_begins_with_texts_and_goes_on_with_values(tmp_path: Path) -> None:
    texts, values = EXPLORING.values()
    records = run(tmp_path, texts).records
    assert [json.loads(row["data"]) for row in records] == sent(5)
    records = run(tmp_path, values).records
    assert [float(row["data"]["price"]) for row in records] == [
        row["price"] for row in sent(20)
    ]
