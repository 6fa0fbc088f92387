"""The SDK's own tests of a tap, and its private interfaces that this one needs."""

from __future__ import annotations

import atexit
import inspect
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.mapper import CustomStreamMap
from singer_sdk.plugin_base import PluginBase
from singer_sdk.streams import Stream
from singer_sdk.tap_base import Tap
from singer_sdk.testing import get_tap_test_class

from tap_websocket.demo import trades
from tap_websocket.singer import stream_maps
from tap_websocket.tap import TapWebSocket
from tests.support.servers import Peer, listen, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEMA = {
    "type": "object",
    "properties": {
        "symbol": {"type": "string"},
        "price": {"type": "number"},
        "trade_id": {"type": "integer"},
        "buyer_is_maker": {"type": "boolean"},
        "traded_at": {"type": "string", "format": "date-time"},
        "venue": {"type": "object"},
        "quantity": {"type": "number"},
        "flags": {"type": "array"},
    },
}


async def _feed(peer: Peer) -> None:
    for number, trade in enumerate(trades(1)):
        await peer.send(trade)
        if number > 500:
            break
    await peer.wait()


_LISTENER = listen()
"""The port has to be known before the SDK makes its tests, and the feed starts."""
# A process that runs none of them has it, too.
atexit.register(_LISTENER.close)

_CONFIG: dict[str, Any] = {
    "url": f"ws://localhost:{_LISTENER.getsockname()[1]}/",
    "max_messages": 300,
    "schema": _SCHEMA,
}

if TYPE_CHECKING:
    _Suite = object
else:
    _Suite = get_tap_test_class(TapWebSocket, config=_CONFIG)


@pytest.fixture(autouse=True, scope="module")
def live_feed() -> Iterator[None]:
    """The feed that the suite's taps connect to."""
    with serve(_feed, listener=_LISTENER):
        yield


@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records")
class TestTapWebSocket(_Suite):
    """The SDK's standard tests on a live feed.

    `_rescued_data` is declared and, on a feed that fits, in no record.
    """

    test_tap_valid_final_state = None
    """The tap writes no state, on purpose (docs/behaviour.md, "Delivery")."""


def test_the_sdk_still_has_what_the_tap_overrides() -> None:
    for owner, names in {
        PluginBase: ("_validate_config", "_handle_termination", "_env_var_config"),
        Tap: ("state_writer", "mapper", "setup_mapper", "load_state"),
        Stream: ("_sync_records", "_write_schema_message", "stream_maps", "mask"),
    }.items():
        for name in names:
            assert name in dir(owner), name
    members = dict(inspect.getmembers(Stream))
    parameters = inspect.signature(members["_sync_records"]).parameters
    assert list(parameters) == ["self", "context", "write_messages"]
    assert "_stream_maps" in inspect.getsource(members["stream_maps"].fget)


def test_a_failing_expression_is_still_found() -> None:
    stream_map = CustomStreamMap(
        stream_alias="s",
        map_config={},
        faker_config={},
        raw_schema={"properties": {"a": {"type": "integer"}}},
        key_properties=[],
        map_transform={"b": "a + 'x'"},
        flattening_options=None,
        stream_name="s",
    )
    with pytest.raises(TypeError) as caught:
        stream_map.transform({"a": 1})
    error = stream_maps.expression_error(caught.value)
    assert error is not None
    assert "the expression \"a + 'x'\" of 'b' failed on a record" in str(error)
