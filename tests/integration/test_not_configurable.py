"""What docs/feeds.md says cannot be configured: what becomes of such a feed."""

from __future__ import annotations

import base64
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import ParseError
from tests.support.receive import receive
from tests.support.scripts import receive_messages
from tests.support.servers import serve

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from tests.support.servers import Peer

pytestmark = pytest.mark.usefixtures("each_transport")


def _packet(kind: int, body: bytes) -> bytes:
    """Return an MQTT packet of less than 128 bytes (MQTT 3.1.1, section 2.2)."""
    return bytes([kind, len(body)]) + body


def _text(text: str) -> bytes:
    return len(text).to_bytes(2, "big") + text.encode()


def _base64(packet: bytes) -> str:
    return base64.b64encode(packet).decode()


CONNECT = _packet(0x10, _text("MQTT") + b"\x04\x02\x00\x00" + _text("tap"))
CONNACK = _packet(0x20, b"\x00\x00")
SUBSCRIBE = _packet(0x82, b"\x00\x01" + _text("trades/#") + b"\x00")
SUBACK = _packet(0x90, b"\x00\x01\x00")
PUBLISH = _packet(0x30, _text("trades/btc") + b'{"p":1}')


async def broker(peer: Peer) -> None:
    assert peer.headers["sec-websocket-protocol"] == "mqtt"
    assert await peer.recv() == CONNECT
    await peer.send(CONNACK)
    assert await peer.recv() == SUBSCRIBE
    await peer.send(SUBACK)
    await peer.send(PUBLISH)
    await peer.send(PUBLISH + PUBLISH)
    await peer.wait()


def test_packets_of_mqtt_arrive_whole() -> None:
    """As base64, several in one message as the server sends them."""
    config: dict[str, Any] = {
        "subprotocols": ["mqtt"],
        "message_format": "binary",
        "subscribe_messages": [
            {"message": _base64(CONNECT), "binary": True},
            {"message": _base64(SUBSCRIBE), "binary": True},
        ],
        "max_messages": 4,
        "max_duration": 20,
    }
    with serve(broker, subprotocols=("mqtt",)) as server:
        run = receive(url=server.url, **config)
    assert run.error is None
    data = [record["data"] for record in run.records]
    packets = [CONNACK, SUBACK, PUBLISH, PUBLISH + PUBLISH]
    assert data == list(map(_base64, packets))


def test_a_dictionary_of_the_feed_s_own_ends_the_run() -> None:
    message = json.dumps({"symbol": "BTC-USD", "price": 42219.9}).encode()
    samples = [message + str(number).encode() for number in range(1000)]
    dictionary = zstd.train_dict(samples, 4096)
    packed = zstd.compress(message, zstd_dict=dictionary)
    run = receive_messages(packed, payload_compression="zstd")
    assert isinstance(run.error, ParseError)
    assert "zstd" in str(run.error)


def test_changes_are_records_as_they_come() -> None:
    changes = ['{"side":"buy","price":1,"size":5}', '{"side":"buy","price":1,"size":0}']
    run = receive_messages(*changes)
    assert [record["size"] for record in run.records] == [5, 0]
