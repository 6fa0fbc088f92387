"""A whole exchange: topics, how they are spread over connections, and shards."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from tap_websocket.expressions.placeholders import ConnectionBuiltins
from tap_websocket.expressions.templates import Template, names_in
from tap_websocket.http.request import HttpRequest
from tap_websocket.network.urls import userinfo_secrets
from tap_websocket.settings.checks import (
    check_placeholders,
    check_request,
    compile_checked,
)
from tap_websocket.settings.connections import Shard, chunks, unique
from tap_websocket.settings.declare import (
    JSON,
    STRING,
    STRING_MAP,
    Idle,
    group,
    seconds,
    setting,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from tap_websocket.expressions.path import Path
    from tap_websocket.jsontext import JsonValue

__all__ = [
    "DECLARATIONS",
    "TOPIC",
    "TOPICS",
    "TopicRequest",
    "TopicSettings",
    "check_use",
    "idle",
    "read_topics",
]

TOPIC = "topic"
"""The placeholder that stands for one topic, and the column that holds it."""

TOPICS = "topics"
"""The placeholder that stands for all topics of a message or a connection."""

# Engines hand a shard's number over in the environment, where a variable that they
# leave empty is meant to be none.
_UNSET_WHEN_EMPTY = {"x-empty": "unset"}

DECLARATIONS = group(
    "Topics and shards",
    topics=setting(
        {
            "type": ["array", "object"],
            "items": {**STRING, "minLength": 1},
            "required": ["url", "path"],
            "additionalProperties": False,
            "properties": {
                "url": STRING,
                "method": STRING,
                "headers": STRING_MAP,
                "body": JSON,
                "path": STRING,
            },
            "x-type": "array, or object",
            **_UNSET_WHEN_EMPTY,
        },
        "What the feed is asked for: symbols, channels, streams, devices. An object "
        "fetches them once a run: `url`, `method` (`GET`), `headers`, `body`, and "
        "`path` (JSONPath: each match in the JSON reply is a topic). `{topics}` and "
        "`{topic}` stand for them in `url` and `subscribe_messages`.",
        secret=True,
    ),
    topic_templates=setting(
        {"type": "array", "items": STRING, **_UNSET_WHEN_EMPTY},
        "What each topic becomes: `{topic|lower}@trade` and `{topic|lower}@depth` make "
        "two of each.",
        default=["{topic}"],
    ),
    topics_per_connection=setting(
        {**whole(1), **_UNSET_WHEN_EMPTY},
        "Maximum number of topics on one connection; further connections take the "
        "others. By default one connection has all. With 1, `topic` is a column of "
        "the records.",
    ),
    topics_per_message=setting(
        {**whole(1), **_UNSET_WHEN_EMPTY},
        "Maximum number of topics in one subscribe message that holds `{topics}`; it "
        "is sent again for the others, and awaits its `reply` each time. By default "
        "one message has all topics of its connection.",
    ),
    topic_separator=setting(
        STRING,
        "Text between topics where `{topics}` is part of a text or URL.",
        default=",",
    ),
    connect_interval=setting(
        {**seconds(zero=True), **_UNSET_WHEN_EMPTY},
        "Minimum seconds between the starts of two connection attempts of the run, for "
        "servers that count them.",
        default=0,
    ),
    shard_index=setting(
        {**whole(0), **_UNSET_WHEN_EMPTY},
        "Number of this process among `shard_count`, from 0. It takes only the topics "
        "(or `contexts`) whose stable hash modulo `shard_count` is this number.",
    ),
    shard_count=setting(
        {**whole(1), **_UNSET_WHEN_EMPTY},
        "How many processes share the topics (or `contexts`), each with its "
        "`shard_index`.",
    ),
)

_OF_TOPICS = (
    "topic_templates",
    "topics_per_connection",
    "topics_per_message",
    "topic_separator",
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TopicRequest:
    """The request whose JSON reply lists the topics.

    Attributes:
        request: What is asked.
        path: Each match in the reply is a topic.
        url: As it was given.
    """

    request: HttpRequest
    path: Path
    url: str

    @property
    def secrets(self) -> Iterator[str]:
        """What must not show in any output: headers, body, user-info, query."""
        yield from self.request.secrets
        yield from userinfo_secrets(self.url)
        _, mark, query = self.url.partition("?")
        if mark and query:
            yield query


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TopicSettings:
    """What the feed is asked for, and which part of it by this process.

    Attributes:
        topics: The topics; where they come from; or None for a feed without.
        topic_templates: What each of them becomes; each holds `{topic}`.
        topics_per_connection: None for all.
        topics_per_message: None for all of the connection's.
        shard_index: None where there is one process alone, as is `shard_count`.
    """

    topics: tuple[str, ...] | TopicRequest | None
    topic_templates: tuple[Template, ...]
    topics_per_connection: int | None
    topics_per_message: int | None
    topic_separator: str
    connect_interval: float
    shard_index: int | None
    shard_count: int | None

    @property
    def shard(self) -> Shard:
        """The part of this process; all of it where there is one alone."""
        if self.shard_index is None or self.shard_count is None:
            return Shard()
        return Shard(self.shard_index, self.shard_count)

    @property
    def single(self) -> bool:
        """Whether each connection has one topic, which is a column of its records."""
        return self.topics is not None and self.topics_per_connection == 1

    def spread(self, listed: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """Return the topics of each connection of this process.

        Args:
            listed: The topics of all shards, as listed or fetched.
        """
        shard = self.shard
        own = [topic for topic in unique(listed) if shard.owns(topic)]
        moment = ConnectionBuiltins().moment()
        made = unique(
            template.render({TOPIC: topic}, moment)
            for topic in own
            for template in self.topic_templates
        )
        return tuple(map(tuple, chunks(made, self.topics_per_connection)))


def read_topics(
    config: Mapping[str, Any],
    fixed: Collection[str],
    problems: list[str],
) -> TopicSettings:
    """Read the topics and the shard.

    Args:
        config: All settings, with their types.
        fixed: The names of `placeholders`, which the request may hold.
        problems: Takes one line for each problem.
    """
    _check_shard(config, problems)
    if TOPICS in config and config["contexts"]:
        problems.append("topics: contexts are set, too; use one of them")
    return TopicSettings(
        topics=_topics(config.get(TOPICS), fixed, problems),
        topic_templates=tuple(_templates(config["topic_templates"], problems)),
        topics_per_connection=config.get("topics_per_connection"),
        topics_per_message=config.get("topics_per_message"),
        topic_separator=config["topic_separator"],
        connect_interval=config["connect_interval"],
        shard_index=config.get("shard_index"),
        shard_count=config.get("shard_count"),
    )


def _topics(
    given: JsonValue,
    fixed: Collection[str],
    problems: list[str],
) -> tuple[str, ...] | TopicRequest | None:
    if given is None:
        return None
    if isinstance(given, list):
        if not given:
            problems.append("topics: is empty; list one at least, or remove it")
        return unique(given)
    check_request("topics", given, fixed, problems)
    path = compile_checked("topics.path", given["path"], problems)
    if path is None:
        return None
    request = HttpRequest(
        "topics",
        url=given["url"],
        method=given.get("method", "GET"),
        headers=tuple(given.get("headers", {}).items()),
        body=given.get("body"),
        declared=fixed,
    )
    return TopicRequest(request, path, given["url"])


def _templates(given: Sequence[str], problems: list[str]) -> Iterator[Template]:
    if not given:
        problems.append("topic_templates: is empty; leave it out for topics as listed")
    for number, text in enumerate(given):
        where = f"topic_templates[{number}]"
        check_placeholders(where, text, (TOPIC,), problems)
        if TOPIC not in names_in(text):
            problems.append(
                f"{where}: holds no {{topic}}, and so would be the same for each of "
                "them; add it",
            )
        yield Template(text, (TOPIC,))


def _check_shard(config: Mapping[str, Any], problems: list[str]) -> None:
    index, count = config.get("shard_index"), config.get("shard_count")
    if index is None and count is None:
        return
    if index is None or count is None:
        has, lacks = "shard_count", "shard_index"
        if count is None:
            has, lacks = lacks, has
        problems.append(f"{lacks}: is required with {has}")
    elif index >= count:
        problems.append(
            f"shard_index: must be below shard_count ({count}), for it counts from 0; "
            f"{index} was given",
        )
    if TOPICS not in config and not config["contexts"]:
        problems.append(
            "shard_count: there is nothing to share; add topics or contexts",
        )


def check_use(
    settings: TopicSettings,
    url: str,
    messages: Mapping[str, Collection[str]],
    problems: list[str],
) -> None:
    """Check where `{topic}` and `{topics}` stand.

    Args:
        settings: The topics.
        url: The setting `url`.
        messages: Name of each item of `subscribe_messages` to the names in it.
        problems: Takes one line for each problem.
    """
    if settings.topics is None:
        return
    in_url = names_in(url) & {TOPIC, TOPICS}
    if TOPIC in in_url and settings.topics_per_connection != 1:
        problems.append(
            "url: {topic} is one topic for each connection; set "
            "topics_per_connection: 1, or write {topics}",
        )
    problems += [
        f"{where}: holds both {{topic}} and {{topics}}; use one of them"
        for where, names in messages.items()
        if {TOPIC, TOPICS} <= set(names)
    ]
    used = in_url.union(*messages.values()) & {TOPIC, TOPICS}
    if not used:
        problems.append(
            "topics: are used nowhere; put {topics} or {topic} into url or "
            "subscribe_messages",
        )


def idle(config: Mapping[str, Any]) -> Iterator[Idle]:
    """Yield the settings of the group that others can leave without effect."""
    yield Idle(_OF_TOPICS, TOPICS not in config, "without topics", is_error=True)
    sent = (names_in(item) for item in config["subscribe_messages"])
    unsplit = TOPICS in config and not any(TOPICS in names for names in sent)
    why = "without {topics} in subscribe_messages"
    yield Idle(("topics_per_message",), unsplit, why)
