"""What a server's answer to picows' handshake means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import picows

from tap_websocket.network.errors import (
    BadHandshake,
    HandshakeError,
    HandshakeRefused,
    Incapable,
)
from tap_websocket.network.failures import network_error
from tap_websocket.transports.answer import (
    OTHER_EXTENSION,
    find_refusal,
    subprotocol_problem,
)

if TYPE_CHECKING:
    from tap_websocket.transports.base import Handshake

__all__ = ["disagreement", "handshake_error"]


def disagreement(handshake: Handshake, headers: Any) -> HandshakeError | None:  # noqa: ANN401
    """Return what is wrong with the server's answer, if anything."""
    if headers.get("Sec-WebSocket-Extensions"):
        return BadHandshake(OTHER_EXTENSION)
    agreed = headers.getall("Sec-WebSocket-Protocol", [])
    return subprotocol_problem(handshake.subprotocols, agreed)


def handshake_error(error: Exception) -> HandshakeError:
    """Say what a failed handshake means, without a word of the URL."""
    if isinstance(error, picows.WSInvalidStatusError) and error.response is not None:
        headers = error.response.headers.items()
        return HandshakeRefused(
            int(error.response.status),
            {name.lower(): value for name, value in headers},
        )
    if isinstance(error, picows.WSInvalidUpgradeError) and _is_legal(error):
        return Incapable("picows does not take the server's Connection header")
    if isinstance(error, picows.WSInvalidMessageError):
        return find_refusal(error.raw_header or b"") or BadHandshake(
            "the server's answer is not HTTP; does it speak WebSocket?"
        )
    if isinstance(error, picows.WSError):
        return BadHandshake(f"the server did not agree to the handshake: {error}")
    return network_error(error)


def _is_legal(error: picows.WSInvalidUpgradeError) -> bool:
    """Tell whether a Connection header names the upgrade, among others."""
    tokens = [token.strip().lower() for token in (error.value or "").split(",")]
    return error.name.lower() == "connection" and "upgrade" in tokens
