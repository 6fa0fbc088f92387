"""Text messages are UTF-8, or the connection fails (RFC 6455, section 8.1)."""

from __future__ import annotations

__all__ = ["valid_prefix"]


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
