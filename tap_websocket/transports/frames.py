"""Frames of a client, many of them at once (RFC 6455, section 5)."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

from tap_websocket.transports.rfc6455 import BINARY, TEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["frames_of"]

_FIN, _MASKED = 0x80, 0x80
_KEY_BYTES = 4
_SHORT, _MEDIUM = 126, 1 << 16
"""From here on a length takes two more bytes, and eight (section 5.2)."""


def frames_of(messages: Sequence[str | bytes]) -> bytes:
    """Return the frames of text (str) and binary (bytes) messages, in order.

    Each has a masking key of its own, which nobody can foresee (section 5.3). To mask
    all of them at once costs a fraction of what it takes one by one.
    """
    payloads = [m.encode() if isinstance(m, str) else m for m in messages]
    sizes = list(map(len, payloads))
    words = [-(-size // _KEY_BYTES) for size in sizes]
    random = os.urandom(_KEY_BYTES * len(payloads))
    keys = [random[at : at + _KEY_BYTES] for at in range(0, len(random), _KEY_BYTES)]
    # Each begins with a whole word, so that its key does.
    padded = b"".join(
        payload.ljust(_KEY_BYTES * count, b"\0")
        for payload, count in zip(payloads, words, strict=True)
    )
    mask = b"".join(key * count for key, count in zip(keys, words, strict=True))
    masked = _xor(padded, mask)
    starts = [_KEY_BYTES * at for at in itertools.accumulate(words, initial=0)]
    parts: list[bytes] = []
    for message, size, key, start in zip(messages, sizes, keys, starts, strict=False):
        opcode = TEXT if isinstance(message, str) else BINARY
        parts += _header(opcode, size), key, masked[start : start + size]
    return b"".join(parts)


def _xor(one: bytes, other: bytes) -> bytes:
    size = len(one)
    both = int.from_bytes(one, "little") ^ int.from_bytes(other, "little")
    return both.to_bytes(size, "little")


def _header(opcode: int, size: int) -> bytes:
    """Return what stands in front of the key of a masked frame."""
    first = _FIN | opcode
    if size < _SHORT:
        return bytes((first, _MASKED | size))
    if size < _MEDIUM:
        return bytes((first, _MASKED | _SHORT)) + size.to_bytes(2, "big")
    return bytes((first, _MASKED | _SHORT + 1)) + size.to_bytes(8, "big")
