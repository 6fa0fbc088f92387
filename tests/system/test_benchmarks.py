"""The benchmark in its smallest form, so that it does not rot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.contestants import CONTESTANTS, PICOWS, PLAIN_TAP, SCRIPT
from benchmarks.feed_report import expectations, feeds_part, target_part
from benchmarks.feed_targets import RECIPES
from benchmarks.feeds import BINANCE, FIRST, NUMBER, TRADES, feed, feed_names
from benchmarks.latency import summary
from benchmarks.markdown import in_parts
from benchmarks.paced import FLUSHING, Paced, PacedResults
from benchmarks.processes import FailedError, serving
from benchmarks.real import FeedResults, measure_feed
from benchmarks.recipe_feeds import RECIPE_FEEDS
from benchmarks.report import Report
from benchmarks.sender import messages, pongs, trade_ids
from benchmarks.shapes import shapes
from benchmarks.starts import Cost, messages_for, whole_cost
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
    *("--feed-records", "2000"),
    *("--long", "2000"),
    *("--paced", "200"),
    *("--only", *ONLY),
)
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.timeout(600)  # fifty runs of the tap and others
def test_the_whole_benchmark_in_its_smallest_form(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    block = "<!-- benchmark -->\n<!-- /benchmark -->\n"
    (tmp_path / "README.md").write_text(f"# Tap\n{block}The end.\n")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *SMALLEST, "--write", tmp_path],
        cwd=ROOT,
        env=clean_environment({"PATH": os.defpath}),
        capture_output=True,
        text=True,
        timeout=600,
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
    titles = (
        *(
            "Feeds as users have them",
            "Messages that come alone",
            "Trades in a long run",
        ),
        *("Memory of a connection", "Latency", "20 connections", "Peak memory"),
        *("Start-up", "Message rules"),
    )
    for title in titles:
        assert f"**{title}" in page
    for part in done.stdout.split("\n\n"):
        assert part.strip() in page
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
    rescued = ours.replace(b'"a":', b'"_rescued_data":"{\\"d\\":1}","a":')
    assert shapes(rescued, rescued=True) == shapes(theirs.replace(b"{", b'{"d": 1, '))
    assert shapes(rescued) != shapes(theirs.replace(b"{", b'{"d": 1, '))


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
    assert Target("x", 2, [2]).verdict == "met"
    assert Target("x", 2, [1.9]).verdict == "**not met**"
    assert Target("x", 1.1, [1.1], at_most=True).verdict == "met"
    assert Target("x", 1.1, [1.2], at_most=True).verdict == "**not met**"
    assert Target("x", 2, []).verdict == "not measured"
    assert Target("x", 2, [2, 3]).verdict == "met"
    several = Target("x", 2, [1, 4, 3], apart=[5, 6])
    assert several.verdict == "**not met**: 2 of 3 are"
    assert several.row("today") == (
        *("x", "≥ 2", "1.00 to 4.00, median 3.00", several.verdict),
        *("5.00 to 6.00, median 5.50", "today"),
    )


def test_a_target_that_a_run_leaves_out_keeps_its_row() -> None:
    first = target_part([Target("x", 2, [3]), Target("gone", 2, [3])], "monday", "")
    second = target_part([Target("x", 2, []), Target("y", 1, [0.5])], "tuesday", first)
    assert "| x | ≥ 2 | 3.00 | met | - | monday |" in second
    assert "| y | ≥ 1 | 0.50 | **not met** | - | tuesday |" in second
    assert "gone" not in second


def _results(name: str, rate: float, records: int = 100) -> FeedResults:
    results = Results()
    results.add(PICOWS.name, Sample(rate, None, 5, 1, apart=4))
    results.add(SCRIPT.name, Sample(rate / 2, None, 10, 1, apart=8))
    results.add("faucet", Sample(rate * 2, None, 2, 1, apart=2))
    return FeedResults(name, 100, records, results, {"bento": "it cannot"})


def test_a_feed_that_a_run_leaves_out_keeps_its_row() -> None:
    first = feeds_part([_results(TRADES, 10), _results(BINANCE, 20)], "monday", "")
    second = feeds_part([_results(TRADES, 30, 200)], "tuesday", first)
    assert f"| {BINANCE} | 100 | 20 | 10 | 40 | fails | 4.00 | 8.00 | 2.00 |" in second
    assert "| 2.00 | 0.50 | monday |" in second
    # Two records a message: faucet's messages are half as many.
    assert f"| {TRADES} | 200 | 30 | 15 | 30 | fails | 4.00 | 8.00 | 4.00 |" in second
    assert "| 2.00 | 1.00 | tuesday |" in second


def test_what_a_user_can_expect_is_taken_from_the_rows() -> None:
    feeds = {name: _results(name, 1000) for name in (TRADES, BINANCE, *RECIPES)}
    feeds[BINANCE] = _results(BINANCE, 4000)
    feeds[RECIPES[3]] = _results(RECIPES[3], 50)
    paced = PacedResults()
    for rate, each in ((1000, 25), (10_000, 5)):
        paced[PICOWS.name, rate] = [Paced(1, each)]
        paced[FLUSHING.name, rate] = [Paced(1, each * 4)]
    plain, recipes, singly = expectations(
        feeds, (TRADES, BINANCE), paced, 0.42
    ).splitlines()
    assert ": 1,000 to 4,000 records a second, 2.0 times what a Python script" in plain
    assert ": 50 to 1,000 records a second" in recipes
    assert f"Slowest: {RECIPES[3]} (50), " in recipes
    assert "1,000 a second: 25 µs of CPU for each, a script's 100." in singly
    assert singly.endswith("The first record comes 0.4 s after the start.")
    report = Report("A machine.", "monday", {"feeds": 1}, feeds=feeds)
    assert "expect" not in report.readme_parts()
    report.paced = paced
    report.start_up = {PICOWS.name: [0.42]}
    assert report.readme_parts()["expect"].splitlines() == [plain, recipes, singly]


def test_a_slow_contestant_reads_a_fifth_of_a_long_feed() -> None:
    assert messages_for(PICOWS, 100_000, 115) == 100_000
    assert messages_for(SCRIPT, 100_000, 115) == 20_000
    assert messages_for(SCRIPT, 99_999, 115) == 99_999
    assert messages_for(SCRIPT, 30_000, 65_536) == 6000
    # A start of one second, and two seconds for the fifth.
    assert whole_cost(Cost(3, 1.5), Cost(1, 0.5), 5) == Cost(11, 5.5)
    # One that had a slower start: what was read whole is as it was measured.
    assert whole_cost(Cost(2, 1), Cost(3, 2), 1) == Cost(2, 1)
    sample = Sample(20_000 / 3, None, 1.5e6 / 20_000, 1)
    whole = sample.of_whole(20_000, 100_000, Cost(1, 0.5))
    assert whole.rate == pytest.approx(100_000 / 11)
    assert whole.cpu == pytest.approx(55)
    assert whole.apart == pytest.approx(50)
    found = measure_feed(
        TRADES, 100_000, {SCRIPT: Cost(0.01, 0.01)}, rounds=1, say=lambda _: None
    )
    assert found.records == 100_000
    assert found.results.names == [SCRIPT.name]
    assert not found.failed


def test_a_long_feed_is_sent_again_and_again() -> None:
    assert feed(TRADES).turns(1000) == (1000, 1)
    assert feed(TRADES).turns(10_000_000) == (1_000_000, 10)
    assert feed(BINANCE).messages_for(600_000) == 1_000_000
    assert feed("order books").messages_for(600_000) == 30_000
    assert feed("okx: Trades").messages_for(600_000) == 400_000
    each, times = feed("order books").turns(30_000)
    assert 1 < times < 10
    assert each * times == 30_000


def test_latency_leaves_the_warm_up_out() -> None:
    found = summary([99_000_000] * 20 + [1_000_000] * 79 + [5_000_000])
    assert (found.p50, found.p99, found.most) == (1, 5, 5)
