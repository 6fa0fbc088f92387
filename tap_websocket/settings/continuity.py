"""No gap: more than one line, and connections that are replaced before they end."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, get_args

from tap_websocket.network.urls import userinfo_secrets
from tap_websocket.settings.checks import compile_checked
from tap_websocket.settings.connection import check_url
from tap_websocket.settings.declare import (
    STRING,
    STRINGS,
    Idle,
    choice,
    group,
    obj,
    seconds,
    setting,
    whole,
)
from tap_websocket.settings.message_format import is_structured

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from tap_websocket.expressions.path import Path
    from tap_websocket.jsontext import Schema

__all__ = [
    "DECLARATIONS",
    "ContinuitySettings",
    "Deduplicate",
    "SequenceSettings",
    "idle",
    "read_continuity",
]

Scope = Literal["feed", "connection"]
OnGap = Literal["log", "reconnect", "fail"]

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
        "Number of lines for each of `contexts`: connections that are subscribed "
        "alike, at the same time. A message that several lines bring becomes records "
        "once. More than one line needs `reconnect: true`.",
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
        f"record without it) and `seconds` (how long they may be apart; {_SECONDS} "
        "without `by`, no limit with it). On by default, for the whole record, with "
        "`redundancy` over 1, `connection_lifetime` or a rule with `then: replace`; "
        "`false` switches it off.",
    ),
    sequence=setting(
        obj(
            ("path",),
            path=STRING,
            first=STRING,
            previous=STRING,
            by=STRINGS,
            step=whole(1),
            scope=choice(*get_args(Scope)),
            on_gap=choice(*get_args(OnGap)),
        ),
        "The feed's own numbers, to find what is missing: JSONPaths to the number "
        "(`path`), the `first` one where a message covers a range, the `previous` one "
        "where each message names it, and what they are counted by (`by`); `step` "
        "(1); `scope` (`feed`, or `connection` where each counts for itself); "
        "`on_gap` (`log`, `reconnect` or `fail`).",
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
class SequenceSettings:
    """How the feed numbers what it sends.

    Attributes:
        path: The number, or the last one of a range.
        first: The first one of a range.
        previous: The number before this one, where that is not `step` below it.
        by: What numbers are counted for.
        scope: Whether connections bring the same numbers.
        on_gap: What is done about numbers that are missing.
    """

    path: Path
    first: Path | None
    previous: Path | None
    by: tuple[Path, ...]
    step: int
    scope: Scope
    on_gap: OnGap


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ContinuitySettings:
    """How outages are avoided.

    Attributes:
        deduplicate: None where each record that arrives is emitted.
        sequence: None where numbers are not watched.
    """

    redundancy: int
    alternate_urls: tuple[str, ...]
    connection_lifetime: float | None
    overlap: float
    deduplicate: Deduplicate | None
    sequence: SequenceSettings | None

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
        sequence=_sequence(config, problems),
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
    paths = _paths("deduplicate.by", given.get("by", ()), problems)
    default = None if paths else _SECONDS
    return Deduplicate(paths, given.get("seconds", default))


def _sequence(
    config: Mapping[str, Any], problems: list[str]
) -> SequenceSettings | None:
    given = config.get("sequence")
    if given is None:
        return None
    path = compile_checked("sequence.path", given["path"], problems)
    if "previous" in given:
        problems += [
            f"sequence.{name}: previous says already which number comes before"
            for name in ("first", "step")
            if name in given
        ]
    on_gap = given.get("on_gap", "log")
    if on_gap == "reconnect" and not config["reconnect"]:
        problems.append("sequence.on_gap: reconnect needs reconnect: true")
    if path is None:
        return None
    return SequenceSettings(
        path=path,
        first=_optional("first", given, problems),
        previous=_optional("previous", given, problems),
        by=_paths("sequence.by", given.get("by", ()), problems),
        step=given.get("step", 1),
        scope=given.get("scope", "feed"),
        on_gap=on_gap,
    )


def _optional(name: str, given: Mapping[str, Any], problems: list[str]) -> Path | None:
    if name not in given:
        return None
    return compile_checked(f"sequence.{name}", given[name], problems)


def _paths(where: str, given: Sequence[str], problems: list[str]) -> tuple[Path, ...]:
    found = (
        compile_checked(f"{where}[{number}]", text, problems)
        for number, text in enumerate(given)
    )
    return tuple(path for path in found if path is not None)


def idle(config: Mapping[str, Any]) -> Iterator[Idle]:
    """Yield the settings of the group that others can leave without effect."""
    form = config["message_format"]
    yield Idle(("sequence",), not is_structured(form), f"with message_format: {form}")
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
