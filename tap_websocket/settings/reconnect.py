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
        "Maximum number of retries after a failure, that of the first connect "
        "included; unlimited by default, 0 for none. Each connection has its own "
        "count, which a message that produced output resets.",
    ),
    fatal_close_codes=setting(
        {
            "type": "array",
            "items": {
                "type": ["integer", "string"],
                "pattern": r"^\s*(\d{4}|\d[xX]{3}|\d{4}\s*-\s*\d{4})\s*$",
                "minimum": 1000,
                "maximum": 4999,
            },
        },
        "Close codes (4001), classes (`4xxx`) or ranges of them (`3500-3999`) that "
        "end the run with exit code 1.",
        default=[],
    ),
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class CloseCodes:
    """A set of close codes, as ranges that include their ends."""

    ranges: tuple[range, ...] = ()

    def __contains__(self, code: int) -> bool:
        """Return whether the code is one of them."""
        return any(code in each for each in self.ranges)


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
    return ReconnectSettings(
        reconnect=config["reconnect"],
        reconnect_backoff=first,
        reconnect_backoff_max=limit,
        max_reconnect_attempts=config.get("max_reconnect_attempts"),
        fatal_close_codes=_close_codes(config["fatal_close_codes"], problems),
    )


def _close_codes(given: list[int | str], problems: list[str]) -> CloseCodes:
    """Read close codes: 4001, "4xxx", "3500-3999"."""
    ranges: list[range] = []
    for number, code in enumerate(given):
        text = str(code).strip().lower()
        first, _, last = text.partition("-")
        begin, end = (
            int(first.replace("x", "0")),
            int((last or first).replace("x", "9")),
        )
        if begin > end:
            problems.append(
                f"fatal_close_codes[{number}]: a range goes from the lower code to the "
                f"higher one; '{text}' was given",
            )
        ranges.append(range(begin, end + 1))
    return CloseCodes(tuple(ranges))


def idle(config: Mapping[str, Any]) -> Iterator[Idle]:
    """Yield the settings of the group that others can leave without effect."""
    yield Idle(
        ("reconnect_backoff", "reconnect_backoff_max", "max_reconnect_attempts"),
        not config["reconnect"],
        "without reconnect: true",
    )
