"""The way to a server: a TCP connection, direct or through a proxy.

Both transports go through it, so that a proxy means the same to each. The libraries'
own ways differ: one knows no `socks5h`, another takes the first part of a proxy's
answer for all of it.
"""

from __future__ import annotations

import asyncio
import re
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tap_websocket.network.errors import (
    BadHandshake,
    HandshakeError,
    Unreachable,
    is_retried_status,
)
from tap_websocket.network.failures import describe_os_error, network_error
from tap_websocket.network.proxy import parse_proxy
from tap_websocket.network.tcp import bound_window, open_tcp
from tap_websocket.network.urls import PORTS, basic

if TYPE_CHECKING:
    from python_socks import ProxyError

    from tap_websocket.network.proxy import Proxy

__all__ = ["HUNG_UP", "NO_HTTP", "TOO_LONG", "proxy_of", "proxy_refusal", "reach"]

HUNG_UP = "the proxy hung up before it answered"
NO_HTTP = "the proxy's answer is not HTTP; check proxy"
TOO_LONG = "the proxy's answer has a head that is too long; check proxy"
_SOCKS_HINT = "; if it is a SOCKS proxy, write socks5:// in place of http://"

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9]\d\d)(?: |\r\n)")
_STATUS_BYTES = len("HTTP/1.1 200\r\n")
_MAX_BYTES = 64 * 1024
"""A longer answer of a proxy is none."""

_END = b"\r\n\r\n"
_INTERIM = frozenset({100, *range(102, 200)})
_OK = range(200, 300)
_WANTS_CREDENTIALS = 407

_SOCKS_FINAL = frozenset({2, 7, 8})
"""Not allowed by the rules, no CONNECT, no such address type (RFC 1928, section 6)."""

_NEVER = 1e6
"""Seconds; python-socks wants a bound, and the caller has a lower one."""


def proxy_of(url: str | None) -> Proxy | None:
    """Return the proxy that a URL names; None stands for none.

    Raises:
        BadHandshake: When it cannot be used.
    """
    if url is None:
        return None
    try:
        return parse_proxy(url)
    except ValueError as error:
        msg = f"proxy: {error}"
        raise BadHandshake(msg) from error


async def reach(
    url: str,
    proxy: Proxy | None,
    window: int | None = None,
) -> socket.socket:
    """Open a TCP connection to a server.

    Args:
        url: Names the server: `ws://` or `wss://`.
        proxy: An `http://` or SOCKS proxy to go through, or None.
        window: See `open_tcp`.

    Raises:
        HandshakeError: One of its subclasses, for whatever went wrong.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    if proxy is None:
        try:
            return await open_tcp(host, port, window)
        except OSError as error:
            raise network_error(error) from error
    if proxy.is_socks:
        return await _through_socks(proxy, host, port, window)
    return await _through_http(proxy, host, port, window)


def proxy_refusal(status: int) -> HandshakeError:
    """Return what an HTTP status of a proxy means, other than 2xx."""
    if status == _WANTS_CREDENTIALS:
        msg = "the proxy wants other credentials (HTTP 407); check proxy"
        return BadHandshake(msg)
    if is_retried_status(status):
        return Unreachable(f"the proxy cannot reach the server (HTTP {status})")
    return BadHandshake(f"the proxy refuses to reach the server (HTTP {status})")


async def _through_http(
    proxy: Proxy,
    host: str,
    port: int,
    window: int | None,
) -> socket.socket:
    """Open a tunnel by CONNECT (RFC 9110, section 9.3.6)."""
    try:
        opened = await open_tcp(proxy.host, proxy.port, window)
    except OSError as error:
        msg = f"the proxy cannot be reached: {describe_os_error(error)}"
        raise Unreachable(msg) from error
    try:
        await asyncio.get_running_loop().sock_sendall(
            opened,
            _request(proxy, host, port),
        )
        status = await _status(opened)
    except OSError as error:
        opened.close()
        msg = f"the connection to the proxy broke: {describe_os_error(error)}"
        raise Unreachable(msg) from error
    except BaseException:
        opened.close()
        raise
    if status not in _OK:
        opened.close()
        raise proxy_refusal(status)
    return opened


def _request(proxy: Proxy, host: str, port: int) -> bytes:
    if not host.isascii():
        host = host.encode("idna").decode()
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.username is not None:
        headers = basic(proxy.username.encode(), proxy.password.encode())
        lines += [f"Proxy-{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


async def _status(opened: socket.socket) -> int:
    """Read a proxy's answer; the server behind it sends nothing unasked."""
    loop = asyncio.get_running_loop()
    answer = b""
    # Bytes of the interim answers that were skipped (RFC 9110, section 15.2).
    skipped = 0
    while True:
        data = await loop.sock_recv(opened, _MAX_BYTES)
        if not data:
            # What a SOCKS proxy does when it is sent CONNECT.
            is_silent = not (answer or skipped)
            raise Unreachable(HUNG_UP + (_SOCKS_HINT if is_silent else ""))
        answer += data
        while (found := _parse_status(answer)) is not None:
            status, size = found
            if status not in _INTERIM:
                return status
            answer = answer[size:]
            skipped += size
        if skipped + len(answer) > _MAX_BYTES:
            raise BadHandshake(TOO_LONG)


def _parse_status(answer: bytes) -> tuple[int, int] | None:
    """Return an answer's status and the size of its head, None until that is whole.

    Raises:
        BadHandshake: When it is no answer.
    """
    status = _STATUS.match(answer)
    if status is None and (len(answer) >= _STATUS_BYTES or b"\n" in answer):
        raise BadHandshake(NO_HTTP)
    end = answer.find(_END)
    if status is None or end < 0:
        return None
    return int(status[1]), end + len(_END)


async def _through_socks(
    proxy: Proxy,
    host: str,
    port: int,
    window: int | None,
) -> socket.socket:
    """Open a tunnel by SOCKS 5 (RFC 1928)."""
    import python_socks  # noqa: PLC0415 - an extra
    from python_socks.async_.asyncio import Proxy as SocksProxy  # noqa: PLC0415

    socks = SocksProxy(
        python_socks.ProxyType.SOCKS5,
        proxy.host,
        proxy.port,
        proxy.username,
        proxy.password,
        rdns=proxy.scheme == "socks5h",
    )
    try:
        opened = await socks.connect(host, port, timeout=_NEVER)
    except python_socks.ProxyConnectionError as error:
        reason = (
            describe_os_error(error.__cause__)
            if isinstance(error.__cause__, OSError)
            else ""
        )
        msg = f"the proxy cannot be reached: {reason}"
        raise Unreachable(msg) from error
    except python_socks.ProxyError as error:
        raise _socks_refusal(error) from error
    except socket.gaierror as error:
        raise network_error(error) from error
    except OSError as error:
        msg = f"the connection to the proxy broke: {describe_os_error(error)}"
        raise Unreachable(msg) from error
    except ValueError as error:
        msg = "the server's name cannot be given to a SOCKS proxy"
        raise BadHandshake(msg) from error
    if window is not None:
        bound_window(opened, window)
    return opened


def _socks_refusal(error: ProxyError) -> HandshakeError:
    if not hasattr(error.__cause__, "error_code"):
        # The proxy closed the connection without an answer.
        return Unreachable(HUNG_UP)
    if error.error_code is None:
        return BadHandshake(f"the proxy did not agree: {error}; check proxy")
    if error.error_code in _SOCKS_FINAL:
        return BadHandshake(f"the proxy refuses to reach the server: {error}")
    return Unreachable(f"the proxy cannot reach the server: {error}")
