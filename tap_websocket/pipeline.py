"""A run, wired up: feed to records to pages, and its handle in the main thread."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import functools
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tap_websocket.delivery.bridge import Bridge
from tap_websocket.delivery.event_loop import gather_seconds, make_event_loop
from tap_websocket.delivery.pages import Pager
from tap_websocket.errors import TapError
from tap_websocket.feed.dialer import Dialer
from tap_websocket.feed.feed import Feed
from tap_websocket.feed.threads import LoopThread
from tap_websocket.records.stages import RecordStages
from tap_websocket.transports.rfc6455 import NORMAL
from tap_websocket.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_websocket.columns.columns import Columns
    from tap_websocket.counts import Counts
    from tap_websocket.delivery.buffer import Buffer
    from tap_websocket.delivery.pages import Page
    from tap_websocket.feed.run_state import Ending
    from tap_websocket.logs import SecretFilter
    from tap_websocket.records.document_reader import Documents
    from tap_websocket.records.plan import RecordPlan
    from tap_websocket.settings import Settings
    from tap_websocket.timers import Timer

__all__ = ["LoopRunner", "Pipeline", "Run"]

_LOGGER = logging.getLogger("tap-websocket")
_POLL_SECONDS = 0.1
"""How often a wait for the sample looks after the feed and the target."""

_PAGES_IN_BUFFER = 16
"""Pages that fit into `buffer_bytes`: few enough that one is worth a wake-up, and
enough that the target is fed while the next one fills."""

_Sampled = concurrent.futures.Future[Mapping[str, Any]]
"""The schema that a run begins with: known at once, or when the sample is complete."""


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run is made of.

    Attributes:
        settings: All settings.
        plan: Makes the columns.
        counts: What the run counts.
        secrets: Masks secrets in logs, and learns new ones.
        max_messages: Overrides the setting of that name, for a trial.
        only_one: Open one of the connections that topics are spread over.
        documents: Takes messages apart, where the settings do not.
        discovers: The run is a sample for the catalog.
    """

    settings: Settings
    plan: RecordPlan
    counts: Counts
    secrets: SecretFilter
    max_messages: int | None = None
    only_one: bool = False
    documents: Documents | None = None
    discovers: bool = False


class Pipeline:
    """A run as the main thread sees it: a schema, then pages, then the end.

    Args:
        run: What it is made of.

    Attributes:
        bridge: What a signal stops.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        gathers = gather_seconds(run.settings)
        self.bridge = Bridge(
            run.settings.delivery,
            make_loop=functools.partial(make_event_loop, gathers),
        )
        # Given the schema that the run begins with, in the loop's thread.
        self._sampled: _Sampled = concurrent.futures.Future()
        # Set in the loop's thread, once the feed is there.
        self._feed: Feed | None = None

    def _make_runner(self, buffer: Buffer) -> LoopRunner:
        runner = LoopRunner(self._run, buffer, self._sampled)
        self._feed = runner.feed
        return runner

    def start(self) -> None:
        """Start the feed, in a thread of its own."""
        self.bridge.start(self._make_runner)

    def schema(self, alive: Callable[[], None]) -> Mapping[str, Any]:
        """Wait for the schema that the run begins with: it may have to be sampled.

        Args:
            alive: Called now and then; it may raise, to end the wait.

        Raises:
            TapError: When the feed cannot be sampled.
        """
        while True:
            try:
                return self._sampled.result(_POLL_SECONDS)
            except concurrent.futures.TimeoutError:
                failure = self.bridge.failure
                if failure is not None and not self._sampled.done():
                    raise failure from None
                alive()

    def pages(self, alive: Callable[[], None] = lambda: None) -> Iterator[Page]:
        """Yield the pages as they come, until the run ends (see `Bridge.pages`)."""
        return self.bridge.pages(alive)

    @property
    def idle_seconds(self) -> float:
        """Seconds since the idle clock was last reset; 0 before the start."""
        feed = self._feed
        # An event loop's clock is `time.monotonic`, which all threads share.
        return 0.0 if feed is None else time.monotonic() - feed.last_inbound

    def skip_close_handshake(self) -> None:
        """Wait for no server at the end: nobody takes pages."""
        self.bridge.skip_close_handshake()

    def close(self, reason: str = "no more records are taken") -> None:
        """End the run and its thread; pages that were not taken are lost.

        Args:
            reason: In a few words, for the log of a run that goes on.
        """
        self.bridge.close(reason)


class LoopRunner:
    """What runs in the loop's thread: it receives, and puts pages into a buffer.

    Made within the running loop.

    Args:
        run: What the run is made of.
        buffer: Takes the pages.
        sampled: Is given the schema that the run begins with.

    Attributes:
        feed: What receives; the bridge tells it to stop or to wait.
    """

    def __init__(self, run: Run, buffer: Buffer, sampled: _Sampled) -> None:
        settings, counts = run.settings, run.counts
        self._run = run
        self._sampled = sampled
        self._buffer = buffer
        self._loop = asyncio.get_running_loop()
        delivery = settings.delivery
        self._in_loop = LoopThread()
        self._pager = Pager(
            put=self._put,
            schedule=self._schedule,
            now_ns=time.time_ns,
            batch_size=delivery.batch_size,
            page_bytes=max(1, delivery.buffer_bytes // _PAGES_IN_BUFFER),
            flush_interval=delivery.flush_interval if delivery.batch_size else None,
        )
        stages = RecordStages.of(
            settings,
            plan=run.plan,
            pager=self._pager,
            counts=counts,
            secrets=run.secrets,
            settled=self._settled,
            documents=run.documents,
        )
        self._emitter = stages.emitter
        self._handler = stages.handler
        self.feed = Feed(
            settings,
            dialer=Dialer(settings, learn=run.secrets.learn),
            handle=stages.handler.consume,
            observer=stages.handler,
            counts=counts,
            subscribed=self._subscribed,
            max_messages=run.max_messages,
            only_one=run.only_one,
        )

    async def run(self) -> None:
        """Receive until the run ends, then hand on everything that is left."""
        started = self._loop.time()
        ending = await self.feed.run()
        error, reason = ending.error, ending.reason
        try:
            # Without a record there is nothing to infer columns from, and a failure
            # is all that there is to report.
            if error is None or self._run.counts.records:
                self._emitter.settle()
        except TapError as failure:
            if error is None:
                error, reason = failure, "a record was fatal"
        # What stands before such a record was received, too.
        self._pager.flush()
        # One that ends the run was counted when it came, and may not be the last.
        self._run.counts.records = self._pager.total
        self._handler.count_missing()
        _LOGGER.info(
            "%s after %.1f s: %s%s; %s",
            "The sample for the catalog ended"
            if self._run.discovers
            else "The run ended",
            self._loop.time() - started,
            reason,
            "" if error is None else " (see the error)",
            self._run.counts.summary(),
        )
        self._handler.warn_of_paths()
        if error is None:
            self._warn_of_no_record(ending)
        self._emitter.close()
        # The target gets the last page before servers answer our Close frames.
        self._buffer.close(error)
        await self.feed.close()

    def _settled(self, columns: Columns) -> None:
        if not self._sampled.done():
            self._sampled.set_result(columns.schema)

    def _subscribed(self) -> None:
        timeout = self._run.settings.stream.infer_timeout
        self._schedule(timeout, self._end_sample)

    def _end_sample(self) -> None:
        """End the sample at `infer_timeout`; a run waits on for its first record."""
        if self._run.discovers and not self._run.counts.records:
            timeout = self._run.settings.stream.infer_timeout
            self.feed.stop(f"infer_timeout: {timeout:g} s have passed", NORMAL)
        else:
            self._emitter.end_sample()

    def _warn_of_no_record(self, ending: Ending) -> None:
        """Say that a discovery found no columns.

        Not where a signal ended it, or where a shard has nothing to do.
        """
        counts = self._run.counts
        if (
            self._run.discovers
            and not counts.records
            and self.feed.has_connected
            and ending.close_code == NORMAL
        ):
            _LOGGER.warning(
                "no record came (%s): the catalog has no columns yet, and a run with "
                "it infers them; %s ignored; check subscribe_messages, records_path "
                "and message_rules, or set infer_timeout higher",
                ending.reason,
                counted(counts.ignored, "document was", "documents were"),
            )

    def _put(self, page: Page) -> None:
        """Put a page into the buffer.

        The loop stops reading when that is full; another thread waits for room.
        """
        self._buffer.put(page)
        if not self._in_loop.is_here:
            self._buffer.wait_for_room(lambda: self.feed.is_over)

    def _schedule(self, delay: float, act: Callable[[], None]) -> Timer:
        """Call back later; a failure there ends the run like any other."""
        if self._in_loop.is_here:
            return self._loop.call_later(delay, self._guard, act)
        # What another thread takes is flushed at its end.
        return _NoTimer()

    def _guard(self, act: Callable[[], None]) -> None:
        self.feed.in_turn(lambda: self._try(act))

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - raised in the main thread
            self.feed.fail("records could not be handed on", error)


class _NoTimer:
    """A timer that was not set."""

    def cancel(self) -> None:
        """Do nothing."""
