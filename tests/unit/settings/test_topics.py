"""Topics and shards in the config: what is read, and each error."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_websocket.errors import ConfigError
from tap_websocket.settings import Settings, coerce, read_settings, schema
from tap_websocket.settings.connections import stable_hash

IN_MESSAGE = {"subscribe_messages": [{"message": {"args": "{topics}"}}]}


def read(**settings: Any) -> Settings:
    base = {"url": "ws://localhost/", "max_duration": 1}
    prepared = coerce.prepare(base | settings, schema())
    if prepared.problems:
        raise ConfigError(list(prepared.problems))
    return read_settings(prepared.config, prepared.given)


def problems(**settings: Any) -> list[str]:
    try:
        read(**settings)
    except ConfigError as error:
        return error.problems
    return []


def topics_of(settings: Settings, fetched: list[str] | None = None) -> list[list[str]]:
    return [list(planned.topics) for planned in settings.connections(fetched)]


def test_all_topics_are_on_one_connection() -> None:
    settings = read(topics=["b", "a", "b"], **IN_MESSAGE)
    assert topics_of(settings) == [["b", "a"]]
    assert settings.connections()[0].context == {}
    assert settings.context_columns == ()


def test_connections_hold_at_most_this_many() -> None:
    settings = read(topics=list("abcde"), topics_per_connection=2, **IN_MESSAGE)
    assert topics_of(settings) == [["a", "b"], ["c", "d"], ["e"]]


def test_templates_make_several_of_each_topic_and_the_limit_counts_those() -> None:
    settings = read(
        topics=["BTC", "ETH", "btc"],
        topic_templates=["{topic|lower}@trade", "{topic|lower}@depth"],
        topics_per_connection=3,
        **IN_MESSAGE,
    )
    assert topics_of(settings) == [
        ["btc@trade", "btc@depth", "eth@trade"],
        ["eth@depth"],
    ]


def test_a_template_may_be_a_piece_of_json() -> None:
    settings = read(
        topics=['a"b'],
        topic_templates=['{"channel":"trades","instId":"{topic|json}"}'],
        subscribe_messages=['{"args":[{topics}]}'],
    )
    assert topics_of(settings) == [['{"channel":"trades","instId":"a\\"b"}']]


def test_a_topic_alone_on_its_connection_is_a_column() -> None:
    settings = read(url="ws://h/{topic}", topics=["a", "b"], topics_per_connection=1)
    assert [dict(one.context) for one in settings.connections()] == [
        {"topic": "a"},
        {"topic": "b"},
    ]
    assert settings.context_columns == ("topic",)


@given(
    st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=30),
    st.integers(1, 5),
)
def test_shards_together_have_each_topic_once(topics: list[str], count: int) -> None:
    shards = [
        read(topics=topics, shard_index=index, shard_count=count, **IN_MESSAGE)
        for index in range(count)
    ]
    found = [topic for one in shards for row in topics_of(one) for topic in row]
    assert sorted(found) == sorted(set(topics))
    for index, one in enumerate(shards):
        for topic in (topic for row in topics_of(one) for topic in row):
            assert stable_hash(topic) % count == index


def test_contexts_are_shared_by_their_text_without_secrets() -> None:
    contexts = [{"account": str(number)} for number in range(20)]
    owned = [
        [
            planned.context["account"]
            for planned in read(
                contexts=contexts, shard_index=index, shard_count=3
            ).connections()
        ]
        for index in range(3)
    ]
    together = [account for accounts in owned for account in accounts]
    assert sorted(together, key=int) == [str(number) for number in range(20)]
    assert all(owned)


def test_a_shard_without_topics_has_no_connection() -> None:
    owner = stable_hash("a") % 2
    settings = read(topics=["a"], shard_index=1 - owner, shard_count=2, **IN_MESSAGE)
    assert settings.connections() == ()


def test_fetched_topics_are_spread_like_listed_ones() -> None:
    settings = read(
        topics={"url": "https://h/symbols", "path": "$[*]"},
        topics_per_connection=2,
        **IN_MESSAGE,
    )
    assert topics_of(settings, ["a", "b", "a", "c"]) == [["a", "b"], ["c"]]


def test_headers_and_query_of_the_list_are_secrets() -> None:
    settings = read(
        topics={
            "url": "https://user:pass@h/symbols?key=k-1",
            "headers": {"X-Key": "k-2"},
            "path": "$[*]",
        },
        **IN_MESSAGE,
    )
    assert {"k-2", "key=k-1", "pass"} <= set(settings.secrets)


def test_engines_hand_numbers_over_as_texts() -> None:
    settings = read(
        topics='["a", "b"]',
        topics_per_connection=" 1 ",
        shard_index="0",
        shard_count="1",
        connect_interval="0.5",
        **IN_MESSAGE,
    )
    assert settings.topics.shard_count == 1
    assert settings.topics.connect_interval == 0.5
    assert len(settings.connections()) == 2


def test_an_empty_text_means_not_set() -> None:
    empty = dict.fromkeys(
        [
            "topics",
            "topic_templates",
            "topics_per_connection",
            "topics_per_message",
            "shard_index",
            "shard_count",
            "connect_interval",
        ],
        "",
    )
    settings = read(**empty)
    assert settings.topics.topics is None
    assert settings.topics.shard_index is None
    assert len(settings.connections()) == 1


LISTED = {"topics": ["a", "b"], **IN_MESSAGE}
ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"topics": ["a"]}, "topics: are used nowhere"),
    ({**LISTED, "topics": []}, "topics: is empty"),
    ({**LISTED, "topics": [""]}, r"topics\[0\]: must be a string that is not empty"),
    ({**LISTED, "topics": "a,b"}, "topics: must be an object or an array, as JSON"),
    ({**LISTED, "topics": {"url": "http://h/"}}, "topics: needs path"),
    (
        {**LISTED, "topics": {"url": "ws://h/", "path": "$[*]"}},
        "topics.url: must be a URL that begins with http",
    ),
    (
        {**LISTED, "topics": {"url": "http://h/", "path": "$["}},
        "topics.path: .* is not a JSONPath",
    ),
    (
        {**LISTED, "topics": {"url": "http://h/", "path": "$[*]", "method": "A B"}},
        "topics.method: must be an HTTP method",
    ),
    (
        {**LISTED, "topics": {"url": "http://h/{key}", "path": "$[*]"}},
        r"topics.url: \{key\} is declared nowhere",
    ),
    (
        {**LISTED, "placeholders": {"topic": "x"}},
        "placeholders: topic is the placeholder of topics",
    ),
    (
        {"contexts": [{"topics": "x"}]},
        "contexts: topics is the placeholder of topics",
    ),
    (
        {
            **LISTED,
            "auth": {
                "type": "token_endpoint",
                "url": "http://h/",
                "values": {"topic": "$.t"},
            },
        },
        "auth: topic is the placeholder of topics",
    ),
    (
        {"topics": ["a"], "subscribe_messages": ["{topic} of {topics|lower}"]},
        r"subscribe_messages\[0\]: holds both \{topic\} and \{topics\}",
    ),
    ({**LISTED, "contexts": [{"a": "b"}]}, "topics: contexts are set, too"),
    ({"topics_per_connection": 5}, "topics_per_connection: has no effect without top"),
    ({"topics_per_message": 5}, "topics_per_message: has no effect without topics"),
    ({"topic_separator": "/"}, "topic_separator: has no effect without topics"),
    ({"topic_templates": ["{topic}"]}, "topic_templates: has no effect without topics"),
    ({**LISTED, "shard_index": 0}, "shard_count: is required with shard_index"),
    ({**LISTED, "shard_count": 2}, "shard_index: is required with shard_count"),
    (
        {**LISTED, "shard_index": "2", "shard_count": "2"},
        r"shard_index: must be below shard_count \(2\)",
    ),
    ({"shard_index": 0, "shard_count": 2}, "shard_count: there is nothing to share"),
    (
        {
            **LISTED,
            "shard_index": 0,
            "shard_count": "2",
            "schema_location": "gs://bucket/columns.json",
        },
        "schema_location: with shard_count over 1 it has to be a local path or s3",
    ),
    ({**LISTED, "shard_index": -1, "shard_count": 2}, "shard_index: must be a whole"),
    (
        {"topics": ["a", "b"], "url": "ws://h/{topic}"},
        r"url: \{topic\} is one topic for each connection",
    ),
    ({**LISTED, "topic_templates": []}, "topic_templates: is empty"),
    (
        {**LISTED, "topic_templates": ["x"]},
        r"topic_templates\[0\]: holds no \{topic\}",
    ),
    (
        {**LISTED, "topic_templates": ["{topic}{other}"]},
        r"topic_templates\[0\]: \{other\} is declared nowhere",
    ),
    (
        {**LISTED, "topic_templates": ["{topic|lowr}"]},
        r"topic_templates\[0\]: lowr is not a filter",
    ),
    (
        {**LISTED, "headers": {"X": "{topics}"}},
        r"headers: the value of X: \{topics\} is declared nowhere",
    ),
    (
        {
            "url": "ws://h/{topics}",
            "topics": ["a"],
            "subscribe_messages": [
                {"message": "x", "reply": "ok", "reply_count": "topics"}
            ],
        },
        r"subscribe_messages\[0\].reply_count: topics needs a message with",
    ),
    (
        {
            "subscribe_messages": [
                {"message": "x", "reply": "ok", "reply_count": "many"}
            ],
        },
        r"subscribe_messages\[0\].reply_count: must be a whole number",
    ),
    (
        {
            "url": "ws://h/{topic}",
            "topics": ["a"],
            "topics_per_connection": 1,
            "message_fields": {"topic": "$.t"},
        },
        "message_fields: topic is a column that the tap itself fills",
    ),
]


@pytest.mark.parametrize(("settings", "message"), ERRORS)
def test_a_wrong_config_is_one_line(settings: dict[str, Any], message: str) -> None:
    found = problems(**settings)
    assert len(found) == 1, found
    assert re.match(message, found[0]), found


def test_a_wrong_topic_list_never_shows_its_secrets() -> None:
    found = problems(
        **{**LISTED, "topics": {"url": "http://h/", "path": "$", "key": "k-secret"}}
    )
    assert found
    assert "k-secret" not in str(found)


def test_topics_per_message_without_such_a_message_has_no_effect() -> None:
    settings = read(url="ws://h/{topics}", topics=["a"], topics_per_message=5)
    assert settings.warnings == (
        "topics_per_message: has no effect without {topics} in subscribe_messages",
    )
    assert read(topics=["a"], topics_per_message=5, **IN_MESSAGE).warnings == ()
