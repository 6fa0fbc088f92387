"""What makes two records the same, and what is remembered."""

from __future__ import annotations

import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_websocket import jsontext
from tap_websocket.expressions.jsonpath import compile_path
from tap_websocket.feed.inbound import Origin
from tap_websocket.jsontext import canonical
from tap_websocket.records.deduplicate import LIMIT, Deduplicator
from tap_websocket.settings import Deduplicate


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Feed:
    """A deduplicator, its clock and its connections."""

    def __init__(
        self,
        *by: str,
        seconds: float | None = 60,
        overlap: float = 5,
        limit: int = 1000,
    ) -> None:
        self.clock = Clock()
        self.deduplicator = Deduplicator(
            Deduplicate(tuple(map(compile_path, by)), seconds),
            overlap=overlap,
            clock=self.clock,
            limit=limit,
        )

    def open(self, group: int = 0) -> Origin:
        origin = Origin(1, "", {}, group=group)
        self.deduplicator.dialing(origin)
        return origin

    def close(self, origin: Origin) -> None:
        self.deduplicator.dropped(origin)

    def new(self, origin: Origin, value: Any) -> bool:
        if self.deduplicator.is_idle(origin):
            return True
        return self.deduplicator.keeps_value(origin, value)


def test_what_another_line_brought_is_dropped() -> None:
    feed = Feed()
    one, two = feed.open(), feed.open()
    assert feed.new(one, {"n": 1})
    assert not feed.new(two, {"n": 1})
    assert feed.new(two, {"n": 2})
    assert not feed.new(one, {"n": 2})


def test_a_text_that_another_line_brought_is_not_parsed_again() -> None:
    feed = Feed()
    one, two = feed.open(), feed.open()
    parsed: list[bytes] = []

    def parse(text: bytes) -> Any:
        parsed.append(text)
        return jsontext.parse(text)

    keeps = feed.deduplicator.keeps
    texts = [b'{"n":%d}' % number for number in range(5)]
    assert all(keeps(one, texts, parse))
    assert not any(keeps(two, texts, parse))
    assert parsed == texts
    # What is written otherwise is the same all the same.
    assert list(keeps(two, [b'{ "n": 7 }', b'{"n":8}'], parse)) == [True, True]
    assert list(keeps(one, [b'{"n":7}', b'{"n":8}'], parse)) == [False, False]
    assert all(keeps(one, texts, parse))


def test_texts_that_are_known_again_take_little_memory() -> None:
    feed = Feed()
    one, _ = feed.open(), feed.open()
    texts = (b'{"n":%d,"note":"%b"}' % (n, b"x" * 980) for n in range(40_000))
    tracemalloc.start()
    for text in texts:
        assert all(feed.deduplicator.keeps(one, [text], jsontext.parse))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 14 * 2**20


def test_equal_records_on_one_line_are_two() -> None:
    feed = Feed()
    one, two, three = feed.open(), feed.open(), feed.open()
    assert [feed.new(one, {"n": 1}) for _ in range(3)] == [True] * 3
    assert [feed.new(two, {"n": 1}) for _ in range(4)] == [False] * 3 + [True]
    assert [feed.new(three, {"n": 1}) for _ in range(5)] == [False] * 4 + [True]
    assert not feed.new(one, {"n": 1})


def test_thousands_of_equal_records_take_no_longer_than_others() -> None:
    """Looking at all credits of a record for each of them would take 20 s."""
    feed = Feed(limit=LIMIT)
    one, two = feed.open(), feed.open()
    begin = time.process_time()
    assert all(feed.new(one, "tick") for _ in range(20_000))
    assert not any(feed.new(two, "tick") for _ in range(20_000))
    assert time.process_time() - begin < 5
    assert feed.new(two, "tick")


def test_lines_of_other_groups_are_other_feeds() -> None:
    feed = Feed()
    one, _, other = feed.open(), feed.open(), feed.open(group=1)
    assert feed.new(one, {"n": 1})
    assert feed.new(other, {"n": 1})


def test_a_line_begins_without_credits() -> None:
    feed = Feed()
    one = feed.open()
    assert feed.new(one, {"n": 1})
    two = feed.open()
    assert feed.new(two, {"n": 1})


def test_credits_lapse_after_a_time() -> None:
    feed = Feed(seconds=10)
    one, two = feed.open(), feed.open()
    assert feed.new(one, "a")
    feed.clock.now += 9.9
    assert feed.new(one, "b")
    assert not feed.new(two, "a")
    feed.clock.now += 11.1
    assert feed.new(two, "b")


def test_credits_of_a_line_that_has_ended_lapse_after_overlap() -> None:
    feed = Feed(overlap=5)
    one, two, _ = feed.open(), feed.open(), feed.open()
    for value in "abc":
        assert feed.new(one, value)
    feed.close(one)
    feed.clock.now += 4.9
    assert not feed.new(two, "a")
    feed.clock.now += 0.2
    assert feed.new(two, "b")


def test_one_line_alone_is_not_looked_at() -> None:
    feed = Feed()
    one = feed.open()
    assert feed.deduplicator.is_idle(one)
    two = feed.open()
    assert not feed.deduplicator.is_idle(one)
    assert feed.new(one, "a")
    feed.close(one)
    # What it may still bring was emitted.
    assert not feed.deduplicator.is_idle(two)
    assert not feed.new(two, "a")
    assert feed.deduplicator.is_idle(two)


def test_by_names_drops_what_was_seen_on_the_same_line_too() -> None:
    feed = Feed("$.id", "$.at.ms", seconds=None)
    one = feed.open()
    assert feed.new(one, {"id": 1, "at": {"ms": 5}, "noise": 1})
    assert not feed.new(one, {"id": 1, "at": {"ms": 5}, "noise": 2})
    assert feed.new(one, {"id": 1, "at": {"ms": 6}})
    assert feed.new(one, {"id": "1", "at": {"ms": 5}})
    feed.close(one)
    again = feed.open()
    feed.clock.now += 10**6
    assert not feed.new(again, {"id": 1, "at": {"ms": 6}})


def test_each_sight_counts_anew() -> None:
    feed = Feed("$.id", seconds=10)
    one = feed.open()
    assert feed.new(one, {"id": 1})
    for _ in range(3):
        feed.clock.now += 9
        assert not feed.new(one, {"id": 1})
    feed.clock.now += 11
    assert feed.new(one, {"id": 1})


@pytest.mark.parametrize("value", [{"x": 1}, {"id": None, "x": 1}, "text", [1]])
def test_without_a_name_the_whole_record_is_compared(value: Any) -> None:
    feed = Feed("$.id")
    one, two = feed.open(), feed.open()
    assert feed.new(one, value)
    assert feed.new(one, value)
    assert not feed.new(two, value)


def test_the_oldest_are_forgotten_first(caplog: pytest.LogCaptureFixture) -> None:
    feed = Feed("$.id", seconds=100, limit=2000)
    one = feed.open()
    assert all(feed.new(one, {"id": n}) for n in range(3001))
    assert feed.new(one, {"id": 0})
    assert not feed.new(one, {"id": 1001})
    assert not feed.new(one, {"id": 3000})
    assert len(caplog.records) == 1
    assert caplog.records[0].levelname == "WARNING"
    assert "deduplicate" in caplog.text


def test_credits_are_bounded_too(caplog: pytest.LogCaptureFixture) -> None:
    feed = Feed(limit=5000)
    one, two = feed.open(), feed.open()
    assert all(feed.new(one, n) for n in range(20_000))
    dropped = [not feed.new(two, n) for n in range(20_000)]
    assert 5000 <= sum(dropped) <= 6000
    assert all(dropped[15_000:])
    assert len(caplog.records) == 1


def test_what_is_remembered_takes_little_memory() -> None:
    feed = Feed(limit=LIMIT // 10)
    one, _ = feed.open(), feed.open()
    tracemalloc.start()
    assert all(feed.new(one, n) for n in range(LIMIT // 5))
    size, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A tenth of all: some 140 bytes each, and more while a dict grows.
    assert size < 4.5 * 2**20
    assert peak < 8 * 2**20


def test_what_lapsed_is_forgotten_without_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    feed = Feed(seconds=10, limit=100)
    one, _ = feed.open(), feed.open()
    for n in range(1000):
        feed.clock.now += 1
        assert feed.new(one, n)
    assert not caplog.records


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(value)}
    return list(map(shuffled, value)) if isinstance(value, list) else value


@given(JSON)
def test_order_white_space_and_escapes_do_not_matter(value: Any) -> None:
    texts = [
        json.dumps(value),
        json.dumps(value, ensure_ascii=False),
        json.dumps(shuffled(value), indent=1),
    ]
    assert len({canonical(jsontext.parse(text)) for text in texts}) == 1


@given(JSON, JSON)
def test_other_values_are_others(one: Any, other: Any) -> None:
    def parsed(value: Any) -> Any:
        return jsontext.parse(json.dumps(value))

    texts = json.dumps(one, sort_keys=True), json.dumps(other, sort_keys=True)
    same = canonical(parsed(one)) == canonical(parsed(other))
    assert same == (texts[0] == texts[1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1.0"),
        ("1.0", "1.00"),
        ("100e1", "1000"),
        ("1e2", "1E2"),
        ("1", '"1"'),
        ("true", "1"),
        ("null", "{}"),
    ],
)
def test_numbers_are_compared_by_their_text(one: str, other: str) -> None:
    assert canonical(jsontext.parse(one)) != canonical(jsontext.parse(other))


@given(
    st.integers(2, 4),
    st.lists(st.integers(0, 3), max_size=40),
    st.randoms(use_true_random=False),
)
def test_each_record_of_the_feed_comes_once(
    lines: int, sent: list[int], chance: Any
) -> None:
    """Lines that bring the same messages, interleaved in any way."""
    feed = Feed()
    origins = [feed.open() for _ in range(lines)]
    left = [list(sent) for _ in origins]
    emitted: list[int] = []
    while any(left):
        line = chance.choice([n for n in range(lines) if left[n]])
        value = left[line].pop(0)
        if feed.new(origins[line], value):
            emitted.append(value)
    assert sorted(emitted) == sorted(sent)


@given(
    batches=st.lists(
        st.tuples(
            st.integers(0, 1),
            st.sampled_from([0.0, 10.0, 100.0]),
            st.lists(st.integers(0, 6), min_size=1, max_size=8),
        ),
        max_size=12,
    )
)
def test_many_at_once_are_known_again_like_one_by_one(
    batches: list[tuple[int, float, list[int]]],
) -> None:
    feeds = Feed("$.a", limit=20), Feed("$.a", limit=20)
    lines = [[feed.open(group) for group in (0, 1)] for feed in feeds]
    for group, seconds, numbers in batches:
        for feed in feeds:
            feed.clock.now += seconds
        # Some too long to be remembered as they are.
        names = [canonical([f"{number}" * (1 + 9 * number)]) for number in numbers]
        at_once = feeds[0].deduplicator.are_new(lines[0][group], names)
        one_by_one = [
            new
            for name in names
            for new in feeds[1].deduplicator.are_new(lines[1][group], [name])
        ]
        assert at_once == one_by_one
