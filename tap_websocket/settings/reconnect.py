"""Reconnecting: what happens after a drop."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from tap_websocket.settings.declare import (
    BOOLEAN,
    Idle,
    group,
    seconds,
    setting,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["DECLARATIONS", "CloseCodes", "ReconnectSettings", "idle", "read_reconnect"]

DECLARATIONS = group(
    "Reconnecting",
    reconnect=setting(
        BOOLEAN,
        "Reconnect after a drop or any close, a clean 1000 included; the subscription "
        "is sent again.",
        default=False,
    ),
    reconnect_backoff=setting(
        seconds(),
        "Seconds between attempts.",
        default=1,
    ),
    reconnect_backoff_max=setting(
        seconds(),
        "When set, the wait doubles from `reconnect_backoff` up to this, with full "
        "jitter.",
    ),
    max_reconnect_attempts=setting(
        whole(0),
        "Retries after a failure, the first connect included; unlimited by default, "
        "0: none. A message that produced output resets the count, each connection "
        "has its own.",
    ),
    fatal_close_codes=setting(
        {
            "type": "array",
            "items": {
                "type": ["integer", "string"],
                "pattern": r"^\s*(\d{4}|\d[xX]{3})\s*$",
                "minimum": 1000,
                "maximum": 4999,
            },
        },
        "Close codes (4001) or classes of them (`4xxx`) that end the run with exit "
        "code 1.",
        default=[],
    ),
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class CloseCodes:
    """A set of close codes: single ones, and classes by their first digit."""

    codes: frozenset[int] = frozenset()
    classes: frozenset[int] = frozenset()

    def __contains__(self, code: int) -> bool:
        """Return whether the code is one of them."""
        return code in self.codes or code // 1000 in self.classes


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ReconnectSettings:
    """What happens after a drop; without a maximum, attempts are not limited."""

    reconnect: bool
    reconnect_backoff: float
    reconnect_backoff_max: float | None
    max_reconnect_attempts: int | None
    fatal_close_codes: CloseCodes


def read_reconnect(config: Mapping[str, Any], problems: list[str]) -> ReconnectSettings:
    """Read what happens after a drop.

    Args:
        config: All settings, with their types.
        problems: Takes one line for each problem.
    """
    first, limit = config["reconnect_backoff"], config.get("reconnect_backoff_max")
    if limit is not None and limit < first:
        problems.append(
            f"reconnect_backoff_max: must be at least reconnect_backoff "
            f"({first}); {limit} was given",
        )
    codes = [str(code).strip().lower() for code in config["fatal_close_codes"]]
    return ReconnectSettings(
        reconnect=config["reconnect"],
        reconnect_backoff=first,
        reconnect_backoff_max=limit,
        max_reconnect_attempts=config.get("max_reconnect_attempts"),
        fatal_close_codes=CloseCodes(
            codes=frozenset(int(code) for code in codes if code.isdigit()),
            classes=frozenset(int(code[0]) for code in codes if "x" in code),
        ),
    )


def idle(config: Mapping[str, Any]) -> Iterator[Idle]:
    """Yield the settings of the group that others can leave without effect."""
    yield Idle(
        ("reconnect_backoff", "reconnect_backoff_max", "max_reconnect_attempts"),
        not config["reconnect"],
        "without reconnect: true",
    )
