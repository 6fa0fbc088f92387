"""Frame headers as picows wants them."""

from __future__ import annotations

__all__ = ["shortened"]

_SHORT, _MEDIUM, _LONG = 125, 126, 127
_MAX_MEDIUM = 0xFFFF
"""The largest length of one octet, what says that two or eight follow, and the largest
length of two octets (RFC 6455, section 5.2)."""


def shortened(frame: bytes, begin: int, size: int) -> bytes:
    """Return a frame's bytes with its length in as few octets as it needs.

    RFC 6455 asks a server for that (section 5.2). Plain messages are taken without it,
    and websockets takes every frame without it; picows 2.3 refuses them.

    Args:
        frame: The frame, or its beginning with the whole header.
        begin: Where the payload begins.
        size: Size of the payload.
    """
    flag = frame[1]
    if flag in {_MEDIUM, _LONG} and size <= _SHORT:
        length = bytes([size])
    elif flag == _LONG and size <= _MAX_MEDIUM:
        length = bytes([_MEDIUM]) + size.to_bytes(2, "big")
    else:
        return frame
    return frame[:1] + length + frame[begin:]
