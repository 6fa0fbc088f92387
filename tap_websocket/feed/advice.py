"""What a user can do about a server that does not take a connection."""

from __future__ import annotations

from tap_websocket.network.errors import HandshakeError, HandshakeRefused

__all__ = ["cannot_connect", "silence_hint"]

_SILENT_SECONDS = 20.0
"""Load balancers and NAT cut connections that are silent for longer, 30 s and more."""

_REFUSED = "the credentials are refused: check auth, headers and url"
_BAD_REQUEST = 400
_ADVICE = {
    200: "that is a web page and not a WebSocket: check url",
    _BAD_REQUEST: (
        "the server does not take the request: check url, headers (some servers want "
        "an Origin) and subprotocols"
    ),
    401: _REFUSED,
    403: f"{_REFUSED}; some servers want a header Origin",
    404: "there is nothing at the path of url: check it",
    426: "the server wants another protocol: check the path of url and subprotocols",
}
"""What to do about an HTTP status."""


def cannot_connect(where: str, error: HandshakeError) -> str:
    """Return in one line that an attempt failed, why, and what to do about it.

    Args:
        where: Scheme, host and port.
        error: Why it failed.
    """
    hint = _ADVICE.get(error.status) if isinstance(error, HandshakeRefused) else None
    text = f"cannot connect to {where}: {error}{f'; {hint}' if hint else ''}"
    if (
        isinstance(error, HandshakeRefused)
        and error.status == _BAD_REQUEST
        and where.startswith("ws:")
    ):
        # What nginx answers on a port that speaks TLS.
        text += "; if the port speaks TLS, write wss://"
    return text


def silence_hint(seconds: float) -> str:
    """Return what to do about a connection that was cut without a Close, or nothing.

    Args:
        seconds: How long it had been silent.
    """
    if seconds < _SILENT_SECONDS:
        return ""
    return f"; it had been silent for {seconds:.0f} s, which ping_interval prevents"
