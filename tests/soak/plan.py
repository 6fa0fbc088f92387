"""What one run of the soak is: all of it drawn from the seed."""

from __future__ import annotations

import dataclasses
import random
from typing import TYPE_CHECKING, Any, Literal

from tests.soak.faults import FATAL_CODE, MAX_MESSAGE_BYTES
from tests.soak.messages import SCHEMA, Variety

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.soak.compare import Form

__all__ = ["ENDS", "KILLED", "LONG", "End", "Plan", "make_plan"]

End = Literal[
    "SIGTERM",
    "SIGINT",
    "SIGINT and SIGTERM",
    "SIGTERM twice",
    "SIGTERM with a stuck target",
    "the target dies",
    "max_duration",
    "max_messages",
    "idle_timeout",
    "a fatal close code",
    "every feed is closed",
    "a drop without reconnect",
]
ENDS: tuple[End, ...] = End.__args__  # type: ignore[attr-defined]

_NO_RECONNECT: tuple[End, ...] = ("every feed is closed", "a drop without reconnect")
KILLED: tuple[End, ...] = (
    "SIGTERM twice",
    "SIGTERM with a stuck target",
    "the target dies",
)
"""The ends after which the tap has no time to deliver everything."""

LONG: tuple[End, ...] = (
    "SIGTERM",
    "SIGINT",
    "max_duration",
    "idle_timeout",
    "a fatal close code",
)
"""The ends of a run with faults all the way, and all of it delivered."""

_KIB = 1024
_GUARD_SECONDS = 90


@dataclasses.dataclass(frozen=True)
class Plan:
    """One run of the tap.

    Attributes:
        seed: Of everything random in it.
        end: What ends it.
        seconds: When that is made to happen, from the first handshake on.
        form: How messages become records.
        variety: What the server sends.
        feeds: The contexts.
        rate: Messages a second that the server sends, about.
        config: The tap's settings, the URL apart.
    """

    seed: str
    end: End
    seconds: float
    form: Form
    variety: Variety
    feeds: tuple[str, ...]
    rate: int
    config: dict[str, Any]

    @property
    def reconnects(self) -> bool:
        return bool(self.config["reconnect"])


def make_plan(
    seed: str,
    *,
    seconds: float,
    transports: Sequence[str],
    ends: Sequence[End] = ENDS,
) -> Plan:
    """Draw a run.

    Args:
        seed: Decides everything.
        seconds: How long the run takes, about.
        transports: Those to choose from.
        ends: Those to choose from.
    """
    rng = random.Random(seed)
    end = rng.choice(ends)
    junk = rng.random() < 0.5
    form, stream = _stream(rng)
    feeds = tuple("abcd"[: rng.randint(1, 4)])
    config: dict[str, Any] = {
        "transport": rng.choice(transports),
        "contexts": [{"feed": feed} for feed in feeds],
        "reconnect": end not in _NO_RECONNECT,
        "reconnect_backoff": rng.choice((0.02, 0.2)),
        "connect_timeout": 2,
        "close_timeout": 1,
        "idle_reset": "message",
        "max_message_bytes": MAX_MESSAGE_BYTES,
        "max_duration": seconds + _GUARD_SECONDS,
        "record_metadata": True,
        "on_parse_error": "skip" if junk else "fail",
        "buffer_bytes": rng.choice((256, 1024, 4096, 16384)) * _KIB,
        "spill_bytes": rng.choice((0, 0, 4096, 65536)) * _KIB,
        "batch_size": rng.choice((0, 1, 50, 1000, 1000, 1000)),
        "flush_interval": rng.choice((0.05, 1)),
        **stream,
        **_ending(end, seconds, rng),
    }
    if rng.random() < 0.5:
        config |= {"ping_interval": 0.5, "ping_timeout": 3}
    if rng.random() < 0.3:
        config["reconnect_backoff_max"] = 0.5
    return Plan(
        seed=seed,
        end=end,
        seconds=seconds,
        form=form,
        variety=Variety(arrays=rng.random() < 0.5, junk=junk),
        feeds=feeds,
        rate=rng.choice((1000, 8000, 20_000)),
        config=config,
    )


def _stream(rng: random.Random) -> tuple[Form, dict[str, Any]]:
    """Draw how messages become records."""
    kind = rng.choice(
        ("schema", "schema", "infer", "infer", "data", "envelope", "text")
    )
    if kind == "schema":
        evolution = rng.choice(("rescue", "add_columns"))
        return "columns", {"schema": SCHEMA, "schema_evolution": evolution}
    if kind == "infer":
        return "columns", {
            "infer_messages": rng.choice((1, 100, 2000)),
            "infer_timeout": 2,
            "infer_nested": rng.random() < 0.3,
            "schema_evolution": rng.choice(("add_columns", "rescue")),
        }
    if kind == "data":
        return "data", {"infer_messages": 0}
    if kind == "envelope":
        return "envelope", {"envelope": True}
    form: Form = rng.choice(("raw_string", "binary"))
    return form, {"message_format": form, "on_parse_error": "fail"}


def _ending(end: End, seconds: float, rng: random.Random) -> dict[str, Any]:
    """Return the settings that an end needs."""
    if end == "max_duration":
        return {"max_duration": seconds}
    if end == "max_messages":
        return {"max_messages": rng.randint(1, int(seconds * 800))}
    if end == "idle_timeout":
        return {"idle_timeout": 6}
    if end == "a fatal close code":
        return {"fatal_close_codes": rng.choice(([FATAL_CODE], ["4999"]))}
    if end == "SIGTERM with a stuck target":
        return {"drain_timeout": 1}
    return {}
