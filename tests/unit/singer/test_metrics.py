"""METRIC lines: every minute, each with what was counted since the last one."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from tap_websocket.counts import Counts
from tap_websocket.singer.metrics import CountsLog

if TYPE_CHECKING:
    import pytest


def points(caplog: pytest.LogCaptureFixture) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for record in caplog.records:
        point = json.loads(record.getMessage().removeprefix("METRIC: "))
        found.setdefault(point["metric"], []).append(point["value"])
        assert point["tags"]["stream"] == "trades"
    return found


def test_counts_are_logged_every_minute_and_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    now = 0.0
    counts = Counts()
    log = CountsLog(logging.getLogger("m"), "trades", counts, clock=lambda: now)
    for second in range(150):
        now = float(second)
        counts.rescued += 1
        log.update()
    counts.disconnected_seconds += 0.25
    log.write()
    found = points(caplog)
    assert found["rescued_count"] == [61, 60, 29]
    assert found["disconnected_seconds"] == [0, 0, 0.25]
    assert set(map(len, found.values())) == {3}
    assert sum(found["rescued_count"]) == counts.rescued
