"""Frames that are made together are those that a server reads one by one."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.frames import Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from tap_websocket.transports.frames import frames_of


def read(data: bytes) -> list[Any]:
    """Return the frames that a server reads, which refuses those without a mask."""
    server = ServerProtocol(state=OPEN, max_size=None)
    server.receive_data(data)
    assert server.parser_exc is None
    return server.events_received()


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 125, 126, 127, 65535, 65536])
def test_a_server_reads_what_was_sent(size: int) -> None:
    text = "é" * (size // 2) + "x" * (size % 2)
    messages: list[str | bytes] = ["first", text, b"\x00" * size, "", "last"]
    frames = read(frames_of(messages))
    assert [frame.opcode for frame in frames] == [
        Opcode.TEXT,
        Opcode.TEXT,
        Opcode.BINARY,
        Opcode.TEXT,
        Opcode.TEXT,
    ]
    assert [bytes(frame.data) for frame in frames] == [
        b"first",
        text.encode(),
        b"\x00" * size,
        b"",
        b"last",
    ]
    assert all(frame.fin for frame in frames)


def test_each_frame_has_a_key_of_its_own() -> None:
    frames = frames_of([b"\x00\x00\x00\x00"] * 100)
    keys = {frames[at + 2 : at + 6] for at in range(0, len(frames), 10)}
    assert len(keys) > 90
