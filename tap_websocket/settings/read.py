"""The settings of a run: every group declared in one schema, and read into one object.

What a JSON Schema can say of a single value was checked before (`coerce`). The groups
check what it cannot: URLs, files, paths, and values that depend on each other. What
concerns several groups is checked here.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from tap_websocket.columns import names
from tap_websocket.errors import ConfigError
from tap_websocket.settings import (
    auth,
    connection,
    continuity,
    decoding,
    delivery,
    ends,
    reconnect,
    stream,
    subscription,
    topics,
)
from tap_websocket.settings.connections import (
    SECRET_PREFIX,
    PlannedConnection,
    context_text,
    split_context,
)
from tap_websocket.settings.literal_secrets import literal_secrets
from tap_websocket.settings.topics import TOPIC, TOPICS, TopicRequest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from tap_websocket.auth.types import Auth
    from tap_websocket.jsontext import Schema
    from tap_websocket.settings.connection import ConnectionSettings
    from tap_websocket.settings.continuity import ContinuitySettings
    from tap_websocket.settings.declare import Idle
    from tap_websocket.settings.decoding import DecodingSettings
    from tap_websocket.settings.delivery import DeliverySettings
    from tap_websocket.settings.ends import EndSettings
    from tap_websocket.settings.reconnect import ReconnectSettings
    from tap_websocket.settings.stream import StreamSettings
    from tap_websocket.settings.subscription import SubscriptionSettings
    from tap_websocket.settings.topics import TopicSettings

__all__ = [
    "Settings",
    "idle",
    "read_settings",
    "resubscribed",
    "schema",
    "subscription_of",
]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Settings:
    """All settings of a run: durations in seconds, sizes in bytes.

    Attributes:
        warnings: One line for each setting that was given and has no effect.
        literal_secrets: Credentials that stand in messages as they are.
    """

    connection: ConnectionSettings
    auth: Auth
    subscription: SubscriptionSettings
    topics: TopicSettings
    ends: EndSettings
    reconnect: ReconnectSettings
    continuity: ContinuitySettings
    decoding: DecodingSettings
    stream: StreamSettings
    delivery: DeliverySettings
    warnings: tuple[str, ...]
    literal_secrets: tuple[str, ...]

    def connections(
        self,
        fetched: Sequence[str] | None = None,
    ) -> tuple[PlannedConnection, ...]:
        """Return what each connection of this process is for; none for an idle shard.

        Args:
            fetched: The topics, where `topics` says where to fetch them.
        """
        listed = self.topics.topics
        if listed is None:
            contexts = self.decoding.contexts or ((),)
            owns = self.topics.shard.owns
            return tuple(
                PlannedConnection(columns, secrets=secrets)
                for context in map(dict, contexts)
                if owns(context_text(context))
                for columns, secrets in (split_context(context),)
            )
        if isinstance(listed, TopicRequest):
            listed = tuple(fetched or ())
        return tuple(
            PlannedConnection({TOPIC: own[0]} if self.topics.single else {}, own)
            for own in self.topics.spread(listed)
        )

    @property
    def context_columns(self) -> tuple[str, ...]:
        """The columns that tell the connections of a run apart."""
        if self.topics.single:
            return (TOPIC,)
        keys = (name for context in self.decoding.contexts for name, _ in context)
        return tuple(
            name for name in dict.fromkeys(keys) if not name.startswith(SECRET_PREFIX)
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not show in any output: credentials in all their places."""
        listed = self.topics.topics
        requested = listed.secrets if isinstance(listed, TopicRequest) else ()
        of_contexts = (
            value
            for context in self.decoding.contexts
            for name, value in context
            if name.startswith(SECRET_PREFIX)
        )
        return (
            *self.auth.secrets,
            *self.connection.secrets,
            *self.continuity.secrets,
            *self.subscription.secrets,
            *requested,
            *of_contexts,
            *self.literal_secrets,
        )


def schema() -> Schema:
    """Return the JSON Schema of the config, in the order of its documentation."""
    return {
        "type": "object",
        "required": ["url"],
        "properties": {
            **connection.DECLARATIONS,
            **auth.DECLARATIONS,
            **subscription.DECLARATIONS,
            **topics.DECLARATIONS,
            **ends.DECLARATIONS,
            **reconnect.DECLARATIONS,
            **continuity.DECLARATIONS,
            **decoding.DECLARATIONS,
            **stream.DECLARATIONS,
            **delivery.DECLARATIONS,
        },
    }


def idle(config: Mapping[str, Any]) -> Iterator[Idle]:
    """Yield the settings that others can leave without effect, and whether they do.

    Args:
        config: All settings, with their types, defaults filled in.
    """
    yield from subscription.idle(config)
    yield from topics.idle(config)
    yield from ends.idle(config)
    yield from reconnect.idle(config)
    yield from continuity.idle(config)
    yield from decoding.idle(config)
    yield from stream.idle(config)
    yield from delivery.idle(config)


def read_settings(config: Mapping[str, Any], given: Collection[str]) -> Settings:
    """Make the settings of a config whose values have their types.

    Args:
        config: All settings, defaults filled in (`coerce.prepare`).
        given: Names of the settings that the user gave.

    Raises:
        ConfigError: With one line for each problem.
    """
    problems: list[str] = []
    decoded = decoding.read_decoding(config, problems)
    placeholders = connection.check_fixed_names(config, problems)
    contexts = _context_names(decoded)
    named = {*placeholders, *contexts, *subscription.captured_names(config)}
    credentials = auth.read_auth(config["auth"], named, problems)
    _check_names(placeholders, contexts, credentials.names, problems)
    listed = topics.read_topics(config, placeholders, problems)
    declared = named | credentials.names
    if listed.single:
        declared.add(TOPIC)
    of_topics = set() if listed.topics is None else {TOPIC, TOPICS}
    groups = decoded.message_pattern.names if decoded.message_pattern else ()
    subscribed = subscription.read_subscription(
        config, declared, of_topics, groups, problems
    )
    topics.check_use(
        listed,
        config["url"],
        {item.where: item.names for item in subscribed.subscribe_messages},
        problems,
    )
    settings = Settings(
        connection=connection.read_connection(config, declared, of_topics, problems),
        auth=credentials,
        subscription=subscribed,
        topics=listed,
        ends=ends.read_ends(config, problems),
        reconnect=reconnect.read_reconnect(config, problems),
        continuity=continuity.read_continuity(
            config, {*declared, *of_topics}, problems
        ),
        decoding=decoded,
        stream=stream.read_stream(config, problems),
        delivery=delivery.read_delivery(config),
        warnings=tuple(_without_effect(config, given)),
        literal_secrets=tuple(literal_secrets(_messages(config))),
    )
    _check_fields(settings, problems)
    _check_keys(config, settings, problems)
    _check_needed(config, given, problems)
    if problems:
        raise ConfigError(problems)
    return settings


def _context_names(decoded: DecodingSettings) -> frozenset[str]:
    """Return the names of the placeholders that contexts give values."""
    return frozenset(
        name.removeprefix(SECRET_PREFIX)
        for context in decoded.contexts
        for name, _ in context
    )


def _messages(config: Mapping[str, Any]) -> list[Any]:
    """Return what the tap sends, as it stands in the config."""
    return [
        config["subscribe_messages"],
        config.get("heartbeat_message"),
        [rule.get("reply") for rule in config["message_rules"]],
    ]


def _check_names(
    placeholders: Collection[str],
    contexts: Collection[str],
    of_auth: Collection[str],
    problems: list[str],
) -> None:
    """Check that no placeholder is declared twice, nor with a name of `topics`."""
    problems += [
        f"contexts: {name} is a value of auth too; give one of them another name"
        for name in sorted({*of_auth} & {*contexts})
    ]
    given = {"placeholders": placeholders, "contexts": contexts, "auth": of_auth}
    problems += [
        f"{setting}: {name} is the placeholder of topics; choose another name"
        for setting, names_there in given.items()
        for name in (TOPIC, TOPICS)
        if name in names_there
    ]


def _check_needed(
    config: Mapping[str, Any],
    given: Collection[str],
    problems: list[str],
) -> None:
    """Check that no setting was given whose effect needs another one."""
    problems += [
        f"{name}: has no effect {rule.why}; add what is missing, or remove it"
        for rule in idle(config)
        if rule.idle and rule.is_error
        for name in rule.names
        if name in given
    ]


def _without_effect(config: Mapping[str, Any], given: Collection[str]) -> Iterator[str]:
    """Yield a line for each setting that was given and has no effect."""
    for rule in idle(config):
        if rule.idle and not rule.is_error:
            yield from (
                f"{name}: has no effect {rule.why}"
                for name in rule.names
                if name in given
            )


def _check_fields(settings: Settings, problems: list[str]) -> None:
    """Check that `message_fields` names no column that something else fills."""
    decoded = settings.decoding
    taken = {names.RESCUED, *_own_columns(settings)}
    problems += [
        f"message_fields: {name} is a column that the tap itself fills; choose "
        "another name"
        for name in decoded.field_names
        if name in taken
    ]


def _own_columns(settings: Settings) -> set[str]:
    """Return the columns that are filled from no field of a message."""
    columns = set(settings.context_columns)
    if settings.decoding.envelope:
        columns |= {names.DATA, names.ENVELOPE_RECEIVED_AT, names.ENVELOPE_URL}
    if settings.decoding.record_metadata:
        columns |= {
            names.RECEIVED_AT,
            names.CONNECTION,
            names.SEQUENCE,
            names.MISSING_NUMBERS,
            names.OUTAGE_SECONDS,
        }
    return columns


def _check_keys(
    config: Mapping[str, Any],
    settings: Settings,
    problems: list[str],
) -> None:
    """Check that each key is a column, where no sample will tell.

    The type of a key has to be known before the first record: a SCHEMA names the keys,
    and no target can add one to a table.
    """
    if stream.infers(config):
        return
    decoded, declared = settings.decoding, settings.stream.schema
    pattern = None if decoded.is_structured else decoded.message_pattern
    hint = ""
    if decoded.envelope:
        columns = set(decoded.field_names)
    elif decoded.is_structured and "schema" in config:
        if declared is None:
            # What is wrong with it is a problem of its own.
            return
        columns, hint = set(declared["properties"]), " is not in schema; add it there"
    else:
        columns = {names.DATA} if pattern is None else set(pattern.names)
    columns |= _own_columns(settings)
    hint = hint or f" is no column; the columns are {', '.join(sorted(columns))}"
    problems += [
        f"primary_keys: {key!r}{hint}"
        for key in settings.stream.primary_keys
        if key not in columns
    ]


def resubscribed(config: Mapping[str, Any], items: Sequence[Any]) -> Settings:
    """Make the settings of a config with other `subscribe_messages`.

    Raises:
        ConfigError: With one line for each problem.
    """
    return read_settings({**config, "subscribe_messages": list(items)}, ())


def subscription_of(config: Mapping[str, Any]) -> list[Any]:
    """Return the items of `subscribe_messages`, as they were given."""
    return list(config["subscribe_messages"])
