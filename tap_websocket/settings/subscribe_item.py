"""An item of `subscribe_messages`: what is sent, and the reply that is awaited."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from tap_websocket.expressions.matchers import Matcher, compile_matcher
from tap_websocket.expressions.templates import Template
from tap_websocket.settings.declare import (
    BOOLEAN,
    JSON,
    MATCHER,
    STRING,
    WHOLE,
    seconds,
    whole,
)
from tap_websocket.settings.http_step import STEP_KEYS, HttpStep, read_step
from tap_websocket.settings.topics import TOPIC, TOPICS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tap_websocket.jsontext import JsonValue, Schema

__all__ = ["ITEM", "REPLY_COUNT", "REPLY_TIMEOUT", "Item", "read_item"]

ALL_TOPICS: Final = "topics"
"""The `reply_count` that means: as many as there are topics in the message."""

REPLY_COUNT = 1
REPLY_TIMEOUT = 10

ITEM: Schema = {
    "type": ["string", "object"],
    "additionalProperties": False,
    "properties": {
        "message": JSON,
        "binary": BOOLEAN,
        "reply": MATCHER,
        "reply_count": {
            **whole(1),
            "pattern": rf"{WHOLE}|^{ALL_TOPICS}$",
        },
        "reply_timeout": seconds(),
        "when": STRING,
        "unless": STRING,
        **STEP_KEYS,
    },
}


class Item(msgspec.Struct, frozen=True):
    """One item of `subscribe_messages`.

    Attributes:
        where: Its place in the config, for messages.
        message: What is sent; bytes in a binary frame; None where only a reply (a
            greeting, say) is awaited.
        reply: What the documents that are awaited match, if any are.
        reply_count: How many of them; `ALL_TOPICS` for one for each topic.
        reply_timeout: Seconds that they have to arrive, or the reply to a request.
        records: The documents that are awaited are data, too.
        step: A request that is made in place of a message, if it is one.
        when: The placeholder whose value must have been captured before the connection
            was opened.
        unless: The placeholder whose value must not have been.
    """

    where: str
    message: Template | bytes | None
    reply: Matcher | None = None
    reply_count: int | Literal["topics"] = REPLY_COUNT
    reply_timeout: float = REPLY_TIMEOUT
    step: HttpStep | None = None
    when: str | None = None
    unless: str | None = None
    records: bool = False

    def is_due(self, captured: Collection[str]) -> bool:
        """Return whether it is sent on a connection that begins with these values."""
        if self.unless in captured:
            return False
        return self.when is None or self.when in captured

    def replies(self, topics: int) -> int:
        """Return how many replies are awaited to a message with this many topics."""
        return topics if self.reply_count == ALL_TOPICS else self.reply_count

    @property
    def names(self) -> frozenset[str]:
        """The placeholders in the message or the request."""
        if self.step is not None:
            return self.step.request.names
        return self.message.names if isinstance(self.message, Template) else frozenset()


def read_item(
    where: str,
    given: str | Mapping[str, Any],
    declared: Collection[str],
    problems: list[str],
) -> Item:
    """Read an item.

    Args:
        where: Its place in the config, for messages.
        given: The item, with its types.
        declared: The names that are placeholders in it.
        problems: Takes one line for each problem.
    """
    if isinstance(given, str):
        return Item(where, Template(given, declared))
    message, reply = given.get("message"), None
    step = read_step(where, given, declared, problems)
    if "reply" in given and step is None:
        reply = _matcher(f"{where}.reply", given["reply"], problems)
    elif message is None and step is None:
        problems.append(
            f"{where}: has neither a message to send nor a reply to wait for; add one",
        )
    problems += [
        f"{where}: {key} needs a reply to wait for; add it"
        for key in ("reply_count", "reply_timeout")
        if key in given and "reply" not in given and step is None
    ]
    for key in ("when", "unless"):
        name = given.get(key, "")
        if key in given and name not in declared:
            problems.append(
                f"{where}.{key}: {name!r} is captured nowhere; name a captured value"
            )
    item = Item(
        where,
        None if step is not None else _message(where, given, declared, problems),
        reply,
        given.get("reply_count", REPLY_COUNT),
        given.get("reply_timeout", REPLY_TIMEOUT),
        step,
        given.get("when"),
        given.get("unless"),
        records=step is None and given.get("records", False),
    )
    if item.reply_count == ALL_TOPICS and not item.names & {TOPIC, TOPICS}:
        problems.append(
            f"{where}.reply_count: topics needs a message with {{topics}} or {{topic}}",
        )
    return item


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
            # Said below, as for a message that is no string.
            pass
    problems.append(f"{where}: with binary: true the message is a string of base64")
    return None


def _matcher(where: str, given: JsonValue, problems: list[str]) -> Matcher | None:
    try:
        return compile_matcher(given)
    except ValueError as error:
        problems.append(f"{where}: {error}")
        return None
