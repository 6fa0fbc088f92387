"""What a server may agree to in its answer (RFC 6455, section 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tap_websocket.transports.base import BadHandshake

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["OTHER_EXTENSION", "subprotocol_problem"]

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
