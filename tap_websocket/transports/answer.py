"""What a server may agree to in its answer (RFC 6455, section 4.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tap_websocket.network.errors import BadHandshake, HandshakeRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["OTHER_EXTENSION", "find_refusal", "subprotocol_problem"]

OTHER_EXTENSION = "the server agreed to an extension that was not offered"


def subprotocol_problem(
    offered: Sequence[str],
    headers: Iterable[str],
) -> BadHandshake | None:
    """Return what is wrong with a server's choice of subprotocol, if anything.

    Args:
        offered: The setting `subprotocols`.
        headers: The values of the answer's headers `Sec-WebSocket-Protocol`.
    """
    agreed = [name.strip() for value in headers for name in value.split(",")]
    if not agreed and not offered:
        return None
    names = ", ".join(offered) or "none"
    if not agreed:
        msg = f"the server agreed to none of the subprotocols offered ({names})"
        return BadHandshake(msg)
    if any(name not in offered for name in agreed):
        msg = f"the server agreed to a subprotocol that was not offered ({names})"
        return BadHandshake(msg)
    if len(agreed) > 1:
        msg = (
            f"the server agreed to more than one of the subprotocols offered ({names})"
        )
        return BadHandshake(msg)
    return None


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
