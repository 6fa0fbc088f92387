"""How a connection ended, as far as it matters for what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_websocket.feed.advice import silence_hint
from tap_websocket.transports.rfc6455 import NO_CODE, NORMAL

if TYPE_CHECKING:
    from tap_websocket.transports.base import Closing

__all__ = ["Outcome"]


class Outcome:
    """How one connection ended: what the transport saw, and what this side judged.

    Args:
        pings: Whether Pings keep the connection from being silent for long.

    Attributes:
        closing: What the transport saw; None while the connection lives.
        at: When that was, by the loop's clock; 0 before.
        was_alone: Whether no other connection of its group was open then.
        verdict: Why this side gave the connection up, or empty.
        refused: Whether the server refused the subscription or the connection, so that
            another attempt is not to be hurried; known at the end at the latest.
        retry_after: Seconds that a server wants to be left alone before the next.
    """

    def __init__(self, *, pings: bool) -> None:
        self._pings = pings
        self.closing: Closing | None = None
        self.at = 0.0
        # Seconds from the last frame to the end.
        self._silent = 0.0
        self.was_alone = True
        self.verdict = ""
        self.refused = False
        self.retry_after = 0.0

    def close(self, closing: Closing, at: float, *, silent: float) -> None:
        """Take the end of the connection.

        Args:
            closing: What the transport saw.
            at: The time, by the loop's clock.
            silent: Seconds since the last frame.
        """
        self.closing = closing
        self.at = at
        self._silent = silent

    @property
    def is_clean(self) -> bool:
        """Whether the server ended its feed as it should, as far as its Close tells."""
        closing = self.closing
        return (
            closing is not None
            and not self.verdict
            and closing.code in {NORMAL, NO_CODE}
        )

    def describe(self) -> str:
        """Return in a few words how the connection ended, or why it is given up."""
        closing = self.closing
        if self.verdict or closing is None:
            return self.verdict
        if closing.failure:
            hints = not (closing.too_big or self._pings)
            return closing.failure + (silence_hint(self._silent) if hints else "")
        code = "no code" if closing.code == NO_CODE else f"code {closing.code}"
        reason = f" ({closing.reason!r})" if closing.reason else ""
        return f"a Close frame with {code}{reason}"
