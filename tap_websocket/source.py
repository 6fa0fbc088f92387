"""Where a message came from, and what became of a batch of them."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tap_websocket.errors import TapError

__all__ = ["Consume", "Directive", "Outcome", "Source"]


@dataclasses.dataclass(slots=True)
class Source:
    """One connection, from its handshake to its end, as records know it.

    Attributes:
        number: Number of the connection within the run, from 1.
        url: Scheme, host, port and path, for the envelope.
        context: The context's keys and values, columns of its records.
        sequence: Number of the last record on this connection.
    """

    number: int
    url: str
    context: Mapping[str, str]
    sequence: int = 0


class Directive(enum.Enum):
    """What a message asks of its connection."""

    RECONNECT = "reconnect"
    STOP = "stop"


@dataclasses.dataclass(slots=True)
class Outcome:
    """What became of a batch of messages.

    Attributes:
        taken: Bytes of the payloads that were taken; a run may end within a batch.
        messages: Messages that yielded at least one record.
        records: Records that they yielded.
        replies: Texts to send, in order.
        directive: What the last message that was taken asks for, if anything.
        error: The failure that ends the run; what came before it was taken.
    """

    taken: int = 0
    messages: int = 0
    records: int = 0
    replies: list[str] = dataclasses.field(default_factory=list)
    directive: Directive | None = None
    error: TapError | None = None


Consume = Callable[[Source, list[bytes], bool, int | None], Outcome]
"""Takes a batch of payloads of one kind (binary or not), and at most so many
messages that yield records; answers what became of them."""
