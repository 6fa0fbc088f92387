"""Where a message came from, and what became of a batch of them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

import msgspec

from tap_websocket.expressions.placeholders import ConnectionBuiltins, PlaceholderValues
from tap_websocket.transports.rfc6455 import NORMAL, TOO_BIG_TEXT

if TYPE_CHECKING:
    from tap_websocket.errors import TapError
    from tap_websocket.feed.subscription import Subscription

__all__ = [
    "TAKES_NOTHING",
    "BatchHandler",
    "BatchResult",
    "CloseAction",
    "ConnectionObserver",
    "Origin",
]


def _discard(message: str) -> None:
    del message


class Origin(msgspec.Struct):
    """One connection, from its handshake to its end, as its messages know it.

    Attributes:
        number: Number of the connection within the run, from 1.
        url: Scheme, host, port and path, for the envelope.
        context: The context's keys and values, columns of its records.
        group: Number of the group of lines that bring the same messages.
        sequence: Number of the last record on this connection.
        values: The values of placeholders.
        live: Makes the values that are always there.
        subscription: Which replies are awaited.
        send: Sends a text message.
        decompress: Takes the compression off a binary message, where those of the
            connection are one stream; made for the first of them.
    """

    number: int
    url: str
    context: Mapping[str, str]
    group: int = 0
    sequence: int = 0
    values: PlaceholderValues = msgspec.field(default_factory=PlaceholderValues)
    live: ConnectionBuiltins = msgspec.field(default_factory=ConnectionBuiltins)
    subscription: Subscription | None = None
    send: Callable[[str], None] = _discard
    decompress: Callable[[bytes], bytes] | None = None


class CloseAction(enum.Enum):
    """What a message asks of its connection.

    Attributes:
        RECONNECT: A rule has it closed, and another one opened.
        GAP: Numbers of the feed are missing, so it is to be subscribed anew.
        STOP: The feed is complete.
        TOO_BIG: The message is over `max_message_bytes`.
        BROKEN_STREAM: Its compressed stream cannot be read any more.
        REPLACE: Another one is opened, which then takes its place.
    """

    RECONNECT = "reconnect"
    GAP = "gap"
    STOP = "stop"
    TOO_BIG = "too big"
    BROKEN_STREAM = "broken stream"
    REPLACE = "replace"

    def verdict(self, rule: str) -> str:
        """Return why this side closes the connection, for a log, or an empty text.

        Args:
            rule: The place of the rule that asks for another one.
        """
        if self is CloseAction.RECONNECT:
            return f"{rule} asked for it"
        return _VERDICTS.get(self, "")


TAKES_NOTHING = frozenset(
    {CloseAction.STOP, CloseAction.TOO_BIG, CloseAction.BROKEN_STREAM}
)
"""Behind a message that asks for one of these, nothing of the connection is taken."""

_VERDICTS = {
    CloseAction.GAP: "numbers of the feed are missing (on_gap: reconnect)",
    CloseAction.BROKEN_STREAM: (
        "its compressed stream cannot be read (payload_compression)"
    ),
    CloseAction.TOO_BIG: TOO_BIG_TEXT,
}


class BatchResult(msgspec.Struct):
    """What became of a batch of messages.

    Attributes:
        taken: Bytes of the messages that were taken, decompressed; a run may end
            within a batch.
        messages: Messages that yielded at least one record.
        records: Records that they yielded.
        deduplicated: Records that another message had brought before; they are not
            among `records`.
        directive: What they ask of their connection, if anything.
        rule: The place of the rule that asks for another connection, for logs.
        close_code: What the connection is closed with then (RFC 6455, section 7.4.1).
        captured: Names of what the rule captured that asks for a replacement.
        error: The failure that ends the run; what came before it was taken.
        rest: Takes the rest of the batch, and completes this: it takes long, and so is
            to be called in another thread. None where everything was taken.
        stopped: The rest is to end at the next record.
    """

    taken: int = 0
    messages: int = 0
    records: int = 0
    deduplicated: int = 0
    directive: CloseAction | None = None
    rule: str = ""
    close_code: int = NORMAL
    captured: frozenset[str] = frozenset()
    error: TapError | None = None
    rest: Callable[[], None] | None = None
    stopped: bool = False

    def stop(self) -> None:
        """Ask what takes the rest to end at the next record."""
        self.stopped = True


BatchHandler = Callable[[Origin, list[bytes], bool, int | None], BatchResult]
"""Takes a batch of payloads of one kind (binary or not), up to a number of messages
that yield records, or all of them (None); returns what became of them."""


class ConnectionObserver(Protocol):
    """What has to know which connections may bring messages, and when they may."""

    def dialing(self, origin: Origin) -> None:
        """Add a connection whose upgrade request is about to be sent."""

    def dropped(self, origin: Origin) -> None:
        """Remove a connection; one that was not added is ignored."""

    def outage_ended(self, group: int, seconds: float) -> None:
        """Note how long a group had no connection, before its next message."""

    def first_ignored(self) -> str:
        """Return the first document that was ignored, for a log line, or nothing."""

    def paused(self) -> None:
        """Stop the clocks: what has arrived is not read."""

    def resumed(self) -> None:
        """Start the clocks again."""
