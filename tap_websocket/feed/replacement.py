"""Make before break: a connection is opened in place of one that is still open."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tap_websocket.errors import ConnectionFailed, TapError
from tap_websocket.feed.backoff import refused_backoff
from tap_websocket.network.errors import HandshakeError, retry_after
from tap_websocket.transports.rfc6455 import NORMAL

if TYPE_CHECKING:
    from tap_websocket.feed.group import Group
    from tap_websocket.feed.recovery import Recovery
    from tap_websocket.feed.run_state import RunState
    from tap_websocket.feed.session import Session
    from tap_websocket.settings import Settings

__all__ = ["Replaced", "Replacement", "ReplacingLine"]

_LOGGER = logging.getLogger("tap-websocket")


class Replaced(NamedTuple):
    """What came of a replacement.

    Attributes:
        session: The connection that has taken the old one's place, or None.
        error: Why the attempt failed during which the old connection ended, if that is
            how it went.
        announced: Whether that attempt went to what the server had announced.
    """

    session: Session | None = None
    error: Exception | None = None
    announced: bool = False


class ReplacingLine(Protocol):
    """What a replacement asks of the line whose connection it replaces."""

    def make_session(self) -> Session:
        """Return a session for the next attempt."""

    async def dial(self, session: Session, *, announced: bool) -> None:
        """Make one connection attempt.

        Raises:
            HandshakeError: When it failed.
            TapError: When there are no credentials to be had, or no URL.
        """


class Replacement:
    """Replaces one connection of a line.

    The old one is as good as it was until the new one is subscribed; an attempt that
    fails is followed by another one for as long as it lives.

    Args:
        old: The connection that is open.
        line: The line that it belongs to.
        recovery: Keeps what failed on that line.
        run: The state of the run.
        group: The lines that bring the same messages.
        settings: All settings.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        old: Session,
        *,
        line: ReplacingLine,
        recovery: Recovery,
        run: RunState,
        group: Group,
        settings: Settings,
    ) -> None:
        self._old = old
        self._line = line
        self._recovery = recovery
        self._run = run
        self._group = group
        self._settings = settings

    async def perform(self) -> Replaced:
        """Open a connection in place of the old one, or see that one end."""
        old, group, recovery = self._old, self._group, self._recovery
        attempt = 0
        while not old.ended.done():
            # Where it was asked for again, the old connection has little time left.
            attempt = 1 if old.replacement.asked.done() else attempt + 1
            announced = old.replacement.take()
            new = self._line.make_session()
            error = await self._attempt(new, announced)
            if error is None:
                failure = await self._take_over(new)
                if failure is None:
                    return Replaced(new)
                least = new.outcome.retry_after
                if not new.has_data:
                    recovery.skip_address()
            elif recovery.is_down:
                # The old connection has ended meanwhile: this was the next one's.
                return Replaced(error=error, announced=bool(announced))
            else:
                failure, least = str(error), 0.0
                if isinstance(error, HandshakeError):
                    least = retry_after(error, time.time())
                recovery.skip_address()
            if group.is_complete or old.ended.done():
                break
            await self._wait(attempt, failure, least)
        return Replaced()

    async def _attempt(
        self, new: Session, announced: frozenset[str]
    ) -> Exception | None:
        """Open a connection beside the old one; return why it could not be opened.

        Args:
            new: The one to be opened; the old one may end meanwhile.
            announced: Names of captured values that serve this attempt alone.
        """
        old = self._old
        dialing = asyncio.ensure_future(self._line.dial(new, announced=bool(announced)))
        try:
            await _first(old.ended, dialing)
            if not dialing.done() and not self._group.is_complete:
                # The attempt under way is that of the next connection. How the old one
                # ended counts only where this fails: the server may close it for the
                # new one's sake.
                self._recovery.log_lost(old, "its replacement is under way")
                await _first(dialing)
            if not dialing.done():
                msg = "the feed is complete"
                return ConnectionFailed(msg)
            await dialing
        except (HandshakeError, TapError) as error:
            return error
        finally:
            dialing.cancel()
            new.values.forget(announced)
            # What was announced meanwhile serves the next attempt.
            old.values.forget(announced - old.replacement.announced)
        return None

    async def _take_over(self, new: Session) -> str | None:
        """Wait until the new connection has taken the old one's place.

        Returns:
            Why it did not, or None: the old one is closed then.
        """
        old = self._old
        await _first(new.ended, new.subscribed, old.ended)
        # The first of 200 topics may bring data before the last one is in force, so
        # the old connection is kept for a while, always.
        while not new.ended.done() and not old.ended.done():
            await _first(
                new.ended, old.ended, seconds=self._settings.continuity.overlap
            )
            if not new.ended.done() and not self._run.paused:
                break
        if new.ended.done() and not old.ended.done():
            return new.outcome.describe()
        # While reading is paused nothing is closed: what is not read would be lost.
        old.end(NORMAL)
        return None

    async def _wait(self, attempt: int, reason: str, least: float) -> None:
        """Wait before another attempt, while the old connection lives.

        Args:
            attempt: Number of the one that has failed, from 1.
            reason: Why it did.
            least: Seconds that the server wants to be left alone.
        """
        old = self._old
        soonest = max(least, refused_backoff(self._settings.reconnect, 1))
        seconds = max(least, refused_backoff(self._settings.reconnect, attempt))
        log = _LOGGER.warning if attempt == 1 else _LOGGER.info
        log(
            "The connection to %s could not be replaced: %s; it goes on, and the next "
            "attempt is in %.1f s",
            old.label,
            reason,
            seconds,
        )
        await _first(old.ended, seconds=soonest)
        if not old.ended.done():
            # Another announcement is not left to wait for as long.
            await _first(old.ended, old.replacement.asked, seconds=seconds - soonest)


async def _first(*futures: asyncio.Future[Any], seconds: float | None = None) -> None:
    """Wait for one of several futures, or for a number of seconds; cancel none."""
    await asyncio.wait(futures, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
