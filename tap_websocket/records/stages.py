"""The stages from messages to records, wired up in the order in which they act."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

from tap_websocket.records.deduplicate import Deduplicator
from tap_websocket.records.emitter import RecordEmitter
from tap_websocket.records.message_handler import MessageHandler
from tap_websocket.records.router import MessageRouter
from tap_websocket.records.sequence import SequenceTracker
from tap_websocket.timers import StoppableClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.columns.columns import Columns
    from tap_websocket.counts import Counts
    from tap_websocket.delivery.pages import Pager
    from tap_websocket.logs import SecretFilter
    from tap_websocket.records.document_reader import Documents
    from tap_websocket.records.plan import RecordPlan
    from tap_websocket.settings import Settings

__all__ = ["RecordStages"]


@dataclasses.dataclass(frozen=True)
class RecordStages:
    """What a batch of messages passes on its way into pages.

    Attributes:
        handler: Takes the messages.
        router: Decides what is no data.
        emitter: Makes records of what is.
    """

    handler: MessageHandler
    router: MessageRouter
    emitter: RecordEmitter

    @classmethod
    def of(  # noqa: PLR0913 - their collaborators, by keyword
        cls,
        settings: Settings,
        *,
        plan: RecordPlan,
        pager: Pager,
        counts: Counts,
        secrets: SecretFilter,
        settled: Callable[[Columns], None],
        now_ns: Callable[[], int] = time.time_ns,
        clock: Callable[[], float] = time.monotonic,
        documents: Documents | None = None,
    ) -> RecordStages:
        """Wire the stages up.

        Args:
            settings: All settings.
            plan: Makes the columns.
            pager: Takes the records.
            counts: The run's counts.
            secrets: Masks secrets in logs, and learns new ones.
            settled: Called with the columns, before the first record.
            now_ns: The wall clock, in nanoseconds since the epoch.
            clock: The time in seconds, from any start.
            documents: Takes messages apart, where the settings do not.
        """
        continuity = settings.continuity
        # What one line has read, another one may have behind a pause of any length.
        running = StoppableClock(clock)
        deduplicator = None
        if continuity.deduplicate is not None:
            deduplicator = Deduplicator(
                continuity.deduplicate, overlap=continuity.overlap, clock=running
            )
        tracker = None
        if continuity.sequence is not None:
            tracker = SequenceTracker(
                continuity.sequence, overlap=continuity.overlap, clock=running
            )
        router = MessageRouter(
            settings.subscription,
            counts=counts,
            excerpt=secrets.excerpt,
            learn=secrets.capture,
        )
        emitter = RecordEmitter(
            settings,
            plan=plan,
            pager=pager,
            counts=counts,
            settled=settled,
            deduplicator=deduplicator,
        )
        handler = MessageHandler(
            settings,
            plan=plan,
            router=router,
            emitter=emitter,
            counts=counts,
            now_ns=now_ns,
            deduplicator=deduplicator,
            tracker=tracker,
            clock=running,
            documents=documents,
        )
        return cls(handler, router, emitter)
