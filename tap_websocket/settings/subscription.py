"""Subscription and keepalive: what is sent, what is answered, what is found dead."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from tap_websocket.errors import ConfigError
from tap_websocket.expressions.path import MISSING
from tap_websocket.expressions.rule import NORMAL_CLOSURE, Then
from tap_websocket.expressions.rule_compiler import Rule, compile_rules
from tap_websocket.expressions.rules import RuleSet
from tap_websocket.expressions.templates import Template
from tap_websocket.settings.declare import (
    INTEGER,
    JSON,
    MATCHER,
    STRING,
    Idle,
    choice,
    group,
    obj,
    seconds,
    setting,
    whole,
)
from tap_websocket.settings.http_step import step_names
from tap_websocket.settings.subscribe_item import (
    ITEM,
    REPLY_COUNT,
    REPLY_TIMEOUT,
    Item,
    read_item,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

__all__ = [
    "DECLARATIONS",
    "CapturedInterval",
    "SubscriptionSettings",
    "captured_names",
    "idle",
    "read_subscription",
]

CAPTURED_INTERVAL = re.compile(r"^\{([A-Za-z0-9_]+)\}(ms)?$")

_MIN_INTERVAL = 0.1
"""No server needs heartbeats more often, and a hostile one could name any interval."""

DECLARATIONS = group(
    "Subscription and keepalive",
    subscribe_messages=setting(
        {
            "type": "array",
            "items": ITEM,
        },
        "Sent in order on every connect and reconnect. An item is a string, or an "
        "object with `message` (a string, or a JSON value that is serialised), "
        "`binary: true` (the string is base64), and `reply` (a matcher), "
        f"`reply_count` ({REPLY_COUNT}) and `reply_timeout` ({REPLY_TIMEOUT}): wait "
        "for this many documents that match before the next item. Without `message` "
        "an item only awaits its `reply`: a greeting. An item may be an HTTP request "
        "instead: `request` (`url`, `method`, `headers`, `body`), `values` (name to "
        "JSONPath into the reply), `records: true` (the reply is a message), `every` "
        "(seconds between repetitions) and `reply_timeout`. With `when` or `unless` "
        "an item is sent only if the placeholder of this name was captured before the "
        "connection was opened, or only if it was not. `records: true` beside a "
        "`reply` makes data of the documents that match. `reply_count: topics` waits "
        "for as many as there are topics in the message.",
        default=[],
        secret=True,
    ),
    subscribe_interval=setting(
        seconds(zero=True),
        "Seconds between two subscribe messages, for servers that count them.",
        default=0,
    ),
    message_rules=setting(
        {
            "type": "array",
            "items": obj(
                match=MATCHER,
                then=choice(*get_args(Then)),
                close_code={**whole(1000), "maximum": 4999},
                reply=JSON,
                capture={
                    "type": "object",
                    "additionalProperties": {
                        "type": ["string", "object", "null"],
                        "required": ["path"],
                        "additionalProperties": False,
                        "properties": {
                            "path": STRING,
                            "add": INTEGER,
                            "scope": choice("line", "group"),
                        },
                    },
                },
            ),
        },
        "What to do with messages that are not just data: the first rule whose "
        "`match` fits acts. `then` is `emit`, `ignore`, `reconnect`, `replace`, "
        f"`stop` or `fail`; `close_code` ({NORMAL_CLOSURE}) is sent where the "
        "connection is closed; `replace` opens the next connection first, and needs "
        "`reconnect: true`; `reply` is sent; `capture` keeps values (name to "
        "JSONPath, or to a group of `message_pattern`) as placeholders. Instead of a "
        "JSONPath it may have an object, with `path`, `add` (a number to be added) "
        "and `scope` (`line`, or `group` for all lines), or null, which forgets the "
        "value.",
        default=[],
        secret=True,
    ),
    heartbeat_message=setting(
        {**JSON, "x-type": "string or JSON"},
        "Sent as text every `heartbeat_interval` once the subscription is complete: a "
        "string, or a JSON value that is serialised.",
        secret=True,
    ),
    heartbeat_interval=setting(
        {
            **seconds(),
            "pattern": rf"{seconds()['pattern']}|{CAPTURED_INTERVAL.pattern}",
            "x-type": "seconds, or a placeholder",
        },
        "Seconds between two heartbeat messages; required with `heartbeat_message`. "
        "`{name}` is a captured number of seconds, and `{name}ms` one of milliseconds: "
        "the heartbeat begins when it is captured.",
    ),
    ping_interval=setting(
        seconds(),
        "Interval between Ping frames, in seconds, from the handshake on.",
    ),
    ping_timeout=setting(
        seconds(),
        "Without a Pong within this many seconds the connection is dead, which counts "
        "as a drop. Needs `ping_interval`.",
        default=20,
    ),
    stale_timeout=setting(
        seconds(),
        "A connection without a data message for this many seconds is dead, whatever "
        "else it does, which counts as a drop.",
    ),
)


class CapturedInterval(msgspec.Struct, frozen=True):
    """An interval that the server names.

    Attributes:
        name: The placeholder of its number.
        unit: Seconds that 1 stands for.
    """

    name: str
    unit: float

    def seconds(self, values: Mapping[str, Any]) -> float | None:
        """Return the interval in seconds, or None before it is captured.

        Raises:
            ValueError: When what was captured is no number above 0.
        """
        given = values.get(self.name)
        if given is None:
            return None
        try:
            seconds = float(str(given)) * self.unit
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            msg = f"heartbeat_interval: {{{self.name}}} is no number above 0"
            raise ValueError(msg)
        return max(seconds, _MIN_INTERVAL)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SubscriptionSettings:
    """What is sent on a connection, what is answered, and how it is kept alive.

    Attributes:
        subscribe_messages: In the order in which they are sent.
        message_rules: What a document is besides data.
        ping_timeout: Of no effect without `ping_interval`.
    """

    subscribe_messages: tuple[Item, ...]
    subscribe_interval: float
    message_rules: RuleSet
    heartbeat_message: Template | None
    heartbeat_interval: float | CapturedInterval | None
    ping_interval: float | None
    ping_timeout: float
    stale_timeout: float | None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not show in any output: what requests are sent with."""
        steps = (item.step for item in self.subscribe_messages)
        return tuple(text for step in steps if step for text in step.request.secrets)


def captured_names(config: Mapping[str, Any]) -> frozenset[str]:
    """Return the names that rules capture, and requests take from their replies."""
    captured = (
        name for rule in config["message_rules"] for name in rule.get("capture", {})
    )
    return frozenset(captured) | step_names(config)


def read_subscription(
    config: Mapping[str, Any],
    declared: Collection[str],
    topics: Collection[str],
    groups: Collection[str],
    problems: list[str],
) -> SubscriptionSettings:
    """Read what is sent, what is answered, and how a connection is kept alive.

    Args:
        config: All settings, with their types.
        declared: The names that are placeholders in whatever is sent.
        topics: Those that are placeholders in `subscribe_messages` besides.
        groups: The named groups of `message_pattern`.
        problems: Takes one line for each problem.
    """
    in_items = {*declared, *topics}
    items = (
        read_item(f"subscribe_messages[{number}]", given, in_items, problems)
        for number, given in enumerate(config["subscribe_messages"])
    )
    heartbeat = config.get("heartbeat_message")
    heartbeat_interval = _interval(config.get("heartbeat_interval"), declared, problems)
    if heartbeat is not None and heartbeat_interval is None:
        problems.append("heartbeat_interval: is required with heartbeat_message")
    return SubscriptionSettings(
        subscribe_messages=tuple(items),
        subscribe_interval=config["subscribe_interval"],
        message_rules=_rules(config["message_rules"], declared, groups, problems),
        heartbeat_message=None if heartbeat is None else Template(heartbeat, declared),
        heartbeat_interval=heartbeat_interval,
        ping_interval=config.get("ping_interval"),
        ping_timeout=config["ping_timeout"],
        stale_timeout=config.get("stale_timeout"),
    )


def _interval(
    given: float | str | None, declared: Collection[str], problems: list[str]
) -> float | CapturedInterval | None:
    """Read the interval of heartbeats: seconds, or what a rule captures."""
    if not isinstance(given, str):
        return given
    found = CAPTURED_INTERVAL.fullmatch(given)
    if found is None or found[1] not in declared:
        problems.append(
            f"heartbeat_interval: {given!r} is captured nowhere; capture it by a rule"
        )
        return None
    return CapturedInterval(found[1], 0.001 if found[2] else 1.0)


def _rules(
    given: Sequence[Mapping[str, Any]],
    declared: Collection[str],
    groups: Collection[str],
    problems: list[str],
) -> RuleSet:
    rules = [
        Rule(
            match=rule.get("match", MISSING),
            then=rule.get("then"),
            reply=rule.get("reply", MISSING),
            capture=tuple(rule.get("capture", {}).items()),
            close_code=rule.get("close_code", NORMAL_CLOSURE),
        )
        for rule in given
    ]
    try:
        return compile_rules(rules, declared, groups)
    except ConfigError as error:
        problems += error.problems
        return RuleSet()


def idle(config: Mapping[str, Any]) -> Iterator[Idle]:
    """Yield the settings of the group that others can leave without effect."""
    for name, other in (
        ("ping_timeout", "ping_interval"),
        ("heartbeat_interval", "heartbeat_message"),
    ):
        yield Idle((name,), other not in config, f"without {other}")
    few = len(config["subscribe_messages"]) <= 1 and "topics" not in config
    why = "with less than two subscribe_messages"
    yield Idle(("subscribe_interval",), few, why)
