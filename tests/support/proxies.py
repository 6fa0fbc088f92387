"""Proxies: real ones, each a process of its own on a free port, and scripts.

A real one knows one name that nobody else does: `feed.test` is this machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import queue
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.raw import RawPeer

__all__ = ["Kind", "ProxyServer", "answering", "serve_proxy", "socks", "tunnel"]

Kind = Literal["http", "https", "socks5", "socks5h"]
_HERE = "feed.test"
_ROOT = Path(__file__).parents[2]


@dataclasses.dataclass
class ProxyServer:
    """A running proxy, as the tests see it."""

    kind: Kind
    port: int
    userinfo: str
    lines: queue.Queue[str]

    @property
    def url(self) -> str:
        return self.url_with(self.userinfo)

    def url_with(self, userinfo: str) -> str:
        return f"{self.kind}://{userinfo}{'@' if userinfo else ''}127.0.0.1:{self.port}"

    def asked(self) -> str:
        """Return the next host and port that the proxy was asked for."""
        line = self.lines.get(timeout=20)
        return line.rpartition(" -> ")[2].strip()


@contextlib.contextmanager
def serve_proxy(
    kind: Kind,
    userinfo: str = "",
    *,
    certificate: Path | None = None,
) -> Iterator[ProxyServer]:
    """Run a proxy until the block is left.

    Args:
        kind: The scheme of its URL.
        userinfo: `user:password` that it wants, if any.
        certificate: A PEM file with certificate and key, for `https`.
    """
    scheme = {"http": "http", "https": "http+ssl"}.get(kind, "socks5")
    command = [sys.executable, "-W", "ignore", "-m", "tests.support.proxies"]
    process = subprocess.Popen(
        [*command, f"{scheme}://127.0.0.1:0/#{userinfo}", str(certificate or "")],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    port = int(process.stdout.readline())
    server = ProxyServer(kind, port, userinfo, queue.Queue())
    reader = threading.Thread(target=_collect, args=(process.stdout, server.lines))
    reader.start()
    try:
        yield server
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stdout.close()


def answering(answer: bytes, *, request: bytes = b"\r\n\r\n") -> Any:
    """Answer a request byte by byte, and wait for the client to leave."""

    async def play(peer: RawPeer) -> None:
        await peer.reader.readuntil(request)
        for byte in answer:
            await peer.send(bytes([byte]))
            await asyncio.sleep(0)
        if answer.endswith(b"!"):
            return
        await peer.reader.read()

    return play


def socks(*answers: bytes) -> Any:
    """Answer each step of SOCKS, and wait for the client to leave."""

    async def play(peer: RawPeer) -> None:
        for answer in answers:
            await peer.reader.read(1000)
            await peer.send(answer)
        await peer.reader.read()

    return play


async def tunnel(peer: RawPeer, scheme: str) -> None:
    """Open a tunnel as a proxy does."""
    if scheme == "http":
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    elif scheme:
        await peer.reader.readexactly(3)
        await peer.send(b"\5\0")
        await peer.reader.read(1000)
        await peer.send(b"\5\0\0\1" + bytes(6))


def _collect(lines: Any, found: queue.Queue[str]) -> None:
    for line in lines:
        if " -> " in line:
            found.put(line)


async def _run(uri: str, certificate: str) -> None:
    import pproxy  # noqa: PLC0415 - in the process of its own
    from pproxy.server import sslcontexts  # noqa: PLC0415

    server = pproxy.Server(uri)
    if certificate:
        for context in sslcontexts:
            context.load_cert_chain(certificate)
    say = functools.partial(print, flush=True)
    started = await server.start_server({"rserver": [], "verbose": say})
    say(started.sockets[0].getsockname()[1])
    await asyncio.Event().wait()


def _know_the_name() -> None:
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        known = host in {_HERE, _HERE.encode()}
        return resolve("127.0.0.1" if known else host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo


if __name__ == "__main__":
    _know_the_name()
    asyncio.run(_run(*sys.argv[1:]))
