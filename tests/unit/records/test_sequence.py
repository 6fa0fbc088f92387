"""What a feed's own numbers tell."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_websocket.errors import ConfigError
from tap_websocket.feed.inbound import Origin
from tap_websocket.records.sequence import SequenceTracker
from tests.support.receive import make_settings

if TYPE_CHECKING:
    import random


class Feed:
    """A tracker, its clock and its connections."""

    def __init__(self, overlap: float = 5, limit: int = 1000, **sequence: Any) -> None:
        self.now = 0.0
        settings = make_settings(
            reconnect=True, sequence={"path": "$.n", **sequence}
        ).continuity.sequence
        assert settings is not None
        self.tracker = SequenceTracker(
            settings, overlap=overlap, clock=lambda: self.now, limit=limit
        )

    def open(self, group: int = 0) -> Origin:
        origin = Origin(1, "", {}, group=group)
        self.tracker.dialing(origin)
        return origin

    def send(self, origin: Origin, *numbers: Any, **more: Any) -> int:
        """Send numbers; return how many were found missing meanwhile."""
        before = self.tracker.missing
        for number in numbers:
            self.tracker.observe(origin, {"n": number, **more})
        return self.tracker.missing - before


def test_single_numbers() -> None:
    feed = Feed()
    one = feed.open()
    assert feed.send(one, 5, 6, 7) == 0
    assert feed.send(one, 10) == 2
    assert feed.send(one, 9, 10, 11) == 0
    assert feed.tracker.missing == 2


def test_a_step() -> None:
    feed = Feed(step=10)
    one = feed.open()
    assert feed.send(one, 10, 20, 30) == 0
    assert feed.send(one, 60) == 2


def test_ranges() -> None:
    feed = Feed(first="$.u")
    one = feed.open()
    assert feed.send(one, 10, u=1) == 0
    assert feed.send(one, 15, u=11) == 0
    assert feed.send(one, 20, u=14) == 0
    assert feed.send(one, 30, u=25) == 4


def test_numbers_that_name_the_one_before() -> None:
    feed = Feed(previous="$.p")
    one = feed.open()
    assert feed.send(one, 10, p=-1) == 0
    assert feed.send(one, 17, p=10) == 0
    # Nothing has changed: the number stays.
    assert feed.send(one, 17, p=17) == 0
    assert feed.send(one, 40, p=30) == 1
    # The feed has begun to count anew, and says so.
    assert feed.send(one, 3, p=40) == 0
    assert feed.send(one, 4, p=3) == 0


def test_keys_that_come_once_are_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    feed = Feed(limit=100, by=["$.s"])
    one = feed.open()
    for number in range(1000):
        assert feed.send(one, number, s="busy") == 0
        assert feed.send(one, 1, s=f"once {number}") == 0
    assert feed.send(one, 5, s="once 0") == 0
    assert feed.send(one, 5, s="once 999") == 3
    assert feed.send(one, 1001, s="busy") == 1
    warnings = [line for line in caplog.messages if "sequence watches" in line]
    assert len(warnings) == 1
    assert warnings[0].startswith("sequence watches 100 keys (by) at most")


def test_what_a_forgotten_key_lacks_is_counted() -> None:
    feed = Feed(limit=10, by=["$.s"], overlap=60)
    one = feed.open()
    feed.open()
    feed.send(one, 1, 3, s="gap")
    for number in range(100):
        feed.send(one, 1, s=number)
    assert feed.tracker.missing == 1


def test_keys_of_any_length_count_apart() -> None:
    feed = Feed(by=["$.s"])
    one = feed.open()
    long = "x" * 1_000_000
    assert feed.send(one, 1, 2, s=f"{long}a") == 0
    assert feed.send(one, 5, s=f"{long}b") == 0
    assert feed.send(one, 4, s=f"{long}a") == 1
    watched = feed.tracker.observe(one, {"n": 5, "s": f"{long}a"})
    assert watched is not None
    assert len(watched.key) < 1000


def test_how_many_are_missing_has_a_place_in_a_column() -> None:
    feed = Feed()
    one = feed.open()
    feed.send(one, 1)
    watched = feed.tracker.observe(one, {"n": 10**25})
    assert watched is not None
    assert watched.missing == 2**63 - 1
    assert feed.send(one, 10**40) == 0


def test_keys_count_apart() -> None:
    feed = Feed(by=["$.s", "$.c"])
    one = feed.open()
    assert feed.send(one, 1, 2, s="a", c=1) == 0
    assert feed.send(one, 70, s="a", c=2) == 0
    assert feed.send(one, 90, s="b") == 0
    assert feed.send(one, 5, s="a", c=1) == 2
    assert feed.send(one, 91, s="b") == 0


@pytest.mark.parametrize(
    "value", [None, "x", "", 1.5, True, [1], {"a": 1}, "1" * 40, "½"]
)
def test_what_is_no_number_is_not_watched(value: Any) -> None:
    feed = Feed()
    one = feed.open()
    assert feed.send(one, 1, value, 2, value, 3) == 0
    assert feed.tracker.observe(one, {"n": value}) is None
    assert feed.tracker.observe(one, [1]) is None
    assert feed.send(one, 5) == 1


def test_numbers_may_be_texts() -> None:
    feed = Feed()
    one = feed.open()
    assert feed.send(one, "1", "2", "4") == 1


def test_a_new_connection_that_begins_lower_starts_afresh() -> None:
    feed = Feed()
    one = feed.open()
    feed.send(one, 100, 101)
    feed.tracker.dropped(one)
    two = feed.open()
    assert feed.send(two, 1, 2, 3) == 0
    assert feed.send(two, 5) == 1


def test_what_an_outage_skipped_counts_and_breaks_nothing() -> None:
    feed = Feed()
    one = feed.open()
    feed.send(one, 100, 101)
    feed.tracker.dropped(one)
    two = feed.open()
    assert feed.send(two, 105) == 3
    assert not feed.tracker.broken
    assert feed.send(two, 107) == 1
    assert feed.tracker.broken


def test_a_line_fills_what_another_one_skipped() -> None:
    feed = Feed(overlap=5)
    one, two = feed.open(), feed.open()
    feed.send(one, 1, 2)
    feed.send(two, 1, 2)
    assert feed.send(one, 7) == 0
    feed.now += 2
    assert feed.send(two, 4, 5) == 0
    feed.now += 4
    # 3 and 6 came on no line.
    assert feed.send(one, 8) == 2
    assert feed.send(two, 8, 9) == 0


def test_thousands_of_open_gaps_do_not_hold_the_run_up() -> None:
    """One line loses every second message, and another one is seconds behind it."""
    feed = Feed()
    one, other = feed.open(), feed.open()
    count = 16_000
    began = time.process_time()
    feed.send(one, *range(0, 2 * count, 2))
    feed.send(other, *range(2 * count))
    # It takes half a second; a look through all gaps each time, half a minute.
    assert time.process_time() - began < 5
    assert feed.tracker.missing == 0
    feed.tracker.settle()
    assert feed.tracker.missing == 0


def test_what_is_open_at_the_end_counts() -> None:
    feed = Feed()
    one, _ = feed.open(), feed.open()
    assert feed.send(one, 1, 5) == 0
    feed.tracker.settle()
    assert feed.tracker.missing == 3


def test_a_line_that_is_late_has_not_begun_anew() -> None:
    feed = Feed()
    one, two = feed.open(), feed.open()
    assert feed.send(one, 10, 11, 12) == 0
    assert feed.send(two, 9, 10, 11, 12) == 0
    assert feed.send(one, 13) == 0
    feed.tracker.settle()
    assert feed.tracker.missing == 0


def test_each_connection_counts_for_itself() -> None:
    feed = Feed(scope="connection")
    one, two = feed.open(), feed.open()
    assert feed.send(one, 1, 2, 3) == 0
    assert feed.send(two, 1, 2) == 0
    assert feed.send(two, 5) == 2
    feed.tracker.dropped(one)
    three = feed.open()
    assert feed.send(three, 9) == 0


def test_other_groups_are_other_feeds() -> None:
    feed = Feed()
    one, two = feed.open(group=0), feed.open(group=1)
    assert feed.send(one, 1, 2) == 0
    assert feed.send(two, 50, 51) == 0
    assert feed.send(one, 4) == 1


def test_the_log_names_key_and_numbers(caplog: pytest.LogCaptureFixture) -> None:
    feed = Feed(by=["$.s"])
    one = feed.open()
    feed.send(one, 1, 5, 9, s="BTC")
    assert [entry.getMessage() for entry in caplog.records] == [
        'sequence: 3 numbers of ["BTC"] are missing, from 2 to 4'
    ]


def test_the_log_names_a_single_number(caplog: pytest.LogCaptureFixture) -> None:
    feed = Feed()
    feed.send(feed.open(), 8908, 8910)
    assert [entry.getMessage() for entry in caplog.records] == [
        "sequence: 1 number is missing, 8909"
    ]


@pytest.mark.parametrize(
    ("sequence", "problem"),
    [
        ({"path": "$.["}, "sequence.path"),
        ({"path": "$.n", "first": "$.["}, "sequence.first"),
        ({"path": "$.n", "previous": "$.p", "step": 2}, "sequence.step"),
        ({"path": "$.n", "on_gap": "reconnect"}, "needs reconnect: true"),
    ],
)
def test_what_is_wrong_is_named(sequence: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        make_settings(sequence=sequence)
    assert problem in raised.value.problems[0]


@given(
    st.sets(st.integers(1, 40)),
    st.sets(st.integers(1, 40)),
    st.randoms(use_true_random=False),
)
def test_with_two_lines_exactly_what_both_lost_is_missing(
    lost_one: set[int], lost_two: set[int], chance: random.Random
) -> None:
    feed = Feed()
    lines = [feed.open(), feed.open()]
    left = [[n for n in range(42) if n not in lost] for lost in (lost_one, lost_two)]
    while any(left):
        line = chance.choice([n for n in (0, 1) if left[n]])
        feed.send(lines[line], left[line].pop(0))
    feed.tracker.settle()
    assert feed.tracker.missing == len(lost_one & lost_two)


@given(
    scope=st.sampled_from(["feed", "connection"]),
    steps=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from(["a", "b", 1, True, None]),
            st.sampled_from([1, 1, 1, 1, 2, 0, -1, "next", "drop"]),
        ),
        max_size=60,
    ),
)
def test_the_next_number_of_a_key_needs_no_look_at_the_others(
    scope: str, steps: list[tuple[int, Any, Any]]
) -> None:
    feeds = Feed(by=["$.k"], scope=scope), Feed(by=["$.k"], scope=scope)
    lines = [[feed.open() for _ in range(3)] for feed in feeds]
    last = 10
    for at, key, step in steps:
        if step == "drop":
            for feed, open_lines in zip(feeds, lines, strict=True):
                feed.tracker.dropped(open_lines[at])
                open_lines[at] = feed.open()
            continue
        last = last + 1 if step == "next" else last + step
        number = str(last) if step == "next" else last
        quick, plain = feeds
        if not quick.tracker.takes(lines[0][at], [(number, key)]):
            quick.send(lines[0][at], number, k=key)
        plain.send(lines[1][at], number, k=key)
        assert quick.tracker.missing == plain.tracker.missing
        assert quick.tracker.broken == plain.tracker.broken
    found = [
        feed.send(open_lines[0], last + 9, k="a")
        for feed, open_lines in zip(feeds, lines, strict=True)
    ]
    assert found[0] == found[1]


def test_the_next_number_of_a_key_is_taken_quickly() -> None:
    feed = Feed(by=["$.k"])
    one, other = feed.open(), feed.open()
    feed.send(one, 1, 2, k="a")
    assert feed.tracker.takes(one, [(3, "a")])
    assert not feed.tracker.takes(one, [(3, "a")])
    assert not feed.tracker.takes(one, [(5, "a")])
    assert not feed.tracker.takes(one, [(4, "b")])
    # It has brought no number of this key yet.
    assert not feed.tracker.takes(other, [(4, "a")])
    feed.tracker.dropped(other)
    assert not feed.tracker.takes(one, [(4, "a")])
