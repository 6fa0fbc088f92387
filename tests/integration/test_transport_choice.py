"""Which library carries a run, and what is said about it."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.network.errors import BadHandshake
from tap_websocket.transports.base import Handshake
from tap_websocket.transports.select import select_transport
from tests.support.connect import Heard
from tests.support.raw import frame, serve_raw
from tests.support.receive import make_settings

if TYPE_CHECKING:
    from tap_websocket.transports.base import Transport
    from tests.support.raw import RawPeer


def chosen(**given: Any) -> Transport:
    settings = make_settings(transport=given.pop("transport")).connection
    return select_transport(dataclasses.replace(settings, **given), 1)


@pytest.mark.parametrize(
    ("transport", "name"),
    [("auto", "picows"), ("picows", "picows"), ("websockets", "websockets")],
)
def test_picows_is_taken_where_it_can_be(
    transport: str, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        assert chosen(transport=transport).name == name
    assert not caplog.records


def test_compression_needs_websockets(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        assert chosen(transport="auto", compression=True).name == "websockets"
    (record,) = caplog.records
    assert record.getMessage() == (
        "The websockets transport carries this run: picows has no compression"
    )


async def rare(peer: RawPeer) -> None:
    await peer.upgrade(frame(b"{}"), connection="keep-alive, Upgrade")
    await peer.wait()


async def three_at_once(transport: Transport, url: str) -> None:
    for _ in range(2):
        heard = [Heard() for _ in range(3)]
        handshake = Handshake(url, close_timeout=1)
        await asyncio.gather(*(transport.connect(handshake, each) for each in heard))
        await asyncio.gather(*(each.over.wait() for each in heard))
        assert all(each.texts == [b"{}"] for each in heard)


def test_auto_gives_way_once_for_all(caplog: pytest.LogCaptureFixture) -> None:
    transport = chosen(transport="auto")
    with serve_raw(rare) as server, caplog.at_level("INFO", "tap-websocket"):
        asyncio.run(three_at_once(transport, server.url))
    (record,) = (each for each in caplog.records if each.levelname == "INFO")
    assert record.getMessage().startswith("The websockets transport carries this run")
    assert "Connection header" in record.getMessage()
    assert transport.name == "websockets"


def test_picows_does_not_give_way(caplog: pytest.LogCaptureFixture) -> None:
    transport = chosen(transport="picows")
    with serve_raw(rare) as server, caplog.at_level("DEBUG"):
        with pytest.raises(BadHandshake, match=r"transport: auto$"):
            asyncio.run(transport.connect(Handshake(server.url), Heard()))
        proxied = Handshake(server.url, proxy="https://proxy.test")
        with pytest.raises(BadHandshake, match=r"an https:// proxy; .* auto$"):
            asyncio.run(transport.connect(proxied, Heard()))
        assert len(server.peers) == 1
    assert not [each for each in caplog.records if each.name != "asyncio"]
