"""Which library carries a run, and what is said about it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.network.errors import BadHandshake
from tap_websocket.transports.base import Handshake
from tap_websocket.transports.select import select_transport
from tests.support.certificates import client_side
from tests.support.connect import Heard
from tests.support.proxies import serve_proxy
from tests.support.raw import frame, opens, serve_raw

if TYPE_CHECKING:
    from pathlib import Path

    import trustme

    from tap_websocket.transports.base import Transport


def chosen(**given: Any) -> Transport:
    settings = {"compression": False, **given}
    return select_transport(settings.pop("transport"), connections=1, **settings)


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


rare = opens(frame(b"{}"), connection="keep-alive, Upgrade")


async def three_at_once(transport: Transport, handshake: Handshake) -> None:
    for _ in range(2):
        heard = [Heard() for _ in range(3)]
        await asyncio.gather(*(transport.connect(handshake, each) for each in heard))
        await asyncio.gather(*(each.over.wait() for each in heard))
        assert all(each.texts == [b"{}"] for each in heard)


@pytest.mark.parametrize("transport", ["auto", "picows", "websockets"])
def test_what_is_legal_but_rare_needs_no_other_transport(
    transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    used = chosen(transport=transport)
    with serve_raw(rare) as server, caplog.at_level("INFO", "tap-websocket"):
        asyncio.run(three_at_once(used, Handshake(server.url, close_timeout=1)))
    assert not [each for each in caplog.records if each.levelname == "INFO"]
    assert used.name == ("websockets" if transport == "websockets" else "picows")


def test_auto_gives_way_once_for_all(
    caplog: pytest.LogCaptureFixture, authority: trustme.CA, tmp_path: Path
) -> None:
    transport = chosen(transport="auto")
    certificate = tmp_path / "proxy.pem"
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    with (
        serve_raw(rare) as server,
        serve_proxy("https", certificate=certificate) as proxy,
        caplog.at_level("INFO", "tap-websocket"),
    ):
        tls = client_side(authority)
        handshake = Handshake(server.url, proxy=proxy.url, tls=tls, close_timeout=1)
        asyncio.run(three_at_once(transport, handshake))
    (record,) = (each for each in caplog.records if each.levelname == "INFO")
    assert record.getMessage().startswith("The websockets transport carries this run")
    assert "https:// proxy" in record.getMessage()
    assert transport.name == "websockets"


def test_picows_does_not_give_way(caplog: pytest.LogCaptureFixture) -> None:
    transport = chosen(transport="picows")
    with caplog.at_level("DEBUG"):
        proxied = Handshake("ws://localhost:1/", proxy="https://proxy.test")
        with pytest.raises(BadHandshake, match=r"an https:// proxy; .* auto$"):
            asyncio.run(transport.connect(proxied, Heard()))
    assert not [each for each in caplog.records if each.name != "asyncio"]
