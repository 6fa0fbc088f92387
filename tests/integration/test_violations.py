"""A violation of the protocol, and what is none, among what else is sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import ConnectionFailed
from tests.support.connect import Heard, listen
from tests.support.raw import close_frame, frame, serve_raw
from tests.support.receive import receive

if TYPE_CHECKING:
    from tests.support.raw import RawPeer

pytestmark = pytest.mark.usefixtures("each_transport")

HELLO = frame(b'{"n": 1}')
VIOLATION = "violated the protocol"
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"


@pytest.mark.parametrize("then", ["wait", "close"])
@pytest.mark.parametrize("behind", ["text", "binary"])
@pytest.mark.parametrize("timing", ["at once", "later", "compressed"])
def test_nothing_behind_a_violation_is_taken(
    timing: str,
    behind: str,
    then: str,
) -> None:
    async def play(peer: RawPeer) -> None:
        await peer.read_request()
        answer = peer.answer(extra=DEFLATE if timing == "compressed" else "")
        if timing != "at once":
            await peer.send(answer)
            await asyncio.sleep(0.1)
            answer = b""
        bad = [frame(b"\xff")]
        if timing == "compressed":
            bad.append(frame(b"", opcode=9))
        last = frame(b'{"n": 2}', opcode=1 if behind == "text" else 2)
        await peer.send(answer, HELLO, *bad, last, close_frame(1000))
        if then == "wait":
            await peer.wait()

    settings: dict[str, Any] = {}
    if timing == "compressed":
        settings = {"compression": True, "transport": "websockets"}
    with serve_raw(play) as server:
        run = receive(url=server.url, max_duration=60, **settings)
    assert isinstance(run.error, ConnectionFailed)
    assert VIOLATION in str(run.error)
    assert [record["n"] for record in run.records] == [1]
    assert run.seconds < 20


BOUND = 1000


@pytest.mark.parametrize(
    ("parts", "records", "error"),
    [
        (
            (
                frame(b'"' + b"a" * (BOUND - 2), fin=False),
                frame(b"x" * 125, opcode=9),
                frame(b'"', opcode=0),
                close_frame(1000, b"x" * 123),
            ),
            2,
            None,
        ),
        ((frame(b"x" * (BOUND + 1)), HELLO), 1, "larger than max_message_bytes"),
        (
            (
                frame(b"x" * BOUND, fin=False),
                frame(b"x" * 125, opcode=9),
                frame(b"x", opcode=0),
                HELLO,
            ),
            1,
            "larger than max_message_bytes",
        ),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_the_bound_is_of_messages_and_not_of_control_frames(
    parts: tuple[bytes, ...],
    records: int,
    error: str | None,
    *,
    compressed: bool,
) -> None:
    async def play(peer: RawPeer) -> None:
        await peer.upgrade(extra=DEFLATE if compressed else "")
        await asyncio.sleep(0.05)
        await peer.send(HELLO, *parts)
        await peer.wait()

    settings: dict[str, Any] = {}
    if compressed:
        settings = {"compression": True, "transport": "websockets"}
    with serve_raw(play) as server:
        run = receive(url=server.url, max_message_bytes=BOUND, **settings)
    assert len(run.records) == records
    assert str(run.error).find(error or "None") >= 0


def test_a_close_longer_than_the_bound_is_a_close() -> None:
    async def play(peer: RawPeer) -> None:
        await peer.upgrade()
        await asyncio.sleep(0.05)
        await peer.send(HELLO, close_frame(1000, b"the feed is over for today"))
        await peer.wait()

    with serve_raw(play) as server:
        run = receive(url=server.url, max_message_bytes=20)
    assert run.error is None
    assert len(run.records) == 1


@pytest.mark.parametrize("opcode", [1, 9])
def test_an_error_of_the_listener_s_is_an_end(
    each_transport: str,
    opcode: int,
) -> None:
    async def play(peer: RawPeer) -> None:
        await peer.upgrade()
        await asyncio.sleep(0.05)
        await peer.send(frame(b"{}", opcode=opcode))
        await peer.wait()

    class Broken(Heard):
        def messages(self, payloads: list[bytes], *, binary: bool) -> None:
            del payloads, binary
            raise ZeroDivisionError

        def control(self, opcode: int, payload: bytes) -> None:
            del opcode, payload
            raise ZeroDivisionError

    with serve_raw(play) as server:
        heard = listen(Broken(), each_transport, server.url)
    assert heard.closing is not None
    assert heard.closing.failure == "an error in the tap: ZeroDivisionError"
