"""A run in this process: the bridge and everything behind it, without Singer."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from tap_websocket.counts import Counts
from tap_websocket.errors import TapError
from tap_websocket.logs import SecretFilter
from tap_websocket.pipeline import Pipeline, Run
from tap_websocket.records.plan import RecordPlan
from tap_websocket.settings import Settings, coerce, read_settings
from tap_websocket.tap import TapWebSocket
from tests.support.tap import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tap_websocket.delivery.bridge import Bridge
    from tap_websocket.delivery.pages import Page

transport = "auto"
"""The transport of runs that do not name one; the fixture `each_transport` sets it."""

__all__ = ["Received", "make_settings", "receive"]


@dataclasses.dataclass
class Received:
    """What came across the bridge."""

    pages: list[Page]
    counts: Counts
    error: TapError | None
    seconds: float

    @property
    def records(self) -> list[Any]:
        return [parse(record) for page in self.pages for record in page.records()]

    @property
    def schemas(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        for page in self.pages:
            if not found or found[-1] is not page.schema:
                found.append(page.schema)
        return found


def make_settings(**given: Any) -> Settings:
    """Make settings as the tap does, from a few of them."""
    given.setdefault("url", "ws://localhost:1/")
    if not {"max_messages", "idle_timeout", "max_duration"} & given.keys():
        given["max_duration"] = 20
    prepared = coerce.prepare(given, TapWebSocket.config_jsonschema)
    assert not prepared.problems, prepared.problems
    return read_settings(prepared.config, prepared.given)


def receive(
    *,
    each: Callable[[Page, Bridge], None] = lambda _page, _bridge: None,
    started: Callable[[Bridge], None] = lambda _bridge: None,
    **given: Any,
) -> Received:
    """Run to the end and collect the pages.

    Args:
        each: Called for each page, before the next one is asked for.
        started: Called once the bridge runs.
        given: Settings of the tap.
    """
    settings = make_settings(**{"close_timeout": 1, "transport": transport, **given})
    counts = Counts()
    plan = RecordPlan(settings, keys=settings.stream.primary_keys)
    pipeline = Pipeline(Run(settings, plan, counts, SecretFilter(settings.secrets)))
    bridge = pipeline.bridge
    begin = time.monotonic()
    pipeline.start()
    started(bridge)
    pages: list[Page] = []
    error: TapError | None = None
    try:
        for page in pipeline.pages():
            each(page, bridge)
            pages.append(page)
    except TapError as failure:
        error = failure
    pipeline.close()
    return Received(pages, counts, error, time.monotonic() - begin)
