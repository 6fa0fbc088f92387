"""One line to the feed: a connection at a time, opened again or replaced."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

from tap_websocket.errors import TapError
from tap_websocket.expressions.placeholders import PlaceholderValues, TopicList
from tap_websocket.feed.recovery import Recovery
from tap_websocket.feed.replacement import Replacement
from tap_websocket.feed.session import Session
from tap_websocket.network.errors import HandshakeError, is_retryable
from tap_websocket.settings.topics import TOPICS
from tap_websocket.transports.rfc6455 import NORMAL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tap_websocket.feed.dialer import Dialer
    from tap_websocket.feed.group import Group
    from tap_websocket.feed.run_state import RunState
    from tap_websocket.settings import Settings
    from tap_websocket.settings.connections import PlannedConnection

__all__ = ["Line"]

_LOGGER = logging.getLogger("tap-websocket")
_LIFETIME_JITTER = 0.05
"""Share of `connection_lifetime` that is left out at random, so that lines are not
replaced together."""


class Line:
    """One line of a group, which is kept connected as the reconnect settings say.

    A connection that ends is opened again; one that is to be replaced goes on until
    the next one has taken its place.

    Made within the running loop.

    Args:
        run: The state of the run.
        dialer: Opens connections.
        settings: All settings.
        group: The lines that bring the same messages.
        planned: What its connections are for.
        number: Of the line within the group, from 0.
    """

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        run: RunState,
        dialer: Dialer,
        settings: Settings,
        *,
        group: Group,
        planned: PlannedConnection,
        number: int = 0,
    ) -> None:
        self._run = run
        self._dialer = dialer
        self._settings = settings
        self._group = group
        self._planned = planned
        self._loop = asyncio.get_running_loop()
        separator = settings.topics.topic_separator
        topics = planned.topics
        listed = {TOPICS: TopicList(topics, separator)} if topics else {}
        # The values of placeholders: those of the current connection, or of the last
        # one while there is none.
        self._values = PlaceholderValues(
            settings.connection.placeholders,
            {**planned.context, **planned.secrets, **listed},
            shared=group.captured,
            shared_names=settings.subscription.message_rules.shared_names,
        )
        # The task that keeps the line connected, once it runs.
        self._work: asyncio.Task[None] | None = None
        self._recovery = Recovery(
            run, settings, line=self, group=group, number=number, label=dialer.label
        )
        # The connection that the line follows; None until there is one, and while
        # another one is opened after its end.
        self._current: Session | None = None
        group.lines.append(self)

    @property
    def is_undecided(self) -> bool:
        """Whether its connection ends, and what follows is not decided yet."""
        current = self._current
        return current is not None and current.is_ending and not self._recovery.is_down

    async def run(self) -> None:
        """Keep the line connected until it is closed for good.

        Raises:
            TapError: When it failed for good.
        """
        self._work = self._loop.create_task(self._keep_open())
        try:
            await self._work
        except asyncio.CancelledError:
            # Either the group is complete, or the run is over and cancels this, too.
            if not self._group.is_complete:
                raise
        finally:
            if not self._group.is_up:
                self._group.count_outage()

    def give_up(self) -> None:
        """Stop connecting: the group is complete, and its connections are closed."""
        current = self._current
        if self._work is not None and (current is None or current.ended.done()):
            self._work.cancel()

    async def _keep_open(self) -> None:
        session: Session | None = await self._connect()
        while session is not None:
            session = await self._next(session)

    async def _connect(self, announced: frozenset[str] = frozenset()) -> Session:
        """Open a connection; try until there is one.

        Args:
            announced: Names of captured values that serve the first attempt alone.

        Raises:
            TapError: When it failed for good.
        """
        self._current = None
        while True:
            session = self.make_session()
            serves, announced = announced, frozenset()
            try:
                await self.dial(session, announced=bool(serves))
            except HandshakeError as error:
                if serves:
                    # Whatever is wrong with what was announced, `url` is as it was.
                    _LOGGER.info(
                        "Cannot connect to %s: %s", self._recovery.label, error
                    )
                else:
                    await self._recovery.after_refusal(error)
            except TapError as error:
                await self._recovery.after_error(error)
            else:
                return session
            finally:
                for values in (self._values, session.values):
                    values.forget(serves)

    def make_session(self) -> Session:
        """Return a session for the next attempt; its values are its own so far."""
        return Session(
            self._run,
            self._settings,
            self,
            values=self._values.branch(),
            planned=self._planned,
            group=self._group.number,
        )

    async def dial(self, session: Session, *, announced: bool) -> None:
        """Make one connection attempt; what it changes in the line comes with success.

        Args:
            session: Takes the connection.
            announced: It goes to what the server has announced.

        Raises:
            HandshakeError: When it failed.
            TapError: When there are no credentials to be had, or no URL.
        """
        with self._group.attempt(self):
            try:
                await self._dialer.dial(
                    self._recovery.address(announced=announced),
                    session.values,
                    session.builtins,
                    session,
                    session.dialing,
                )
            except BaseException:
                # It may be open: an attempt is cancelled at any moment.
                session.abort()
                self._run.dropped(session.origin)
                raise

    async def _next(self, session: Session) -> Session | None:
        """Wait until another connection is the line's; return it, or None for none.

        Raises:
            TapError: When the line failed for good.
        """
        self._current, self._values = session, session.values
        if self._group.is_closed:
            session.end(NORMAL)
        await asyncio.wait(
            (session.ended, session.replacement.asked),
            return_when=asyncio.FIRST_COMPLETED,
        )
        if session.ended.done():
            return await self._reconnect(session)
        _LOGGER.info(
            "Replacing the connection to %s: %s",
            session.label,
            session.replacement.asked.result(),
        )
        replaced = await Replacement(
            session,
            line=self,
            recovery=self._recovery,
            run=self._run,
            group=self._group,
            settings=self._settings,
        ).perform()
        if replaced.session is not None:
            return replaced.session
        if replaced.error is None:
            return await self._reconnect(session)
        # What failed was the first attempt at the connection that follows.
        if await self._recovery.is_done_after(session):
            return None
        if (
            isinstance(replaced.error, HandshakeError)
            and not replaced.announced
            # A final refusal may have been for the old one's sake.
            and is_retryable(replaced.error)
        ):
            await self._recovery.after_refusal(replaced.error)
        return await self._connect(session.replacement.announced)

    async def _reconnect(self, session: Session) -> Session | None:
        """Return the connection that follows one that has ended, or None."""
        # Where the group is complete it may still be open, for `overlap`.
        await asyncio.wait((session.ended,))
        if await self._recovery.is_done_after(session):
            return None
        await self._recovery.wait_after(session)
        return await self._connect(session.replacement.announced)

    def dialing(self, session: Session, label: str) -> None:
        """Keep where the attempt goes to, for logs."""
        self._recovery.label = label
        # From here on the connection may bring what another line brings.
        self._run.dialing(session.origin)

    def opened(self, session: Session) -> None:
        """End the outage, if there was one, and begin with `connection_lifetime`."""
        self._recovery.opened(session)
        lifetime = self._settings.continuity.connection_lifetime
        if lifetime is not None:
            jitter = random.random()  # noqa: S311 - no secret depends on it
            session.replacement.ask_after(lifetime * (1 - _LIFETIME_JITTER * jitter))

    def produced(self, session: Session) -> None:
        """Reset the count of retries: the connection is a good one."""
        self._recovery.produced(session)

    def completed(self, session: Session) -> None:
        """End the group: its feed is complete."""
        self._group.complete(session)

    def learn(self, secrets: Iterable[str]) -> None:
        """Take what must not show in any output."""
        self._dialer.learn(secrets)

    async def refresh_credentials(self, session: Session) -> bool:
        """Replace credentials that were refused; return whether there are others."""
        return await self._dialer.refresh(session.values, session.builtins)

    def outlives(self, session: Session) -> bool:
        """Return whether what is fatal ends this connection alone.

        It does while its subscription is not complete and another connection of the
        group is open: the feed is received there.
        """
        return not session.subscribed.done() and self._group.is_up_without(session)

    def went_stale(self, session: Session) -> None:  # noqa: ARG002 - protocol
        """Let the other lines be silent for longer: the feed may be quiet."""
        self._group.went_stale()

    def closed(self, session: Session) -> None:
        """Count the connection as gone."""
        self._group.closed(session)
        self._run.dropped(session.origin)
