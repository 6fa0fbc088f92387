"""Delivery: how records are handed on to the target."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from tap_websocket.settings.declare import Idle, group, seconds, setting, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["DECLARATIONS", "DeliverySettings", "idle", "read_delivery"]

DECLARATIONS = group(
    "Delivery",
    batch_size=setting(
        whole(0),
        "Records in a page, which is handed on and flushed as one. 0: the whole run is "
        "one page, handed on at its end, or whenever `buffer_bytes` is full.",
        default=1000,
    ),
    flush_interval=setting(
        seconds(),
        "A partial page is flushed after this many seconds (not with `batch_size: 0`).",
        default=1,
    ),
    buffer_bytes=setting(
        whole(1),
        "Memory for records that the target has not taken yet, object overhead "
        "included; a larger record passes alone.",
        default=67108864,
    ),
    spill_bytes=setting(
        whole(0),
        "Disk for records that do not fit into `buffer_bytes`, in an unlinked "
        "temporary file. 0: none.",
        default=0,
    ),
    drain_timeout=setting(
        seconds(),
        "After a signal, the target has this many seconds to take what was received.",
        default=30,
    ),
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DeliverySettings:
    """How records are handed on."""

    batch_size: int
    flush_interval: float
    buffer_bytes: int
    spill_bytes: int
    drain_timeout: float


def read_delivery(config: Mapping[str, Any]) -> DeliverySettings:
    """Read how records are handed on, from all settings, with their types."""
    return DeliverySettings(**{name: config[name] for name in DECLARATIONS})


def idle(config: Mapping[str, Any]) -> Iterator[Idle]:
    """Yield the settings of the group that others can leave without effect."""
    yield Idle(("flush_interval",), config["batch_size"] == 0, "with batch_size: 0")
