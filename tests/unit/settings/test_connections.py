"""Shards and chunks: each topic in exactly one place, on every machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_websocket.settings.connections import (
    Shard,
    chunks,
    context_text,
    stable_hash,
    unique,
)

TOPICS = st.lists(st.text(max_size=12), max_size=40)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0xE3B0C44298FC1C14),
        ("abc", 0xBA7816BF8F01CFEA),
        ("BTC-USDT", 0x1EE9B22009482F42),
        ("€", 0xC4CC90ED3D26F12D),
    ],
)
def test_the_hash_is_the_first_eight_bytes_of_sha_256(text: str, number: int) -> None:
    assert stable_hash(text) == number


@given(st.text(), st.integers(1, 50))
def test_each_topic_belongs_to_exactly_one_shard(text: str, count: int) -> None:
    owners = [index for index in range(count) if Shard(index, count).owns(text)]
    assert owners == [stable_hash(text) % count]


def test_shards_are_about_equally_large() -> None:
    topics = [f"SYM{number}-USDT" for number in range(3000)]
    sizes = [sum(map(Shard(index, 4).owns, topics)) for index in range(4)]
    assert sum(sizes) == 3000
    assert min(sizes) > 650


def test_a_process_alone_owns_everything() -> None:
    assert Shard().owns("anything")


def test_a_lone_surrogate_has_a_hash() -> None:
    assert stable_hash("\ud800") != stable_hash("\ud801")


def test_a_context_is_hashed_by_its_sorted_compact_json() -> None:
    assert context_text({"b": "2", "a": "é"}) == '{"a":"é","b":"2"}'


def test_a_secret_of_a_context_is_not_hashed() -> None:
    assert context_text({"account": "a", "$token": "s"}) == '{"account":"a"}'


@given(TOPICS, st.none() | st.integers(1, 7))
def test_chunks_hold_all_topics_in_order(topics: list[str], size: int | None) -> None:
    made = [list(chunk) for chunk in chunks(topics, size)]
    assert [topic for chunk in made for topic in chunk] == topics
    assert all(made)
    if size is None:
        assert len(made) == bool(topics)
    else:
        assert all(len(chunk) == size for chunk in made[:-1])
        assert all(len(chunk) <= size for chunk in made)


def test_duplicates_count_once_and_the_order_is_kept() -> None:
    assert unique(["b", "a", "b", "c", "a"]) == ("b", "a", "c")
