"""A sender at a steady rate, with the time of its sending in each message.

`python -m benchmarks.pacer RATE SECONDS [ALONE]` prints its port, and sends this many
messages a second to each client, one client after another, and closes with 1000. The
time is that of `time.monotonic_ns`, which all processes of a machine share. With 1 for
ALONE each message is a write of its own, as most servers do it.
"""

from __future__ import annotations

import socket
import sys
import time

from benchmarks.sender import CLOSE, FIRST_ID, frame, upgrade

__all__: list[str] = []

_TICK_SECONDS = 0.0005
_CLOSE_SECONDS = 10
_TRADE = (
    b'{"symbol":"BTC-USD","price":42000.%02d,"quantity":0.%03d,"trade_id":%d,'
    b'"side":"buy","sent":%d}'
)


def send(
    client: socket.socket, rate: float, seconds: float, *, alone: bool = False
) -> None:
    """Send messages as they fall due, those of one instant in one piece.

    Args:
        client: Who gets them.
        rate: Messages a second.
        seconds: How long.
        alone: Each is a piece of its own.
    """
    begin = time.monotonic()
    total = int(rate * seconds)
    sent = 0
    while sent < total:
        due = min(total, int((time.monotonic() - begin) * rate))
        if due > sent:
            frames = map(_stamped, range(FIRST_ID + sent, FIRST_ID + due))
            for piece in frames if alone else [b"".join(frames)]:
                client.sendall(piece)
            sent = due
        next_due = begin + (sent + 1) / rate - time.monotonic()
        time.sleep(max(0.0, next_due) if alone else _TICK_SECONDS)
    client.sendall(CLOSE)


def _stamped(number: int) -> bytes:
    payload = (number % 90 + 10, number % 900 + 100, number, time.monotonic_ns())
    return frame(_TRADE % payload)


def main(rate: float, seconds: float, alone: float = 0) -> None:
    """Serve until killed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            client, _ = server.accept()
            with client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    upgrade(client)
                    send(client, rate, seconds, alone=bool(alone))
                    client.settimeout(_CLOSE_SECONDS)
                    client.recv(65536)
                except OSError:
                    continue


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
