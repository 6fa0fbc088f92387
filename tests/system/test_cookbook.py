"""The configs of docs/cookbook.md and docs/exploring.md, run as printed."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from scripts.declared import ROOT
from scripts.tools import tool
from tap_websocket.demo import trades
from tests.support.drift import sending
from tests.support.servers import serve
from tests.support.tap import pipe, run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.postgres import Postgres
    from tests.support.servers import Peer
    from tests.support.tap import Run

DEMO = "ws://127.0.0.1:8765/"


def blocks(page: str, language: str) -> dict[str, list[str]]:
    """The page's blocks of a language, by their heading."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    found = {}
    for section in text.split("\n## ")[1:]:
        heading = section.partition("\n")[0]
        found[heading] = re.findall(
            rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL
        )
    return found


def configs(page: str) -> dict[str, dict[str, Any]]:
    """The page's whole configs, by their heading."""
    return {
        heading: config
        for heading, given in blocks(page, "json").items()
        for config in map(json.loads, given)
        if "url" in config
    }


COOKBOOK = configs("cookbook")
EXPLORING = configs("exploring")
# What is written into the file of `schema_location`, by the heading.
COLUMNS = {
    heading: columns
    for heading, given in blocks("cookbook", "json").items()
    for columns in map(json.loads, given)
    if "url" not in columns
}


async def demo(peer: Peer) -> None:
    for number, trade in enumerate(trades(1)):
        await peer.send(trade)
        if number > 300:
            break
    await peer.wait()


def run(directory: Path, config: dict[str, Any]) -> Run:
    assert config["url"].startswith(DEMO)
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
    assert done.records


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


def load(
    directory: Path,
    config: dict[str, Any],
    target_config: dict[str, object],
    script: Any = demo,
) -> None:
    """Run the tap into target-postgres."""
    with serve(script) as server:
        config = config | {"url": server.url}
        target = [tool("target-postgres")]
        done, code, errors = pipe(directory, config, target, target_config)
    assert [done.code, code] == [0, 0], done.stderr + errors


def discover(directory: Path, config: dict[str, Any], script: Any = demo) -> None:
    """Write the file of `schema_location`."""
    with serve(script) as server:
        done = run_tap(directory, config | {"url": server.url}, "--discover")
    assert done.code == 0, done.stderr


def declare(directory: Path, heading: str) -> None:
    """Edit the file of `schema_location` as the page says."""
    path = directory / "trades.columns.json"
    document = json.loads(path.read_text())
    assert COLUMNS[heading].keys() <= document["schema"]["properties"].keys()
    document["schema"]["properties"] |= COLUMNS[heading]
    path.write_text(json.dumps(document))


def priced(*prices: object) -> Any:
    """A feed of trades with these prices, numbered from the first one."""
    return sending(
        [
            json.dumps({"trade_id": number, "price": price})
            for number, price in enumerate(prices)
        ]
    )


def test_keep_the_newest_row_of_each_key(
    tmp_path: Path, postgres: Postgres, database: str
) -> None:
    config = COOKBOOK["Keep the newest row of each key"]
    load(tmp_path, config, postgres.config(database))
    with postgres.connect(database) as connection:
        query = "SELECT symbol, trade_id FROM last_trades ORDER BY symbol"
        newest = {row["symbol"]: row["trade_id"] for row in sent(50)}
        assert list(connection.execute(query)) == sorted(newest.items())


def utc(text: str) -> dt.datetime:
    """Return a time as a column without a zone has it."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=None)


def times(postgres: Postgres, database: str) -> list[object]:
    with postgres.connect(database) as connection:
        query = "SELECT traded_at FROM messages ORDER BY trade_id"
        return [row[0] for row in connection.execute(query)]


def test_real_timestamps(tmp_path: Path, postgres: Postgres, database: str) -> None:
    """With keys, in columns that last, and in UTC whatever the database's time is."""
    heading = "Real timestamps"
    config = COOKBOOK[heading]
    text = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
    (in_utc,) = re.findall(r"`(ALTER ROLE [^`]*)`", text)
    with postgres.connect() as connection:
        connection.execute("CREATE ROLE loader SUPERUSER LOGIN")
        connection.execute(f"ALTER DATABASE {database} SET timezone TO 'Asia/Tokyo'")
        connection.execute(in_utc)
    discover(tmp_path, config)
    declare(tmp_path, heading)
    for _ in range(2):
        load(tmp_path, config, postgres.config(database) | {"user": "loader"})
    assert times(postgres, database) == [utc(row["traded_at"]) for row in sent(50)]


def test_change_a_columns_type(
    tmp_path: Path, postgres: Postgres, database: str
) -> None:
    heading = "Change a column's type"
    (sql,) = blocks("cookbook", "sql")[heading]
    config = COOKBOOK["Real timestamps"] | {"max_messages": 4, "infer_messages": 1}
    target = postgres.config(database)
    load(tmp_path, config, target, priced(100, 100.25, "n/a", 101))
    query = "SELECT price, _rescued_data FROM messages ORDER BY trade_id"
    with postgres.connect(database) as connection:
        before = list(connection.execute(query))
        assert before[1] == (None, '{"price":100.25}')
        connection.execute(sql.encode())
    declare(tmp_path, heading)
    fresh = config | {"max_messages": 5}
    load(tmp_path, fresh, target, priced(100, 100.25, "n/a", 101, 102.5))
    with postgres.connect(database) as connection:
        after = list(connection.execute(query))
    odd = (None, '{"price":"n/a"}')
    assert before[2] == odd
    plain = [(Decimal(text), None) for text in ("100", "100.25", "101", "102.5")]
    assert after == [*plain[:2], odd, *plain[2:]]


def test_numbers_become_text_and_numbers_again(
    tmp_path: Path, postgres: Postgres, database: str
) -> None:
    config = COOKBOOK["Real timestamps"] | {"infer_messages": 1}
    target = postgres.config(database)
    query = "SELECT price, _rescued_data::jsonb FROM messages ORDER BY trade_id"

    def grow(heading: str, *prices: object) -> list[tuple[object, ...]]:
        """Change table and file as the page says, and load these prices."""
        (sql,) = blocks("cookbook", "sql")[heading]
        with postgres.connect(database) as connection:
            connection.execute(sql.encode())
        declare(tmp_path, heading)
        load(tmp_path, config | {"max_messages": len(prices)}, target, priced(*prices))
        with postgres.connect(database) as connection:
            return list(connection.execute(query))

    prices: list[object] = [100.25, "n/a", 101]
    load(tmp_path, config | {"max_messages": 3}, target, priced(*prices))
    prices += ["off", "12", 7, True, "007", None]
    texts = ["100.25", "n/a", "101", "off", '"12"', "7", "true", "007", None]
    found = grow("From numbers to text", *prices)
    assert found == [(text, None) for text in texts]

    prices.append(8.5)
    found = grow("From text back to numbers", *prices)
    plain = [
        (Decimal(str(price)), None)
        if isinstance(price, int | float) and price is not True
        else (None, None if price is None else {"price": price})
        for price in prices
    ]
    assert found == plain


def test_texts_become_times(tmp_path: Path, postgres: Postgres, database: str) -> None:
    text = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
    (alter,) = re.findall(r"`(ALTER COLUMN traded_at [^`]*)`", text)
    config = COOKBOOK["Real timestamps"]
    load(tmp_path, config, postgres.config(database))
    with postgres.connect(database) as connection:
        connection.execute(f"ALTER DATABASE {database} SET timezone TO 'UTC'")
        connection.execute(f"SET timezone TO 'UTC'; ALTER TABLE messages {alter}")
    declare(tmp_path, "Real timestamps")
    load(tmp_path, config | {"max_messages": 60}, postgres.config(database))
    assert times(postgres, database) == [utc(row["traded_at"]) for row in sent(60)]


def test_odd_values_in_a_column_of_their_own(tmp_path: Path) -> None:
    config = COOKBOOK["Odd values in a column of their own"] | {"max_messages": 3}
    feed = priced(1.5, "n/a", 2)
    discover(tmp_path, config, feed)
    declare(tmp_path, "Change a column's type")
    with serve(feed) as server:
        done = run_tap(tmp_path, config | {"url": server.url})
    assert done.code == 0, done.stderr
    found = [(row.get("price"), row["price_text"]) for row in done.records]
    assert found == [(Decimal("1.5"), None), (None, "n/a"), (2, None)]


def test_older_odd_values_take_their_place(
    tmp_path: Path, postgres: Postgres, database: str
) -> None:
    heading = "Odd values in a column of their own"
    (sql,) = blocks("cookbook", "sql")[heading]
    config = COOKBOOK[heading]
    target = postgres.config(database)
    before = {name: value for name, value in config.items() if name != "stream_maps"}
    few: dict[str, Any] = {"max_messages": 2, "infer_messages": 1}
    load(tmp_path, before | few, target, priced(1.5, "n/a"))
    load(tmp_path, config | few | {"max_messages": 3}, target, priced(2.5, "off", True))
    query = 'SELECT price, price_text FROM messages ORDER BY price_text COLLATE "C"'
    with postgres.connect(database) as connection:
        connection.execute(sql.encode())
        found = list(connection.execute(query))
    assert found[:3] == [(None, "True"), (None, "n/a"), (None, "off")]
    assert {row[1] for row in found[3:]} == {None}


def test_numbers_that_are_sent_as_texts(
    tmp_path: Path, postgres: Postgres, database: str
) -> None:
    (sql,) = blocks("cookbook", "sql")["Numbers that are sent as texts"]
    prices = ["100.25", "7", 8, "9.50"]
    feed = sending(
        [
            json.dumps({"trade_id": number, "price": price, "ts": "1767225600196"})
            for number, price in enumerate(prices)
        ]
    )
    config = COOKBOOK["Real timestamps"] | {"max_messages": 4, "infer_messages": 1}
    load(tmp_path, config, postgres.config(database), feed)
    with postgres.connect(database) as connection:
        connection.execute(sql.encode())
        query = "SELECT price, traded_at FROM prices ORDER BY trade_id"
        found = list(connection.execute(query))
    time = dt.datetime(2026, 1, 1, 0, 0, 0, 196000, tzinfo=dt.UTC)
    assert found == [(Decimal(str(price)), time) for price in prices]


def test_exploring_begins_with_texts_and_goes_on_with_values(tmp_path: Path) -> None:
    texts, values = EXPLORING.values()
    records = run(tmp_path, texts).records
    assert [json.loads(row["data"]) for row in records] == sent(5)
    records = run(tmp_path, values).records
    assert [float(row["data"]["price"]) for row in records] == [
        row["price"] for row in sent(20)
    ]


def test_what_exploring_ends_with_runs(tmp_path: Path) -> None:
    (text,) = blocks("exploring", "json")["5. Make it last"]
    config = {"url": DEMO, "max_messages": 20} | json.loads(text)
    done = run(tmp_path, config)
    assert done.of_type("SCHEMA")[0]["key_properties"] == ["trade_id"]
    assert len(done.records) == 20
