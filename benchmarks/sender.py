"""A sender that is never the bottleneck: its frames are made before anyone connects.

`python -m benchmarks.sender MESSAGES BYTES` prints its port, and then sends the same
messages to each client, one client after another, and closes with 1000.
"""

from __future__ import annotations

import base64
import hashlib
import socket
import sys

__all__ = ["messages"]

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CLOSE = b"\x88\x02\x03\xe8"
_MOST_SHORT, _MOST_MEDIUM = 125, 0xFFFF


def messages(count: int, size: int) -> list[bytes]:
    """Return so many trades as JSON, each of about `size` bytes."""
    shape = (
        b'{"symbol":"BTC-USD","price":42000.%02d,"quantity":0.%03d,"trade_id":%d,'
        b'"buyer_is_maker":%b,"side":"%b","note":"%b"}'
    )
    bare = len(shape % (1, 101, 100_000, b"true", b"buy", b""))
    note = b"x" * max(0, size - bare)
    return [
        shape
        % (
            number % 90 + 10,
            number % 900 + 100,
            number,
            (b"true", b"false")[number % 2],
            (b"buy", b"sell")[number % 2],
            note,
        )
        for number in range(100_000, 100_000 + count)
    ]


def frame(payload: bytes) -> bytes:
    """Return a text frame, unmasked as a server sends it (RFC 6455, section 5.2)."""
    size = len(payload)
    if size <= _MOST_SHORT:
        return b"\x81" + bytes([size]) + payload
    if size <= _MOST_MEDIUM:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


def upgrade(client: socket.socket) -> None:
    """Read the request of a client and agree to it."""
    request = b""
    while b"\r\n\r\n" not in request:
        request += client.recv(65536)
    lines = request.split(b"\r\n")
    key = next(
        line.partition(b":")[2].strip()
        for line in lines
        if line.lower().startswith(b"sec-websocket-key:")
    )
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324 - RFC
    client.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n",
    )


def main(count: int, size: int) -> None:
    """Serve until killed."""
    data = b"".join(map(frame, messages(count, size))) + _CLOSE
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            client, _ = server.accept()
            with client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    upgrade(client)
                    client.sendall(data)
                    client.settimeout(10)
                    client.recv(65536)
                except OSError:
                    continue


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
