"""An answer to the handshake that a library does not read, though it says enough."""

from __future__ import annotations

import re

from tap_websocket.transports.base import HandshakeRefused

__all__ = ["find_refusal"]

_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9]\d\d)(?: |\r|\Z)")
_SWITCHING_PROTOCOLS = 101


def find_refusal(head: bytes) -> HandshakeRefused | None:
    """Return the refusal that the head of an answer is, if it is one.

    HTTP/1.0, a status that nobody registered and one without a phrase are what proxies
    in front of a server answer with, and what they mean is plain.
    """
    found = _STATUS.match(head)
    if found is None or int(found[1]) == _SWITCHING_PROTOCOLS:
        return None
    lines = head.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return HandshakeRefused(int(found[1]), headers)
