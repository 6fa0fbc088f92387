"""How a connection is closed: by the server, in the middle of something, twice."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import ConnectionFailed, FeedError
from tests.support.raw import close_frame, frame, serve_raw
from tests.support.receive import receive

if TYPE_CHECKING:
    from tests.support.raw import RawPeer

HELLO = frame(b'{"n": 1}')
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
RSV1 = 4
HALF = frame(b'{"n": ', fin=False)


def sending(*parts: bytes, apart: bool = False, extra: str = "") -> Any:
    """Send a greeting, then this, and read until the client has closed."""

    async def play(peer: RawPeer) -> None:
        await peer.upgrade(extra=extra)
        await asyncio.sleep(0.05)
        if not apart:
            await peer.send(HELLO, *parts)
        else:
            for part in (HELLO, *parts):
                await peer.send(part)
                await asyncio.sleep(0.03)
        await peer.wait()

    return play


def deflated(data: bytes, *, final: bool = False, window: bytes = b"") -> bytes:
    """Compress a message; `window` is what the receiver has in its window."""
    packer = zlib.compressobj(wbits=-15, zdict=window)
    if final:
        return packer.compress(data) + packer.flush(zlib.Z_FINISH)
    packed = packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)
    return packed.removesuffix(b"\0\0\xff\xff")


@pytest.fixture(params=["websockets", "picows", "compressed"])
def way(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The settings of each way to carry frames."""
    if request.param == "compressed":
        return {"transport": "websockets", "compression": True}
    return {"transport": request.param}


def extra_of(way: dict[str, Any]) -> str:
    return DEFLATE if way.get("compression") else ""


@pytest.mark.parametrize("apart", [False, True])
def test_a_close_within_a_message_keeps_its_code(
    apart: bool, way: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    script = sending(HALF, close_frame(4001, b"bye"), apart=apart, extra=extra_of(way))
    with serve_raw(script) as server:
        run = receive(url=server.url, fatal_close_codes=["4xxx"], reconnect=True, **way)
    assert isinstance(run.error, FeedError)
    assert "code 4001 ('bye'), which fatal_close_codes names" in str(run.error)
    assert [record["n"] for record in run.records] == [1]
    assert server.peers[0].frames[-1] == (8, b"\x0f\xa1bye")
    (line,) = (each for each in caplog.messages if "inside of a message" in each)
    assert "6 bytes" in line


def test_a_normal_close_within_a_message_is_a_normal_end(way: dict[str, Any]) -> None:
    script = sending(HALF, close_frame(1000), extra=extra_of(way))
    with serve_raw(script) as server:
        run = receive(url=server.url, **way)
    assert run.error is None
    assert server.peers[0].close_code == 1000


BEHIND = {
    "a second Close": frame(b"", opcode=8),
    "a Close with another code": close_frame(4002),
    "a reserved opcode": frame(b"", opcode=3),
    "a message": frame(b'{"n": 2}'),
    "a Ping": frame(b"x", opcode=9),
    "the beginning of a frame": b"\x81",
    "a masked frame": frame(b"{}", mask=True),
}


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("name", BEHIND)
def test_nothing_behind_a_close_is_looked_at(
    name: str, apart: bool, way: dict[str, Any]
) -> None:
    script = sending(
        close_frame(4001, b"x"), BEHIND[name], apart=apart, extra=extra_of(way)
    )
    with serve_raw(script) as server:
        run = receive(url=server.url, **way)
    assert isinstance(run.error, ConnectionFailed)
    assert "a Close frame with code 4001 ('x')" in str(run.error)
    assert len(run.records) == 1
    assert server.peers[0].frames == [(8, b"\x0f\xa1x")]


@pytest.mark.parametrize("wait", [0, 0.1])
def test_a_close_is_answered_though_fin_is_behind_it(
    wait: float, way: dict[str, Any]
) -> None:
    async def play(peer: RawPeer) -> None:
        await peer.upgrade(extra=extra_of(way))
        await asyncio.sleep(0.05)
        await peer.send(HELLO, close_frame(1000, b"done"))
        await asyncio.sleep(wait)
        peer.writer.write_eof()
        await peer.recv()

    with serve_raw(play) as server:
        run = receive(url=server.url, **way)
    assert run.error is None
    assert server.peers[0].frames == [(8, b"\x03\xe8done")]


@pytest.mark.parametrize(
    ("payload", "words", "answer"),
    [
        (b"\x03\xed", "the invalid code 1005", 1002),
        (b"\x03\xee", "the invalid code 1006", 1002),
        (b"\x03\xec", "the invalid code 1004", 1002),
        (b"\x03\xe7", "the invalid code 999", 1002),
        (b"\x07\xd0", "the invalid code 2000", 1002),
        (b"\x13\x88", "the invalid code 5000", 1002),
        (b"\xff\xff", "the invalid code 65535", 1002),
        (b"\x0f\xa1\xff", "code 4001 whose reason is not valid UTF-8", 1007),
        (b"\x03", "half a code", 1002),
    ],
)
@pytest.mark.parametrize("half", [False, True])
def test_a_close_that_may_not_be_sent_is_named(
    payload: bytes, words: str, answer: int, half: bool, way: dict[str, Any]
) -> None:
    bad = frame(payload, opcode=8)
    script = sending(*([HALF] if half else []), bad, extra=extra_of(way))
    with serve_raw(script) as server:
        run = receive(url=server.url, **way)
    assert isinstance(run.error, ConnectionFailed)
    assert "the server violated the protocol: " in str(run.error)
    assert words in str(run.error)
    assert server.peers[0].close_code == answer


def long_form(payload: bytes, first: int, octets: int) -> bytes:
    flag = 126 if octets == 2 else 127
    return bytes([first, flag]) + len(payload).to_bytes(octets, "big") + payload


@pytest.mark.parametrize("where", ["first", "later", "fragments", "control"])
@pytest.mark.parametrize("octets", [2, 8])
def test_lengths_in_more_octets_than_needed_are_taken_everywhere(
    octets: int, where: str, way: dict[str, Any]
) -> None:
    number = b'{"n": 2}'
    parts = {
        "first": [long_form(number, 0x81, octets)],
        "later": [HELLO, long_form(number, 0x81, octets)],
        "fragments": [
            long_form(number[:3], 0x01, octets),
            long_form(number[3:], 0x80, octets),
        ],
        "control": [frame(number[:3], fin=False), frame(number[3:], opcode=0)],
    }[where]

    async def play(peer: RawPeer) -> None:
        await peer.upgrade(*(parts if where == "first" else []), extra=extra_of(way))
        await asyncio.sleep(0.05)
        if where != "first":
            await peer.send(*parts)
        await peer.send(close_frame(1000))
        await peer.wait()

    with serve_raw(play) as server:
        run = receive(url=server.url, **way)
    assert run.error is None
    assert run.records[-1]["n"] == 2


@pytest.mark.parametrize(
    "parts",
    [
        [frame(b"", length=2**63)],
        [frame(b"", length=2**64 - 1)],
        [HALF, frame(b"", opcode=0, length=2**63)],
        [HALF, frame(b"", opcode=0, length=2000)],
        [HALF, frame(b"x" * 995, opcode=0)],
        [HALF, *[frame(b"x" * 100, opcode=0, fin=False)] * 10],
        [frame(b"x" * 1001)],
    ],
    ids=["2^63", "2^64", "2^63 within", "announced", "sent", "in sum", "whole"],
)
def test_a_message_over_the_bound_is_too_big_in_every_form(
    parts: list[bytes], way: dict[str, Any]
) -> None:
    script = sending(*parts, frame(b"x", opcode=9), extra=extra_of(way))
    with serve_raw(script) as server:
        run = receive(url=server.url, max_message_bytes=1000, **way)
    assert "a message is larger than max_message_bytes" in str(run.error)
    (peer,) = server.peers
    assert [opcode for opcode, _ in peer.frames] == [8]
    assert peer.close_code == 1009


VIOLATIONS = {
    "reserved bits": frame(b"{}", rsv=1),
    "reserved opcode": frame(b"{}", opcode=3),
    "masked": frame(b"{}", mask=True),
    "not UTF-8": frame(b"\xff"),
    "stray continuation": frame(b"{}", opcode=0),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_no_control_frame_behind_a_violation_is_answered(
    name: str, each_transport: str
) -> None:
    script = sending(VIOLATIONS[name], frame(b"x", opcode=9), close_frame(4001))
    with serve_raw(script) as server:
        run = receive(url=server.url, transport=each_transport)
    assert "violated the protocol" in str(run.error)
    assert [opcode for opcode, _ in server.peers[0].frames] == [8]


def test_fragments_reset_the_idle_clock(way: dict[str, Any]) -> None:
    async def play(peer: RawPeer) -> None:
        await peer.upgrade(extra=extra_of(way))
        await peer.send(frame(b'{"n": "', fin=False))
        for _ in range(12):
            await asyncio.sleep(0.25)
            await peer.send(frame(b"x", opcode=0, fin=False))
        await peer.send(frame(b'"}', opcode=0), close_frame(1000))
        await peer.wait()

    with serve_raw(play) as server:
        run = receive(url=server.url, idle_timeout=2, **way)
    assert run.error is None
    assert len(run.records) == 1
    assert run.seconds > 2.5


@pytest.mark.parametrize("takeover", [True, False])
@pytest.mark.parametrize("padding", [b"\0", b""])
def test_compressed_messages_may_end_in_a_final_block(
    takeover: bool, padding: bytes
) -> None:
    """RFC 7692, section 7.2.3.3; without the padding, which is due, too."""
    texts = [b'{"n": %d, "pad": "%s"}' % (n, b"x" * 50 * n) for n in range(6)]
    frames = [frame(deflated(text, final=True) + padding, rsv=RSV1) for text in texts]
    extra = DEFLATE if takeover else f"{DEFLATE[:-2]}; server_no_context_takeover\r\n"
    with serve_raw(sending(*frames, close_frame(1000), extra=extra)) as server:
        run = receive(url=server.url, compression=True)
    assert run.error is None
    assert [record["n"] for record in run.records] == [1, *range(6)]


def test_compressed_messages_go_on_behind_a_final_block() -> None:
    """The window of one message is there for the next one, and fragments too."""
    first = b'{"n": 1, "pad": "%s"}' % bytes(range(48, 91))
    final = deflated(first, final=True) + b"\0"
    # Made with the first message as a dictionary: the receiver's window.
    again = deflated(first, window=first)
    plain = deflated(b'{"n": 3}')
    cut = len(final) // 2
    parts = [
        frame(final[:cut], rsv=RSV1, fin=False),
        frame(final[cut:], opcode=0),
        frame(again, rsv=RSV1),
        frame(plain, rsv=RSV1),
        close_frame(1000),
    ]
    with serve_raw(sending(*parts, extra=DEFLATE)) as server:
        run = receive(url=server.url, compression=True)
    assert run.error is None
    assert [record["n"] for record in run.records] == [1, 1, 1, 3]


def test_a_bomb_behind_a_final_block_is_too_big() -> None:
    bomb = deflated(b"x" * 600, final=True) + b"\0"
    data = bomb[:-1] + deflated(b"y" * 100_000)
    script = sending(frame(data, rsv=RSV1), extra=DEFLATE)
    with serve_raw(script) as server:
        run = receive(url=server.url, compression=True, max_message_bytes=1000)
    assert "larger than max_message_bytes" in str(run.error)
