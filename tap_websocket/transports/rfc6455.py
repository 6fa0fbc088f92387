"""How connections end: the payload of a Close frame (RFC 6455, section 5.5.1)."""

from __future__ import annotations

from tap_websocket.transports.base import ABNORMAL, NO_CODE, Closing

__all__ = [
    "TOO_BIG",
    "ViolationError",
    "failed",
    "parse_close",
    "valid_prefix",
    "violation",
]

TOO_BIG = 1009

_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})
_PRIVATE = range(3000, 5000)
_CODE_BYTES = 2


class ViolationError(Exception):
    """The peer violated the protocol.

    Attributes:
        code: The close code to answer with.
    """

    def __init__(self, code: int, reason: str) -> None:
        """Keep the close code and the reason."""
        super().__init__(reason)
        self.code = code


def parse_close(payload: bytes) -> tuple[int, str]:
    """Return the code and the reason of a Close frame.

    Raises:
        ViolationError: When the code may not be sent, or the reason is no UTF-8.
    """
    if not payload:
        return NO_CODE, ""
    if len(payload) < _CODE_BYTES:
        raise ViolationError(1002, "a Close frame with half a code")
    code = int.from_bytes(payload[:_CODE_BYTES], "big")
    if code not in _CODES and code not in _PRIVATE:
        raise ViolationError(1002, f"a Close frame with the invalid code {code}")
    try:
        return code, payload[_CODE_BYTES:].decode()
    except UnicodeDecodeError as error:
        msg = "a Close frame whose reason is not valid UTF-8"
        raise ViolationError(1007, msg) from error


def violation(code: int, reason: str) -> Closing:
    """Say how a connection ended that this side failed with a close code."""
    if code == TOO_BIG:
        failure = "a message is larger than max_message_bytes"
        return Closing(ABNORMAL, failure=failure, too_big=True)
    return Closing(ABNORMAL, failure=f"the server violated the protocol: {reason}")


def failed(error: BaseException) -> str:
    """Say that this side has an error, without a word of what it is about."""
    return f"an error in the tap: {type(error).__name__}"


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
