"""A scripted HTTP server, for token requests."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.support.servers import listen, run_loop

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator


__all__ = ["Http", "serve_http", "silent_http"]


class Http:
    """An HTTP server that hands out tokens."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str], str]] = []
        self.reply: Any = {}
        self.status = 200
        self.headers: dict[str, str] = {}
        # Answers in place of `status` and `reply`, one for each request.
        self.script: list[tuple[int, Any]] = []
        # Path to the status and the headers of its answers, in place of all that.
        self.redirects: dict[str, tuple[int, dict[str, str]]] = {}
        # Seconds before each answer.
        self.delay = 0.0
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.text()
        self.requests.append((request.method, request.path_qs, headers, body))
        await asyncio.sleep(self.delay)
        if request.path in self.redirects:
            status, sent = self.redirects[request.path]
            return web.Response(status=status, headers=sent)
        status, reply = self.status, self.reply
        if self.script:
            status, reply = self.script.pop(0)
        return web.json_response(reply, status=status, headers=self.headers)


@contextlib.contextmanager
def serve_http(*, tls: ssl.SSLContext | None = None) -> Iterator[Http]:
    http, listener, ready = Http(), listen(), threading.Event()
    scheme = "http" if tls is None else "https"
    http.url = f"{scheme}://localhost:{listener.getsockname()[1]}"

    async def main(stop: asyncio.Event) -> None:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", http.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=tls).start()
        ready.set()
        await stop.wait()
        await runner.cleanup()

    with run_loop(main):
        assert ready.wait(20)
        yield http


@contextlib.contextmanager
def silent_http() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with listen() as listener:
        yield f"http://localhost:{listener.getsockname()[1]}/"
