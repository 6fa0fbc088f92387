"""An HTTP server that answers requests for tokens, and clients that ask it."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tap_websocket.auth import types as auth
from tap_websocket.auth.authenticator import Authenticator
from tap_websocket.expressions.placeholders import ConnectionBuiltins
from tap_websocket.http.client import HttpClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tap_websocket.auth.credentials import Credentials


__all__ = [
    "Asked",
    "Clock",
    "Reply",
    "TokenServer",
    "ask",
    "endpoint",
    "oauth2",
    "serve_tokens",
]

Reply = tuple[int, dict[str, str], bytes]


class TokenServer(http.server.ThreadingHTTPServer):
    """Answers by a script, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[Asked] = []
        self.answer: Callable[[Asked], Reply] = lambda _: (404, {}, b"")
        self.busy = 0
        self.most_busy = 0

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may hang up."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def replies(self, *replies: Any) -> None:
        """Answer with JSON, the last for ever."""
        left = list(replies)

        def answer(_: Asked) -> Reply:
            reply = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(reply, tuple):
                return reply
            return 200, {}, json.dumps(reply).encode()

        self.answer = answer


class Asked:
    def __init__(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.method = handler.command
        self.path = handler.path
        self.headers = handler.headers
        length = int(handler.headers.get("Content-Length", 0))
        self.body = handler.rfile.read(length)

    @property
    def form(self) -> dict[str, str]:
        return {name: value for name, (value,) in parse_qs(self.body.decode()).items()}

    @property
    def basic(self) -> str | None:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        return base64.b64decode(value).decode() if kind == "Basic" else None


class _Handler(http.server.BaseHTTPRequestHandler):
    server: TokenServer

    def do_POST(self) -> None:
        asked = Asked(self)
        self.server.busy += 1
        self.server.most_busy = max(self.server.busy, self.server.most_busy)
        self.server.asked.append(asked)
        status, headers, body = self.server.answer(asked)
        self.server.busy -= 1
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def ask(authenticator: Authenticator, **values: Any) -> Credentials:
    return authenticator.credentials(
        values, ConnectionBuiltins(clock=lambda: 1.0).moment()
    )


def oauth2(server: TokenServer, **more: Any) -> tuple[Authenticator, Clock]:
    clock = Clock()
    setting = auth.OAuth2(f"{server.url}/token?t=1", "i d", "s:ü", **more)
    return Authenticator(setting, HttpClient(5), clock), clock


def endpoint(server: TokenServer, path: str = "/token", **more: Any) -> Authenticator:
    more.setdefault("values", (("token", "$.data.token"),))
    return Authenticator(
        auth.TokenEndpoint(f"{server.url}{path}", **more), HttpClient(5)
    )


@contextlib.contextmanager
def serve_tokens() -> Iterator[TokenServer]:
    """Run a server; yield it."""
    with TokenServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
