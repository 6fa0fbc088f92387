"""What a failure of the network or of TLS means for a handshake."""

from __future__ import annotations

import errno
import os
import socket
import ssl

from tap_websocket.network.errors import (
    BadHandshake,
    HandshakeError,
    Unreachable,
    Untrusted,
)

__all__ = ["describe_os_error", "hung_up", "network_error", "proxy_error"]


_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"})
_PLAIN = "if it speaks no TLS on this port, try ws://"
_ASKS = "does the server want another client certificate (tls)?"
_HINTS: dict[type[OSError], str] = {
    ConnectionRefusedError: "; does the server run, and is the port of url right?",
    socket.gaierror: "; check the host of url",
}
_NO_FILES = frozenset({errno.EMFILE, errno.ENFILE})
_FILES_HINT = (
    "; the limit of open files is reached: raise it (ulimit -n), or open fewer "
    "connections"
)
_UNKNOWN_AUTHORITY = frozenset({18, 19, 20, 21})
"""OpenSSL's codes for a self-signed certificate, and for an issuer not at hand."""

_NAME_MISMATCH = frozenset({62, 64})
"""OpenSSL's codes for a certificate of another host name, and of another address."""

_REFUSALS = ("ALERT_CERTIFICATE", "ALERT_BAD_CERTIFICATE", "ALERT_UNKNOWN_CA")


def network_error(error: Exception) -> HandshakeError:
    """Return what a failure below HTTP means, without a part of the URL."""
    if isinstance(error, ssl.SSLError):
        return _tls_error(error)
    if isinstance(error, ConnectionError) and error.errno is None:
        return Unreachable(f"the server hung up during the handshake; {_PLAIN}")
    if isinstance(error, OSError):
        hint = _HINTS.get(type(error), "")
        if error.errno in _NO_FILES:
            hint = _FILES_HINT
        return Unreachable(f"{describe_os_error(error)}{hint}")
    if isinstance(error, UnicodeError):
        return BadHandshake("the host name cannot be looked up; check the host of url")
    return BadHandshake(str(error))


def _tls_error(error: ssl.SSLError) -> HandshakeError:
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = ""
        if error.verify_code in _UNKNOWN_AUTHORITY:
            hint = "; for a private authority, set tls.ca_file to its certificate"
        elif error.verify_code in _NAME_MISMATCH:
            hint = "; check the host of url, or set tls.server_name"
        msg = f"the certificate is not trusted: {error.verify_message}{hint}"
        return Untrusted(msg)
    reason = error.reason or "the connection ended"
    if reason in _NO_TLS:
        return BadHandshake("the server speaks no TLS on this port; try ws://")
    if any(refusal in reason for refusal in _REFUSALS):
        msg = f"the server wants another client certificate ({reason}); check tls"
        return BadHandshake(msg)
    hint = f"; {_ASKS}" if reason.endswith("ALERT_HANDSHAKE_FAILURE") else ""
    return Unreachable(f"TLS failed: {reason}{hint}")


def hung_up(url: str) -> HandshakeError:
    """Return the error of a server that left in the handshake.

    With TLS 1.3 a client learns only afterwards that its certificate was refused, and
    the libraries do not tell that from other ends.
    """
    hint = f"; {_ASKS}" if url.startswith("wss:") else ""
    return Unreachable(f"the server hung up during the handshake{hint}")


def proxy_error(error: Exception) -> HandshakeError:
    """Return what a failure on the way to a proxy means."""
    if isinstance(error, ssl.SSLError):
        if error.reason in _NO_TLS:
            return BadHandshake("the proxy speaks no TLS on this port; check proxy")
        found = network_error(error)
        return type(found)(f"TLS with the proxy: {found}")
    if isinstance(error, OSError):
        return Unreachable(f"the proxy cannot be reached: {describe_os_error(error)}")
    return BadHandshake(f"the proxy cannot be used: {error}")


def describe_os_error(error: OSError) -> str:
    """Return an operating system's error in words."""
    if isinstance(error, socket.gaierror):
        return f"the name cannot be resolved ({error.strerror})"
    if error.errno is None and isinstance(error, ConnectionError):
        return "the connection was lost"
    if error.errno is None:
        return "none of the host's addresses answers"
    return os.strerror(error.errno)
