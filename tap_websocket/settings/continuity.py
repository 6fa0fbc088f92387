"""No gap: more than one line, and connections that are replaced before they end."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from tap_websocket.errors import ConfigError
from tap_websocket.expressions.jsonpath import Path, compile_path
from tap_websocket.network.urls import userinfo_secrets
from tap_websocket.settings.connection import check_url
from tap_websocket.settings.declare import (
    STRINGS,
    Idle,
    group,
    obj,
    seconds,
    setting,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from tap_websocket.jsontext import Schema

__all__ = [
    "DECLARATIONS",
    "ContinuitySettings",
    "Deduplicate",
    "idle",
    "read_continuity",
]

_SECONDS = 60
"""How long lines may be apart where records are compared whole."""

_DEDUPLICATE: Schema = {
    **obj(
        by={"type": "array", "items": {"type": "string"}, "minItems": 1},
        seconds=seconds(),
    ),
    "type": ["object", "boolean"],
    "x-type": "object, or `false`",
}

DECLARATIONS = group(
    "No gap",
    redundancy=setting(
        whole(1),
        "Lines for each of `contexts`: connections that are subscribed alike, at the "
        "same time. A message that several of them bring becomes records once. More "
        "than one needs `reconnect: true`.",
        default=1,
    ),
    alternate_urls=setting(
        STRINGS,
        "More addresses of the same feed, with placeholders as in `url`. Lines are "
        "spread over `url` and these, in turn; a connection attempt that fails is "
        "followed by one to the next address.",
        default=[],
    ),
    connection_lifetime=setting(
        seconds(),
        "A connection of this age is replaced before the server ends it: the new one "
        "is open and subscribed before the old one is closed. Each connection's own "
        "lifetime is up to 5 % shorter, at random. Needs `reconnect: true`.",
    ),
    overlap=setting(
        seconds(),
        "A connection that is replaced is kept for this many seconds after the new "
        "one's subscription is complete.",
        default=5,
    ),
    deduplicate=setting(
        _DEDUPLICATE,
        "What makes two records the same: `by` (JSONPaths into the record; the whole "
        "record without it) and `seconds` (how long they may be apart; "
        f"{_SECONDS} without `by`, no limit with it). On by itself, for the whole "
        "record, with `redundancy` over 1, `connection_lifetime` or a rule with "
        "`then: replace`; `false` switches it off.",
    ),
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Deduplicate:
    """What makes two records the same.

    Attributes:
        by: Where a record has the values that name it; empty for the whole record.
        seconds: How long two may be apart; None for any time.
    """

    by: tuple[Path, ...]
    seconds: float | None


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ContinuitySettings:
    """How outages are avoided.

    Attributes:
        deduplicate: None where each record that arrives is emitted.
    """

    redundancy: int
    alternate_urls: tuple[str, ...]
    connection_lifetime: float | None
    overlap: float
    deduplicate: Deduplicate | None

    @property
    def secrets(self) -> Iterator[str]:
        """What must not show in any output."""
        for url in self.alternate_urls:
            yield from userinfo_secrets(url)


def read_continuity(
    config: Mapping[str, Any],
    declared: Collection[str],
    problems: list[str],
) -> ContinuitySettings:
    """Read how outages are avoided.

    Args:
        config: All settings, with their types.
        declared: The names that are placeholders.
        problems: Takes one line for each problem.
    """
    for number, url in enumerate(config["alternate_urls"]):
        check_url(f"alternate_urls[{number}]", url, declared, problems)
    if not config["reconnect"]:
        problems += [f"{name}: needs reconnect: true" for name in _reconnecting(config)]
    return ContinuitySettings(
        redundancy=config["redundancy"],
        alternate_urls=tuple(config["alternate_urls"]),
        connection_lifetime=config.get("connection_lifetime"),
        overlap=config["overlap"],
        deduplicate=_deduplicate(config, problems),
    )


def _reconnecting(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield what opens a second connection to the same messages."""
    if config["redundancy"] > 1:
        yield "redundancy"
    if "connection_lifetime" in config:
        yield "connection_lifetime"
    for number, rule in enumerate(config["message_rules"]):
        if rule.get("then") == "replace":
            yield f"message_rules[{number}].then: replace"


def _deduplicate(config: Mapping[str, Any], problems: list[str]) -> Deduplicate | None:
    given = config.get("deduplicate")
    if given is None:
        return Deduplicate((), _SECONDS) if any(_reconnecting(config)) else None
    if given is False:
        return None
    if given is True:
        given = {}
    paths: list[Path] = []
    for number, text in enumerate(given.get("by", ())):
        try:
            paths.append(compile_path(text))
        except (ValueError, ConfigError) as error:
            problems.append(f"deduplicate.by[{number}]: {error}")
    default = None if paths else _SECONDS
    return Deduplicate(tuple(paths), given.get("seconds", default))


def idle(config: Mapping[str, Any]) -> Iterator[Idle]:
    """Yield the settings of the group that others can leave without effect."""
    several = any(_reconnecting(config))
    yield Idle(
        ("overlap",),
        not several,
        "without redundancy over 1, connection_lifetime or a rule with then: replace",
    )
    given = config.get("deduplicate")
    whole = given is True or (isinstance(given, dict) and "by" not in given)
    yield Idle(
        ("deduplicate",),
        whole and not several,
        "without by on a single line: whole records are compared between connections",
    )
