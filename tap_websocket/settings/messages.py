"""The settings of what is said on a connection: subscription, rules, heartbeat."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from tap_websocket.errors import ConfigError
from tap_websocket.expressions.jsonpath import MISSING
from tap_websocket.expressions.matchers import Matcher, compile_matcher
from tap_websocket.expressions.rules import Rule, RuleSet, compile_rules
from tap_websocket.expressions.templates import Template
from tap_websocket.feed.subscription import Item
from tap_websocket.settings.model import KeepaliveSettings, MessageSettings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["captured_names", "read_keepalive", "read_messages"]

_REPLY_COUNT = 1
_REPLY_TIMEOUT = 10.0
_PING_TIMEOUT = 20.0


def captured_names(config: Mapping[str, Any]) -> frozenset[str]:
    """Return the names that the rules capture."""
    return frozenset(
        name for rule in config["message_rules"] for name in rule.get("capture", {})
    )


def read_messages(
    config: Mapping[str, Any],
    declared: Collection[str],
    groups: Collection[str],
    problems: list[str],
) -> MessageSettings:
    """Read what is sent, and what is answered.

    Args:
        config: All settings, with their types.
        declared: The names that are placeholders.
        groups: The named groups of `message_pattern`.
        problems: Takes one line for each problem.
    """
    items = (
        _item(f"subscribe_messages[{number}]", given, declared, problems)
        for number, given in enumerate(config["subscribe_messages"])
    )
    return MessageSettings(
        placeholders=config["placeholders"],
        subscribe=tuple(items),
        subscribe_interval=config["subscribe_interval"],
        rules=_rules(config["message_rules"], declared, groups, problems),
    )


def _item(
    where: str,
    given: str | Mapping[str, Any],
    declared: Collection[str],
    problems: list[str],
) -> Item:
    if isinstance(given, str):
        return Item(where, Template(given, declared))
    message, reply = given.get("message"), None
    if "reply" in given:
        reply = _matcher(f"{where}.reply", given["reply"], problems)
    elif message is None:
        problems.append(
            f"{where}: has neither a message to send nor a reply to wait for; add one",
        )
    problems += [
        f"{where}: {key} needs a reply to wait for; add it"
        for key in ("reply_count", "reply_timeout")
        if key in given and "reply" not in given
    ]
    return Item(
        where,
        _message(where, given, declared, problems),
        reply,
        given.get("reply_count", _REPLY_COUNT),
        given.get("reply_timeout", _REPLY_TIMEOUT),
    )


def _message(
    where: str,
    given: Mapping[str, Any],
    declared: Collection[str],
    problems: list[str],
) -> Template | bytes | None:
    message = given.get("message")
    if not given.get("binary"):
        return None if message is None else Template(message, declared)
    if isinstance(message, str):
        try:
            return base64.b64decode(message, validate=True)
        except (binascii.Error, ValueError):
            pass
    problems.append(f"{where}: with binary: true the message is a string of base64")
    return None


def _matcher(where: str, given: Any, problems: list[str]) -> Matcher | None:  # noqa: ANN401 - any JSON
    try:
        return compile_matcher(given)
    except ValueError as error:
        problems.append(f"{where}: {error}")
        return None


def _rules(
    given: list[Mapping[str, Any]],
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
        )
        for rule in given
    ]
    try:
        return compile_rules(rules, declared, groups)
    except ConfigError as error:
        problems += error.problems
        return RuleSet()


def read_keepalive(
    config: Mapping[str, Any],
    declared: Collection[str],
    problems: list[str],
) -> KeepaliveSettings:
    """Read how a silent connection is kept, and found dead (see `read_messages`)."""
    heartbeat = config.get("heartbeat_message")
    interval = config.get("heartbeat_interval")
    if heartbeat is not None and interval is None:
        problems.append("heartbeat_interval: is required with heartbeat_message")
    pings = config.get("ping_interval")
    return KeepaliveSettings(
        ping_interval=pings,
        ping_timeout=config.get("ping_timeout", _PING_TIMEOUT) if pings else None,
        heartbeat_interval=interval,
        heartbeat_message=None if heartbeat is None else Template(heartbeat, declared),
        stale_timeout=config.get("stale_timeout"),
    )
