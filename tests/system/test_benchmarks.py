"""The benchmark in its smallest form, so that it does not rot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.contestants import CONTESTANTS, PICOWS, PLAIN_TAP, SCRIPT
from benchmarks.feeds import FIRST, NUMBER, feed, feed_names
from benchmarks.latency import summary
from benchmarks.markdown import in_parts
from benchmarks.processes import FailedError, serving
from benchmarks.real import shapes
from benchmarks.recipe_feeds import RECIPE_FEEDS
from benchmarks.report import in_block
from benchmarks.sender import messages, pongs, trade_ids
from benchmarks.targets import Target
from benchmarks.throughput import Results, Sample, check, run_once
from scripts.recipes import recipe
from tests.support.tap import clean_environment

ROOT = Path(__file__).resolve().parents[2]
ONLY = ("tap, picows", "tap, websockets, SDK path", "a user's script", "plain SDK tap")
FEEDS = ("trades", "order books", "two lines", "htx: Trades", "slack: Events")
SMALLEST = (
    *("--messages", "2000"),
    *("--sizes", "115"),
    *("--rounds", "1"),
    *("--rates", "1000"),
    *("--seconds", "0.5"),
    *("--connections", "20"),
    *("--feeds", *FEEDS),
    *("--feed-messages", "2000"),
    *("--long", "2000"),
    *("--paced", "200"),
    *("--only", *ONLY),
)
PNG = b"\x89PNG\r\n\x1a\n"


def test_the_whole_benchmark_in_its_smallest_form(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(f"# Tap\n{report.BEGIN}{report.END}The end.\n")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *SMALLEST, "--write", tmp_path],
        cwd=ROOT,
        env=clean_environment({"PATH": os.defpath}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "docs" / "benchmark.md").read_text()
    for name in ONLY:
        assert f"| {name} |" in page
    for contestant in CONTESTANTS:
        if contestant.binary is not None:
            assert f"| {contestant.name} | not on the PATH |" in page
    for name in FEEDS:
        assert f"| {name} | " in page
    titles = ("Messages that come alone", "A long run", "Memory of a connection")
    for title in titles:
        assert f"**{title}" in page
    for title in ("Latency", "20 connections", "Peak memory", "Start-up", "Targets"):
        assert f"**{title}" in page
    assert page.strip().endswith(done.stdout.strip())
    assert (tmp_path / "docs" / "benchmark.png").read_bytes().startswith(PNG)
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith("# Tap\n")
    assert readme.endswith("The end.\n")
    assert "| tap, picows |" in readme


@pytest.mark.parametrize("name", feed_names())
def test_a_feed_holds_each_number_once_and_in_order(name: str) -> None:
    played = feed(name)
    count = 2 * len(played.lines)
    sent = b"".join(map(played.unpack, played.messages(count)))
    numbers = list(map(int, NUMBER.findall(sent)))
    assert numbers == list(range(FIRST, FIRST + played.records(count)))


def test_a_recipe_is_measured_as_its_page_prints_it() -> None:
    for source in RECIPE_FEEDS:
        assert feed(source.name).config == recipe(source.page, source.section).config


def test_records_are_the_same_however_they_are_written() -> None:
    ours = (
        b'{"type":"SCHEMA","stream":"x"}\n'
        b'{"type":"RECORD","stream":"x","record":{"a":7700000000001,"b":null,'
        b'"c":"[1, 2]"},"time_extracted":"2026-11-02T09:30:00+00:00"}\n'
    )
    theirs = b'{"c": [1,2], "a": "7700000000001"}\n{"a": 7700000000002, "c": [1, 2]}\n'
    assert shapes(ours) == shapes(theirs)
    assert shapes(ours) != shapes(theirs.replace(b"[1,2]", b"[1,3]"))


def test_a_part_of_a_page_takes_the_place_of_its_last_version() -> None:
    page = in_parts("# Fast\n", {"a": "one", "b": "two"})
    assert page.startswith("# Fast\n")
    changed = in_parts(page, {"a": "three"})
    assert changed == page.replace("one", "three")


def test_a_run_that_lacks_a_record_fails_loudly() -> None:
    records = [b'{"trade_id": %d}\n' % number for number in (100_000, 100_001)]
    check("x", b"".join(records), [100_000, 100_001])
    for output in (records[:1], records[::-1], [*records, records[1]], []):
        with pytest.raises(FailedError, match="records"):
            check("x", b"".join(output), [100_000, 100_001])
    with pytest.raises(FailedError, match="lines"):
        check("x", b"".join(records).replace(b"\n", b" "), [100_000, 100_001])


def test_a_contestant_that_fails_is_not_measured() -> None:
    with serving("sender", 10, 115) as server, pytest.raises(FailedError):
        run_once(SCRIPT, server.url.replace("ws:", "xx:"), 10)


def test_what_is_sent() -> None:
    for size in (115, 1024, 65536):
        for message in messages(3, size):
            assert abs(len(message) - size) < 20
            assert "trade_id" in json.loads(message)
    noisy = [json.loads(message) for message in messages(1000, 115, 100)]
    sent = [message["trade_id"] for message in noisy if "trade_id" in message]
    assert sent == trade_ids(1000, 100)
    others = [message for message in noisy if "trade_id" not in message]
    assert sum(message.get("type") == "heartbeat" for message in others) == 5
    assert sum(message.get("event") == "info" for message in others) == 5


def test_a_ping_is_answered() -> None:
    mask = bytes([1, 2, 3, 4])
    masked = b"\x89\x82" + mask + bytes([ord("a") ^ 1, ord("b") ^ 2])
    pong = b"\x8a\x02ab"
    text = b"\x81\x80\x01\x02\x03\x04"
    assert pongs(masked) == (pong, b"")
    assert pongs(text + masked + masked[:5]) == (pong, masked[:5])
    assert pongs(b"") == (b"", b"")


def test_ratios_are_medians_of_pairs() -> None:
    results = Results()
    for mine, other in ((10.0, 5.0), (30.0, 10.0), (8.0, 1.0)):
        results.add(PICOWS.name, Sample(mine, None, 1, 1))
        results.add(PLAIN_TAP.name, Sample(other, None, 1, 1))
    assert results.ratio(PICOWS.name, PLAIN_TAP.name) == 3
    assert results.ratio(PICOWS.name, "nobody") is None
    assert results.ratio(PICOWS.name, PLAIN_TAP.name, lambda one: one.span_rate) is None
    assert results.names == [PICOWS.name, PLAIN_TAP.name]


def test_verdicts() -> None:
    assert Target("x", 2, 2).verdict == "met"
    assert Target("x", 1.9, 2).verdict == "**not met**"
    assert Target("x", 1.1, 1.1, at_most=True).verdict == "met"
    assert Target("x", 1.2, 1.1, at_most=True).verdict == "**not met**"
    assert Target("x", None, 2).verdict == "not measured"


def test_latency_leaves_the_warm_up_out() -> None:
    found = summary([99_000_000] * 20 + [1_000_000] * 79 + [5_000_000])
    assert (found.p50, found.p99, found.most) == (1, 5, 5)


def test_a_page_without_a_place_for_it_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        in_block("# Tap\n", "body")
