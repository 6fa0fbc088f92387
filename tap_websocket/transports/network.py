"""What a failure of the network or of TLS means for a handshake."""

from __future__ import annotations

import os
import socket
import ssl

from tap_websocket.transports.base import (
    BadHandshake,
    HandshakeError,
    Unreachable,
    Untrusted,
)

__all__ = ["network_error", "words"]


def network_error(error: Exception) -> HandshakeError:
    """Say what a failure below HTTP means, without a word of the URL."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Untrusted(f"the certificate is not trusted: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        if error.reason in {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"}:
            return BadHandshake("the server speaks no TLS on this port; try ws://")
        return Unreachable(f"TLS failed: {error.reason or 'the connection ended'}")
    if isinstance(error, OSError):
        return Unreachable(words(error))
    return BadHandshake(str(error))


def words(error: OSError) -> str:
    """Return an operating system's error in words."""
    if isinstance(error, socket.gaierror):
        return f"the name cannot be resolved ({error.strerror})"
    if error.errno is None:
        return "none of the host's addresses answers"
    return os.strerror(error.errno)
