"""A run's event loop gathers messages as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_websocket import pipeline
from tap_websocket.delivery.event_loop import make_event_loop
from tests.support.receive import receive
from tests.support.servers import free_port

if TYPE_CHECKING:
    import asyncio

    import pytest


def test_a_run_gathers_as_its_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def make(seconds: float) -> asyncio.AbstractEventLoop:
        asked.append(seconds)
        return make_event_loop(seconds)

    monkeypatch.setattr(pipeline, "make_event_loop", make)
    url = f"ws://127.0.0.1:{free_port()}/"
    for metadata in (False, True):
        receive(url=url, reconnect=False, max_duration=5, record_metadata=metadata)
    assert asked == [0.004, 0]
