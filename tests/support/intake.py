"""A message handler and what stands behind it, to be fed by hand."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING
from unittest import mock

from tap_websocket.counts import Counts
from tap_websocket.delivery.pages import Page, Pager
from tap_websocket.logs import SecretFilter
from tap_websocket.records.plan import RecordPlan
from tap_websocket.records.stages import RecordStages

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.records.emitter import RecordEmitter
    from tap_websocket.records.message_handler import MessageHandler
    from tap_websocket.records.router import MessageRouter
    from tap_websocket.settings import Settings

__all__ = ["NOW", "ByHand", "by_hand"]

NOW = 1_764_000_000_123_456_789


@dataclasses.dataclass(frozen=True)
class ByHand:
    """What a run has between the network and the bridge."""

    handler: MessageHandler
    emitter: RecordEmitter
    router: MessageRouter
    pager: Pager
    counts: Counts
    pages: list[Page]

    def finish(self) -> None:
        """End the sample, if there is one, and the last page."""
        self.emitter.settle()
        self.pager.flush()


def _no_timer(delay: float, act: Callable[[], None]) -> mock.Mock:
    del delay, act
    return mock.Mock()


def by_hand(
    settings: Settings,
    deselected: frozenset[str] = frozenset(),
    clock: Callable[[], float] = time.monotonic,
) -> ByHand:
    """Make a handler of the settings, with pages of seven records."""
    pages: list[Page] = []
    pager = Pager(
        put=pages.append,
        schedule=_no_timer,
        now_ns=lambda: NOW,
        batch_size=7,
        page_bytes=10**6,
        flush_interval=1,
    )
    counts = Counts()
    plan = RecordPlan(
        settings, keys=settings.stream.primary_keys, deselected=deselected
    )
    stages = RecordStages.of(
        settings,
        plan=plan,
        pager=pager,
        counts=counts,
        secrets=SecretFilter(),
        settled=lambda _columns: None,
        now_ns=lambda: NOW,
        clock=clock,
    )
    return ByHand(
        stages.handler,
        stages.emitter,
        stages.router,
        pager,
        counts,
        pages,
    )
