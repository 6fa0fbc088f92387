"""A sender that is never the bottleneck: its frames are made before anyone connects.

`python -m benchmarks.sender MESSAGES BYTES [NOISE]` prints its port, and then sends the
same messages to each client, one client after another, and closes with 1000. With a
noise of 100 one message in a hundred is no trade.
"""

from __future__ import annotations

import base64
import hashlib
import select
import socket
import sys

__all__ = [
    "CLOSE",
    "FIRST_ID",
    "answer",
    "feed",
    "frame",
    "heard",
    "messages",
    "pongs",
    "trade_ids",
    "upgrade",
]

FIRST_ID = 100_000
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CLOSE = b"\x88\x02\x03\xe8"
_MOST_SHORT, _MOST_MEDIUM = 125, 0xFFFF
_PING, _PONG, _CLOSE, _HEAD = 0x89, 0x8A, 0x88, 6
_PIECE_BYTES = 1 << 19
_CLOSE_SECONDS = 10
_TRADE = (
    b'{"symbol":"BTC-USD","price":42000.%02d,"quantity":0.%03d,"trade_id":%d,'
    b'"buyer_is_maker":%b,"side":"%b","note":"%b"}'
)
_NOISE = (b'{"type":"heartbeat","seq":%d}', b'{"event":"info","seq":%d}')


def messages(count: int, size: int, noise: int = 0) -> list[bytes]:
    """Return this many trades as JSON, each of about `size` bytes.

    Args:
        count: Number of messages.
        size: Bytes of a trade; less than 115 or so gives 115.
        noise: Each message of this number is a heartbeat or a notice instead, in
            turn; 0: none.
    """
    bare = len(_TRADE % (1, 101, FIRST_ID, b"true", b"buy", b""))
    note = b"x" * max(0, size - bare)
    return [
        _NOISE[number // noise % 2] % number
        if noise and number % noise == 0
        else _TRADE
        % (
            number % 90 + 10,
            number % 900 + 100,
            number,
            (b"true", b"false")[number % 2],
            (b"buy", b"sell")[number % 2],
            note,
        )
        for number in range(FIRST_ID, FIRST_ID + count)
    ]


def trade_ids(count: int, noise: int = 0) -> list[int]:
    """Return the `trade_id` of each trade among this many messages, in order."""
    numbers = range(FIRST_ID, FIRST_ID + count)
    return [number for number in numbers if not noise or number % noise]


def frame(payload: bytes) -> bytes:
    """Return a text frame, unmasked as a server sends it (RFC 6455, section 5.2)."""
    size = len(payload)
    if size <= _MOST_SHORT:
        return b"\x81" + bytes([size]) + payload
    if size <= _MOST_MEDIUM:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def feed(count: int, size: int, noise: int = 0) -> bytes:
    """Return the frames of a feed, a Close with 1000 at their end."""
    return b"".join(map(frame, messages(count, size, noise))) + CLOSE


def answer(request: bytes) -> bytes:
    """Return the answer that agrees to a client's upgrade request."""
    key = next(
        line.partition(b":")[2].strip()
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key:")
    )
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324 - RFC
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def upgrade(client: socket.socket) -> None:
    """Read the request of a client and agree to it."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += client.recv(65536)
    client.sendall(answer(request))


def pongs(data: bytes) -> tuple[bytes, bytes]:
    """Return the answers to a client's Pings, and what is no whole frame yet.

    Args:
        data: Frames as a client sends them, masked.
    """
    answers, rest, _ = heard(data)
    return answers, rest


def heard(data: bytes) -> tuple[bytes, bytes, bool]:
    """Return the answers to Pings, what is no whole frame yet, and if a Close came.

    Args:
        data: Frames as a client sends them, masked.
    """
    answers, at, closed = b"", 0, False
    while at + _HEAD <= len(data):
        size, begin = data[at + 1] % 128, at + _HEAD
        if size > _MOST_SHORT:
            more = 2 if size == _MOST_SHORT + 1 else 8
            size = int.from_bytes(data[at + 2 : at + 2 + more], "big")
            begin += more
        if begin + size > len(data):
            break
        if data[at] == _PING:
            mask, payload = data[begin - 4 : begin], data[begin : begin + size]
            plain = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))
            answers += bytes([_PONG, size]) + plain
        closed |= data[at] == _CLOSE
        at = begin + size
    return answers, data[at:], closed


def send(client: socket.socket, pieces: list[bytes]) -> None:
    """Send whole frames, piece by piece, and answer Pings in between."""
    rest = b""
    for piece in pieces:
        client.sendall(piece)
        if select.select([client], [], [], 0)[0]:
            answers, rest = pongs(rest + client.recv(65536))
            client.sendall(answers)


def main(count: int, size: int, noise: int = 0) -> None:
    """Serve until killed."""
    frames = list(map(frame, messages(count, size, noise)))
    each = max(1, _PIECE_BYTES // size)
    pieces = [b"".join(frames[start : start + each]) for start in range(0, count, each)]
    del frames
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            client, _ = server.accept()
            with client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    upgrade(client)
                    send(client, pieces)
                    client.sendall(CLOSE)
                    client.settimeout(_CLOSE_SECONDS)
                    client.recv(65536)
                except OSError:
                    continue


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
