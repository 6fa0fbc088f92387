"""What runs in the loop's thread: the feed, its intake and the pages, wired up."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tap_websocket.delivery.pages import Pager
from tap_websocket.errors import TapError
from tap_websocket.feed.dialer import Dialer
from tap_websocket.feed.feed import Ending, Feed
from tap_websocket.records.emitter import RecordEmitter
from tap_websocket.records.message_handler import MessageHandler
from tap_websocket.records.router import MessageRouter

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.columns.columns import Columns
    from tap_websocket.counts import Counts
    from tap_websocket.delivery.buffer import Buffer
    from tap_websocket.logs import SecretFilter
    from tap_websocket.records.extractor import Documents
    from tap_websocket.records.plan import RecordPlan
    from tap_websocket.settings import Settings

__all__ = ["LoopRunner", "Sampled"]

_LOGGER = logging.getLogger("tap-websocket")
_PAGES_IN_BUFFER = 16

Sampled = concurrent.futures.Future[Mapping[str, Any]]
"""The schema that a run begins with: known at once, or when the sample is complete."""


class LoopRunner:
    """Receives until the run ends, putting pages into a buffer."""

    def __init__(  # noqa: PLR0913 - its collaborators, by keyword
        self,
        settings: Settings,
        buffer: Buffer,
        *,
        plan: RecordPlan,
        sampled: Sampled,
        most: int | None,
        counts: Counts,
        mask: SecretFilter,
        documents: Documents | None = None,
    ) -> None:
        """Wire the rooms up, within the running loop.

        Args:
            settings: All settings.
            buffer: Takes the pages.
            plan: Makes the columns.
            sampled: Is given the schema that the run begins with.
            most: Messages after which a trial ends, or None.
            counts: The run's counts.
            mask: Blots secrets out of logs, and learns new ones.
            documents: Takes messages apart, where the settings do not.
        """
        self._settings = settings
        self._sampled = sampled
        self._counts = counts
        self._buffer = buffer
        self._loop = asyncio.get_running_loop()
        delivery = settings.delivery
        self._pager = Pager(
            put=buffer.put,
            schedule=self._schedule,
            now_ns=time.time_ns,
            batch_size=delivery.batch_size,
            page_bytes=max(1, delivery.buffer_bytes // _PAGES_IN_BUFFER),
            flush_interval=delivery.flush_interval if delivery.batch_size else None,
        )
        self._recorder = RecordEmitter(
            settings,
            plan=plan,
            pager=self._pager,
            counts=counts,
            settled=self._settled,
        )
        intake = MessageHandler(
            settings,
            plan=plan,
            judge=MessageRouter(
                settings.subscription, mask=mask.text, learn=mask.capture
            ),
            recorder=self._recorder,
            counts=counts,
            now_ns=time.time_ns,
            documents=documents,
        )
        self._feed = Feed(
            settings,
            dialer=Dialer(settings, learn=mask.learn),
            consume=intake.consume,
            counts=counts,
            subscribed=self._subscribed,
            max_messages=most,
        )

    async def run(self) -> None:
        """Receive until the run ends, then hand on everything that is left."""
        started = self._loop.time()
        ending = await self._feed.run()
        try:
            if ending.error is None or self._counts.records:
                self._recorder.settle()
            self._pager.flush()
        except TapError as error:
            ending = Ending(ending.reason, ending.error or error)
        _LOGGER.info(
            "The run ended after %.1f s: %s; %s",
            self._loop.time() - started,
            ending.reason,
            self._counts.summary(),
        )
        self._recorder.close()
        self._buffer.close(ending.error)
        await self._feed.close()

    def stop(self, reason: str) -> None:
        """End the run as it should."""
        self._feed.stop(reason)

    def skip_close_handshake(self) -> None:
        """Do not wait for servers any more."""
        self._feed.skip_close_handshake()

    def fail(self, error: Exception) -> None:
        """End the run with an error, after everything received was delivered."""
        self._feed.end("records could not be kept", error)

    def pause(self) -> None:
        """Stop reading from the network."""
        self._feed.pause()

    def resume(self) -> None:
        """Read from the network again."""
        self._feed.resume()

    def _settled(self, columns: Columns) -> None:
        if not self._sampled.done():
            self._sampled.set_result(columns.schema)

    def _subscribed(self) -> None:
        timeout = self._settings.stream.infer_timeout
        self._schedule(timeout, self._recorder.settle)

    def _schedule(self, delay: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back later; a failure there ends the run like any other."""
        return self._loop.call_later(delay, self._guard, act)

    def _guard(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - raised in the main thread
            self._feed.end("records could not be handed on", error)
