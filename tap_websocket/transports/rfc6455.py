"""Words of RFC 6455: opcodes, close codes, and what a Close frame says."""

from __future__ import annotations

from tap_websocket.network.failures import describe_os_error
from tap_websocket.transports.base import Closing
from tap_websocket.wording import counted_bytes

__all__ = [
    "ABNORMAL",
    "BINARY",
    "CLOSE",
    "GOING_AWAY",
    "INVALID_DATA",
    "MAX_CONTROL_BYTES",
    "NORMAL",
    "NO_CODE",
    "PONG",
    "PROTOCOL_ERROR",
    "TEXT",
    "TOO_BIG",
    "TOO_BIG_TEXT",
    "ViolationError",
    "failed",
    "lost",
    "parse_close",
    "unfinished",
    "valid_prefix",
    "violation",
]

# Opcodes (section 5.2).
TEXT = 0x1
BINARY = 0x2
CLOSE = 0x8
PONG = 0xA

MAX_CONTROL_BYTES = 125
"""Payload of a control frame, at most (section 5.5)."""

# Close codes (section 7.4.1).
NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
NO_CODE = 1005
"""A Close frame without a code was received; it is never sent."""
ABNORMAL = 1006
"""No Close frame was received; it is never sent."""
INVALID_DATA = 1007
TOO_BIG = 1009

TOO_BIG_TEXT = "a message is larger than max_message_bytes"

_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})
"""The registered codes that may be sent (the IANA registry, up to 1014)."""

_PRIVATE = range(3000, 5000)
_CODE_BYTES = 2


class ViolationError(Exception):
    """The peer violated the protocol.

    Attributes:
        code: The close code to answer with.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def parse_close(payload: bytes) -> tuple[int, str]:
    """Return the code and the reason of a Close frame (section 5.5.1).

    Raises:
        ViolationError: When the code may not be sent, or the reason is no UTF-8.
    """
    if not payload:
        return NO_CODE, ""
    if len(payload) < _CODE_BYTES:
        raise ViolationError(PROTOCOL_ERROR, "a Close frame with half a code")
    code = int.from_bytes(payload[:_CODE_BYTES], "big")
    if code not in _CODES and code not in _PRIVATE:
        msg = f"a Close frame with the invalid code {code}"
        raise ViolationError(PROTOCOL_ERROR, msg)
    try:
        return code, payload[_CODE_BYTES:].decode()
    except UnicodeDecodeError as error:
        msg = f"a Close frame with code {code} whose reason is not valid UTF-8"
        raise ViolationError(INVALID_DATA, msg) from error


def violation(code: int, reason: str) -> Closing:
    """Return how a connection ended that this side failed with a close code."""
    if code == TOO_BIG:
        return Closing(ABNORMAL, failure=TOO_BIG_TEXT, too_big=True)
    return Closing(ABNORMAL, failure=f"the server violated the protocol: {reason}")


def lost(error: Exception | None) -> Closing:
    """Return how a connection ended whose TCP ended without a Close frame.

    Args:
        error: What ended TCP, or None where the server has ended it.
    """
    if error is None:
        failure = "the server ended the connection without a Close frame"
    elif isinstance(error, OSError):
        failure = f"the connection broke: {describe_os_error(error)}"
    else:
        failure = failed(error)
    return Closing(ABNORMAL, failure=failure)


def failed(error: BaseException) -> str:
    """Return what a log says of an error of this side, without its content."""
    return f"an error in the tap: {type(error).__name__}"


def unfinished(size: int) -> str:
    """Return what a log says of a message that a Close frame cut off.

    Args:
        size: Bytes of it that had come.
    """
    return (
        "The server closed the connection inside of a message, of which "
        f"{counted_bytes(size)} had come; that is dropped"
    )


def valid_prefix(payloads: list[bytes]) -> int:
    """Return how many payloads, from the first on, are valid UTF-8.

    One look at the joined batch settles the common case: ASCII joined to ASCII is
    ASCII, while valid UTF-8 could also come of two halves of a character.
    """
    if b"".join(payloads).isascii():
        return len(payloads)
    for number, payload in enumerate(payloads):
        try:
            payload.decode()
        except UnicodeDecodeError:
            return number
    return len(payloads)
