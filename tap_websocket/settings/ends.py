"""When a run ends: by count, by silence, by the clock."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, get_args

from tap_websocket.settings.declare import Idle, choice, group, seconds, setting, whole

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["DECLARATIONS", "EndSettings", "idle", "missing_end", "read_ends"]

IdleReset = Literal["frame", "message"]

DECLARATIONS = group(
    "When a run ends",
    max_messages=setting(
        whole(1),
        "Stop after this many messages that produced output, over all connections. "
        "One of `max_messages`, `idle_timeout` and `max_duration` is required.",
    ),
    idle_timeout=setting(
        seconds(),
        "Stop after this many seconds without an inbound frame on any connection. The "
        "clock also runs through outages.",
    ),
    idle_reset=setting(
        choice(*get_args(IdleReset)),
        "What resets `idle_timeout`: any inbound frame (`frame`), or data messages "
        "alone (`message`).",
        default="frame",
    ),
    max_duration=setting(
        seconds(),
        "Stop this many seconds after the start.",
    ),
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class EndSettings:
    """When a run ends; None where a setting ends no run."""

    max_messages: int | None
    idle_timeout: float | None
    idle_reset: IdleReset
    max_duration: float | None


def read_ends(config: Mapping[str, Any], problems: list[str]) -> EndSettings:
    """Read when a run ends.

    Args:
        config: All settings, with their types.
        problems: Takes one line for each problem.
    """
    problems += missing_end(config)
    return EndSettings(
        max_messages=config.get("max_messages"),
        idle_timeout=config.get("idle_timeout"),
        idle_reset=config["idle_reset"],
        max_duration=config.get("max_duration"),
    )


def missing_end(config: Collection[str]) -> list[str]:
    """Return a line when no setting ends a run.

    Args:
        config: All settings, or their names.
    """
    if any(name in config for name in ("max_messages", "idle_timeout", "max_duration")):
        return []
    return ["a run needs an end: set max_messages, idle_timeout or max_duration"]


def idle(config: Mapping[str, Any]) -> Iterator[Idle]:
    """Yield the settings of the group that others can leave without effect."""
    yield Idle(("idle_reset",), "idle_timeout" not in config, "without idle_timeout")
