"""100,000 messages of the demo feed, with drops: each in the file, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from scripts.feed import demo_feed
from tap_websocket.demo import trades
from tests.support.tap import parse, run_tap

if TYPE_CHECKING:
    from pathlib import Path

MESSAGES = 100_000


def config(url: str, **given: Any) -> dict[str, Any]:
    return {
        "url": url,
        "reconnect": True,
        "reconnect_backoff": 0.05,
        **given,
    }


@pytest.mark.parametrize("transport", ["websockets", "picows"])
def test_three_orderly_drops_lose_nothing(transport: str, tmp_path: Path) -> None:
    drops = str(MESSAGES // 4 + 1)
    with demo_feed("--rate", "0", "--seed", "5", "--drop-every", drops) as url:
        given = config(url, max_messages=MESSAGES, transport=transport)
        run = run_tap(tmp_path, given, timeout=120)
    assert run.code == 0, run.stderr
    assert "reconnects=3" in run.ending
    feed = trades(5)
    assert len(run.records) == MESSAGES
    for record in run.records:
        assert record == parse(next(feed))


@pytest.mark.parametrize("transport", ["websockets", "picows"])
def test_three_resets_leave_a_prefix_on_each_connection(
    transport: str,
    tmp_path: Path,
) -> None:
    every = MESSAGES // 4
    with demo_feed("--rate", "0", "--drop-every", str(every), "--drop", "reset") as url:
        given = config(
            url,
            max_messages=MESSAGES,
            record_metadata=True,
            transport=transport,
        )
        run = run_tap(tmp_path, given, timeout=120)
    assert run.code == 0, run.stderr
    by_connection: dict[int, list[dict[str, Any]]] = {}
    for record in run.records:
        by_connection.setdefault(record["_connection"], []).append(record)
    assert len(by_connection) >= 4
    for number, records in by_connection.items():
        first = (number - 1) * every + 1
        assert [record["_sequence"] for record in records] == list(
            range(1, len(records) + 1),
        )
        assert [record["trade_id"] for record in records] == list(
            range(first, first + len(records)),
        )
