"""Messages of the config that cannot be made: whoever sends them, the run ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

from tap_websocket.errors import ConnectionFailed
from tap_websocket.expressions.placeholders import ConnectionBuiltins, PlaceholderValues
from tap_websocket.feed.outbound import Outbound
from tests.support import fake_clock
from tests.support.receive import make_settings

if TYPE_CHECKING:
    from tap_websocket.expressions.placeholders import MessageBuiltins

SIGNED = {"type": "signed", "secret": "s3cret", "template": "{timestamp}"}


def _refuse(moment: MessageBuiltins) -> Any:
    del moment
    msg = "there is no signature any more"
    raise ConnectionFailed(msg)


@pytest.mark.parametrize(
    "given",
    [
        {"subscribe_messages": ["{signature}"]},
        {"subscribe_messages": ["first", "{signature}"], "subscribe_interval": 5},
        {"heartbeat_message": "{signature}", "heartbeat_interval": 5},
    ],
    ids=["at once", "after an interval", "as a heartbeat"],
)
def test_a_message_that_cannot_be_signed_ends_the_run(given: dict[str, Any]) -> None:
    host = mock.Mock()

    async def send() -> None:
        values = PlaceholderValues()
        values.authenticate({"signature": "", "timestamp": ""}, _refuse)
        outbound = Outbound(
            make_settings(auth=SIGNED, **given),
            host,
            values=values,
            builtins=ConnectionBuiltins(),
            topics=(),
        )
        outbound.attach(mock.Mock())
        outbound.start()
        await asyncio.sleep(6)
        outbound.stop()

    fake_clock.run(send())
    (called,) = host.fail.mock_calls
    assert "no signature" in str(called.args[0])
