"""A server that plays a feed: its handshake and replies, and then the data.

`python -m benchmarks.player NAME MESSAGES` prints its port, and plays the feed to each
client. Frames are made before anyone connects. A client whose URL
ends with `/bare` gets the data at once. Of a long feed the first messages are sent
again and again (`Feed.turns`).
"""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import sys
import threading

from benchmarks.feeds import Feed, feed
from benchmarks.sender import CLOSE, answer, frame, heard

__all__ = ["BARE"]

BARE = "bare"
_PIECE_BYTES = 1 << 19
_READ_BYTES = 65536
_BINARY = b"\x82"
_MEDIUM = 126
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_CLOSE_SECONDS = 10
_REQUEST_SECONDS = 60


class Player:
    """Plays a feed to clients.

    Args:
        played: The feed.
        count: Number of messages.
    """

    def __init__(self, played: Feed, count: int) -> None:
        self._feed = played
        each, self._times = played.turns(count)
        self._pieces = list(_pieces(played, each))
        self._asked = threading.Semaphore(0)
        # A feed sends nobody what it had sent before he came; so lines begin together.
        self._lines = threading.Barrier(played.config.get("redundancy", 1))

    def serve(self, client: socket.socket, url: str) -> None:
        """Answer one client to its end."""
        request = b""
        while b"\r\n\r\n" not in request:
            part = client.recv(_READ_BYTES)
            if not part:
                return
            request += part
        if b"sec-websocket-key" not in request.lower():
            _take_body(client, request)
            client.sendall(_http(self._answer(request).replace("{url}", url)))
            self._asked.release()
            return
        client.sendall(_agreed(request))
        if f"/{BARE} ".encode() not in request:
            self._greet(client)
            self._lines.wait(_REQUEST_SECONDS)
        lock = threading.Lock()
        reader = threading.Thread(target=_listen, args=(client, lock), daemon=True)
        reader.start()
        for _ in range(self._times):
            for piece in self._pieces:
                with lock:
                    client.sendall(piece)
        with lock:
            client.sendall(CLOSE)
        reader.join()
        # To close now would reset the connection of a client that still sends.
        client.shutdown(socket.SHUT_WR)
        client.settimeout(_CLOSE_SECONDS)
        while client.recv(_READ_BYTES):
            pass

    def _answer(self, request: bytes) -> str:
        """Return the body that answers a plain HTTP request."""
        target = request.split(b" ", 2)[1].decode()
        return next(body for part, body in self._feed.http.items() if part in target)

    def _greet(self, client: socket.socket) -> None:
        """Send what the subscription waits for, after each message that it sends."""
        replies = iter(self._feed.replies)
        while self._asked.acquire(blocking=False):
            pass  # what was asked before this connection
        opcode = _BINARY if self._feed.packed else b"\x81"
        for step in self._feed.config.get("subscribe_messages", []):
            if isinstance(step, dict) and "when" in step:
                continue  # for a connection after the first
            if not isinstance(step, dict) or "message" in step:
                _receive(client)
            elif "request" in step:
                self._asked.acquire(timeout=_REQUEST_SECONDS)
            if isinstance(step, dict) and "reply" in step:
                count = step.get("reply_count", 1)
                # One for each topic: all that are left.
                last = None if count == "topics" else count
                for reply in itertools.islice(replies, last):
                    client.sendall(opcode + frame(self._feed.pack(reply))[1:])


def _pieces(played: Feed, count: int) -> list[bytes]:
    """Return the frames of the messages, joined to pieces that are worth a write."""
    pieces, parts, size = [], [], 0
    for message in played.messages(count):
        data = frame(message)
        parts.append(_BINARY + data[1:] if played.packed else data)
        size += len(data)
        if size >= _PIECE_BYTES:
            pieces.append(b"".join(parts))
            parts, size = [], 0
    return [*pieces, b"".join(parts)]


def _take_body(client: socket.socket, request: bytes) -> None:
    """Read the body of an HTTP request to its end, or closing would reset it."""
    head, _, body = request.partition(b"\r\n\r\n")
    if found := _LENGTH.search(head):
        _exactly(client, int(found[1]) - len(body))


def _http(body: str) -> bytes:
    return (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _agreed(request: bytes) -> bytes:
    """Return the answer to an upgrade request; the first subprotocol is chosen."""
    for line in request.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"sec-websocket-protocol":
            chosen = value.split(b",")[0].strip()
            head = answer(request)[:-2]
            return head + b"Sec-WebSocket-Protocol: " + chosen + b"\r\n\r\n"
    return answer(request)


def _receive(client: socket.socket) -> None:
    """Read one frame of a client."""
    head = _exactly(client, 2)
    size = head[1] & 0x7F
    if size == _MEDIUM:
        size = int.from_bytes(_exactly(client, 2), "big")
    _exactly(client, size + 4)


def _exactly(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = client.recv(size - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data


def _listen(client: socket.socket, lock: threading.Lock) -> None:
    """Answer Pings, and drop what else a client sends, up to its Close or its end."""
    rest = b""
    with contextlib.suppress(OSError):
        while data := client.recv(_READ_BYTES):
            answers, rest, closed = heard(rest + data)
            if closed:
                # A client's last frame; it waits then for the server.
                return
            if answers:
                with lock:
                    client.sendall(answers)


def main(name: str, count: str) -> None:
    """Serve until killed."""
    player = Player(feed(name), int(count))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        print(port, flush=True)
        while True:
            client, _ = server.accept()
            threading.Thread(
                target=_serve,
                args=(player, client, f"ws://127.0.0.1:{port}/"),
                daemon=True,
            ).start()


def _serve(player: Player, client: socket.socket, url: str) -> None:
    with client, contextlib.suppress(OSError):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        player.serve(client, url)


if __name__ == "__main__":
    main(*sys.argv[1:])
