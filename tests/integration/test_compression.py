"""permessage-deflate (RFC 7692), with servers that do it well, and badly."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.network.errors import BadHandshake
from tests.support.connect import connect
from tests.support.raw import close_frame, frame, opens, serve_raw
from tests.support.servers import serve

if TYPE_CHECKING:
    from tests.support.connect import Heard
    from tests.support.raw import RawServer
    from tests.support.servers import Kind, Peer

AGREED = "Sec-WebSocket-Extensions: permessage-deflate"
MIB = 1024 * 1024
RSV1 = 4


class Deflater:
    """Compresses messages as a server does, with context takeover by default."""

    def __init__(self, wbits: int = 15, *, takeover: bool = True) -> None:
        self._wbits = wbits
        self._takeover = takeover
        self._deflate = self._new()

    def _new(self) -> Any:
        return zlib.compressobj(wbits=-self._wbits)

    def message(self, data: bytes) -> bytes:
        if not self._takeover:
            self._deflate = self._new()
        packed: bytes = self._deflate.compress(data)
        packed += self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return packed.removesuffix(b"\0\0\xff\xff")


def pieces(data: bytes, size: int, between: bytes = b"") -> bytes:
    """Cut a compressed message into frames."""
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    frames = []
    for number, part in enumerate(parts):
        first, last = number == 0, number == len(parts) - 1
        opcode, rsv = (1, RSV1) if first else (0, 0)
        frames.append(frame(part, opcode=opcode, rsv=rsv, fin=last))
    return between.join(frames)


def hear(*parts: bytes, extra: str = "", **options: Any) -> tuple[Heard, RawServer]:
    """Hear what a server sends that agreed to compression."""

    play = opens(*parts, extra=f"{AGREED}{extra}\r\n")
    options = {"most": 10**9, "compression": True, **options}
    with serve_raw(play) as server:
        return connect("websockets", server.url, **options), server


def test_compressed_messages(kind: Kind) -> None:
    sent = [json.dumps({"n": number, "pad": "x" * 1000}) for number in range(500)]

    async def script(peer: Peer) -> None:
        for text in sent:
            await peer.send(text)
        await peer.close(1000)

    with serve(script, kind, compress=True) as server:
        heard = connect("websockets", server.url, most=10**9, compression=True)
        headers = server.peers[0].headers
    assert [text.decode() for text in heard.texts] == sent
    assert heard.closing is not None
    assert heard.closing.code == 1000
    if kind == "aiohttp":
        assert headers["sec-websocket-extensions"].startswith("permessage-deflate")


def test_a_server_that_does_not_agree(kind: Kind) -> None:
    async def script(peer: Peer) -> None:
        await peer.send("{}")
        await peer.close(1000)

    with serve(script, kind) as server:
        heard = connect("websockets", server.url, most=9, compression=True)
    assert heard.texts == [b"{}"]


@pytest.mark.parametrize("transport", ["websockets", "picows"])
def test_nothing_is_offered_unless_asked(transport: str) -> None:
    async def script(peer: Peer) -> None:
        await peer.send(json.dumps("sec-websocket-extensions" in peer.headers))
        await peer.wait()

    with serve(script, compress=True) as server:
        assert connect(transport, server.url).texts == [b"false"]


@pytest.mark.parametrize(
    ("parameters", "wbits", "takeover"),
    [
        ("", 15, True),
        ("; server_no_context_takeover", 15, False),
        ("; server_max_window_bits=9", 9, True),
        ('; server_max_window_bits="10"; client_no_context_takeover', 10, True),
        ("; client_max_window_bits=9; server_no_context_takeover", 15, False),
    ],
)
def test_parameters_that_a_server_agrees_to(
    parameters: str, wbits: int, takeover: bool
) -> None:
    deflater = Deflater(wbits, takeover=takeover)
    texts = [b'{"n": %d, "pad": "%s"}' % (n, b"x" * 3000) for n in range(20)]
    frames = [frame(deflater.message(text), rsv=RSV1) for text in texts]
    heard, server = hear(*frames, close_frame(1000), extra=parameters)
    assert heard.texts == texts
    assert server.peers[0].close_code == 1000


@pytest.mark.parametrize(
    "parameters",
    [
        "; server_max_window_bits=7",
        "; server_max_window_bits=16",
        "; server_max_window_bits",
        "; nonsense",
        "; server_no_context_takeover=1",
        "; server_no_context_takeover; server_no_context_takeover",
        ", permessage-deflate",
        ", x-other",
    ],
)
def test_parameters_that_were_not_offered(parameters: str) -> None:
    with pytest.raises(BadHandshake, match="an extension that was not offered"):
        hear(extra=parameters)


def test_control_frames_between_compressed_fragments() -> None:
    deflater = Deflater()
    text = b'{"pad": "%s"}' % b"".join(b"%d" % n for n in range(10_000))
    ping = frame(b"p", opcode=9)
    plain = frame(b'{"n": 1}')
    heard, server = hear(
        pieces(deflater.message(text), 500, ping),
        plain,
        frame(deflater.message(text), rsv=RSV1),
        close_frame(1000),
    )
    assert heard.texts == [text, b'{"n": 1}', text]
    pings = [each for each in heard.controls if each[0] == 9]
    assert set(pings) == {(9, b"p")}
    pongs = [each for each in server.peers[0].frames if each[0] == 10]
    assert pongs == [(10, b"p")] * len(pings)


def test_100_000_tiny_compressed_fragments() -> None:
    deflater = zlib.compressobj(level=0, wbits=-15)
    text = b'{"pad": "%s"}' % (b"x" * 99_990)
    packed = deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH)
    packed = packed.removesuffix(b"\0\0\xff\xff")
    assert len(packed) > 100_000
    heard, _ = hear(pieces(packed, 1), close_frame(1000))
    assert heard.texts == [text]


def failed(*parts: bytes, code: int, **options: Any) -> str:
    """Return why a connection failed that was closed with a code."""
    heard, server = hear(frame(b'{"n": 1}'), *parts, **options)
    assert heard.texts == [b'{"n": 1}']
    assert heard.closing is not None
    assert server.peers[0].close_code == code
    assert heard.closing.too_big is (code == 1009)
    return heard.closing.failure


GOOD = Deflater().message(b'{"n": 2}')


@pytest.mark.parametrize(
    ("parts", "code", "words"),
    [
        ((frame(b"\xff" * 50, rsv=RSV1),), 1002, "decompression failed"),
        ((frame(b"\xff" * 3000, rsv=RSV1),), 1002, "decompression failed"),
        (
            (frame(GOOD, rsv=RSV1, fin=False), frame(bytes(4), opcode=0)),
            1002,
            "decompression failed",
        ),
        (
            (
                frame(GOOD[:2], rsv=RSV1, fin=False),
                frame(GOOD[2:], opcode=0, rsv=RSV1),
            ),
            1002,
            "RSV1 bit set in continuation frame",
        ),
        ((frame(b"p", opcode=9, rsv=RSV1),), 1002, "reserved bits must be 0"),
        ((frame(GOOD, rsv=RSV1 | 1),), 1002, "reserved bits must be 0"),
        ((frame(Deflater().message(b'"\xff"'), rsv=RSV1),), 1007, "not valid UTF-8"),
    ],
)
def test_compressed_data_that_is_broken(
    parts: tuple[bytes, ...],
    code: int,
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    failure = failed(*parts, code=code)
    assert failure.startswith("the server violated the protocol")
    assert words in failure
    assert not [each for each in caplog.records if each.levelno > 10]


def test_a_deflate_stream_that_ends_and_goes_on() -> None:
    """A final block: what follows it is no part of the message (RFC 7692, 7.2.3.4)."""
    deflater = zlib.compressobj(wbits=-15)
    ended = deflater.compress(b'{"n": 2}') + deflater.flush()
    heard, _ = hear(
        frame(ended + b"\0", rsv=RSV1), frame(b'{"n": 3}'), close_frame(1000)
    )
    assert heard.texts == [b'{"n": 2}', b'{"n": 3}']


@pytest.mark.parametrize("limit", [1000, 5000])
def test_the_bound_counts_what_was_inflated(limit: int) -> None:
    text = b'"' + b"x" * (limit - 2) + b'"'
    heard, _ = hear(
        frame(Deflater().message(text), rsv=RSV1),
        close_frame(1000),
        max_message_bytes=limit,
    )
    assert heard.texts == [text]
    for cut in (10**6, 3):
        longer = Deflater().message(text + b" ")
        words = failed(pieces(longer, cut), code=1009, max_message_bytes=limit)
        assert words == "a message is larger than max_message_bytes"


def bomb(size: int) -> bytes:
    """Make a compressed message that inflates to this many bytes."""
    deflater = zlib.compressobj(level=9, wbits=-15)
    packed = deflater.compress(bytes(MIB)) + deflater.flush(zlib.Z_FULL_FLUSH)
    return (packed * (size // MIB)).removesuffix(b"\0\0\xff\xff")


_CLIENT = """
import resource, sys
from tests.support.connect import connect
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
heard = connect(
    "websockets", sys.argv[1], compression=True, most=10**9, max_message_bytes=2**26
)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(int(heard.closing.too_big), (peak - before) * 1024)
"""


@pytest.mark.parametrize("cut", [2**30, 10_000, 100])
def test_a_gigabyte_in_a_megabyte_costs_the_bound_and_no_more(cut: int) -> None:
    packed = bomb(1024 * MIB)
    assert len(packed) < 2 * MIB

    with serve_raw(opens(pieces(packed, cut), extra=f"{AGREED}\r\n")) as server:
        done = subprocess.run(
            [sys.executable, "-c", _CLIENT, server.url],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=Path(__file__).parents[2],
        )
        assert server.peers[0].close_code == 1009
    too_big, grown = map(int, done.stdout.split())
    assert too_big == 1
    assert grown < 64 * MIB + 100 * MIB
    assert not done.stderr
