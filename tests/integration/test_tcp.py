"""TCP connections as the system keeps them."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tap_websocket.network.tcp import open_tcp


@pytest.mark.skipif(not hasattr(socket, "TCP_KEEPIDLE"), reason="the system has none")
def test_a_peer_that_is_gone_without_a_word_is_found() -> None:
    """The system asks after a minute of silence, and gives up a minute later."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        opened = asyncio.run(open_tcp(*server.getsockname()))
    with opened:
        assert opened.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        seconds, between, count = (
            opened.getsockopt(socket.IPPROTO_TCP, option)
            for option in (
                socket.TCP_KEEPIDLE,
                socket.TCP_KEEPINTVL,
                socket.TCP_KEEPCNT,
            )
        )
    assert seconds + between * count == 120
