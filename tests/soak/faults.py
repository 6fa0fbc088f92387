"""What a server does to a client: ends of every kind, and bad handshakes."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Literal

from tests.support.raw import close_frame, frame

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.raw import RawPeer

__all__ = [
    "CLEAN",
    "FATAL",
    "FATAL_CODE",
    "FAULTS",
    "INTERIM",
    "INVALID_TEXT",
    "REFUSALS",
    "Fault",
    "play",
]

FATAL_CODE = 4999

INVALID_TEXT = 1007
"""The close code for a text message that is no UTF-8 (RFC 6455, section 7.4.1)."""

MAX_MESSAGE_BYTES = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Fault:
    """How a server ends a connection, or makes the client end it.

    Attributes:
        name: For the summary.
        parts: What is sent first.
        then: `wait` for the client's Close; `linger`: the same, with TCP left open;
            `fin`: end this side of TCP; `reset`; `silence`: neither read nor write.
        answers: Codes of the client's Close that prove that it read up to here.
    """

    name: str
    parts: tuple[bytes, ...] = ()
    then: Literal["wait", "linger", "fin", "reset", "silence"] = "wait"
    answers: tuple[int, ...] = ()


def _close(code: int | None, then: Literal["wait", "linger"] = "wait") -> Fault:
    known = 1005 if code is None else code
    behind = "" if then == "wait" else ", then silence"
    name = f"Close without a code{behind}" if code is None else f"Close {code}{behind}"
    return Fault(name, (close_frame(code),), then, (known,))


def _violation(name: str, *parts: bytes, code: int = 1002) -> Fault:
    return Fault(name, parts, answers=(code,))


CLEAN = (_close(1000), _close(None))
FATAL = _close(FATAL_CODE)

FAULTS = (
    *CLEAN,
    *map(_close, (1001, 1008, 1011, 1012, 4000)),
    _close(1000, "linger"),
    _close(1012, "linger"),
    Fault("TCP gone", then="fin"),
    Fault("TCP gone in a fragmented message", (frame(b'{"c', fin=False),), "fin"),
    Fault("Close 1012 and FIN", (close_frame(1012),), "fin"),
    Fault(
        "Close 1011 in a fragmented message",
        (frame(b'{"c', fin=False), close_frame(1011)),
        answers=(1011,),
    ),
    Fault(
        "Close 4000 with frames behind it",
        (close_frame(4000), frame(b"", opcode=8), frame(b"", opcode=3)),
        answers=(4000,),
    ),
    Fault("Pings, and no Pong is read", (frame(b"p", opcode=9) * 50_000,), "silence"),
    Fault("RST", then="reset"),
    Fault("RST in a frame", (frame(b'{"c": 1', length=500),), "reset"),
    Fault("half-open", then="silence"),
    _violation("invalid close code", close_frame(1005)),
    _violation("half a close code", frame(b"\x03", opcode=8)),
    _violation("masked frame", frame(b"{}", mask=True)),
    _violation("reserved bit", frame(b"{}", rsv=4)),
    _violation("reserved opcode", frame(b"{}", opcode=3)),
    _violation("control frame of 126 bytes", frame(b"x" * 126, opcode=9)),
    _violation("stray continuation", frame(b"{}", opcode=0)),
    _violation("invalid UTF-8", frame(b'{"a": "\xff"}'), code=INVALID_TEXT),
    _violation(
        "invalid UTF-8 over two fragments",
        frame(b'{"a": "\xc3', fin=False),
        frame(b'("}', opcode=0),
        code=INVALID_TEXT,
    ),
    _violation(
        "message over max_message_bytes",
        frame(b'{"', length=MAX_MESSAGE_BYTES + 1),
        code=1009,
    ),
    _violation(
        "fragmented message over max_message_bytes",
        frame(b"x", fin=False),
        *[frame(b"y" * 65536, opcode=0, fin=False)] * 16,
        code=1009,
    ),
)


async def _byte_by_byte(peer: RawPeer) -> None:
    """Answer so slowly that the client's patience ends first."""
    for byte in peer.answer():
        await peer.send(bytes([byte]))
        await asyncio.sleep(0.05)


async def _status(peer: RawPeer, code: int, *headers: str) -> None:
    lines = (f"HTTP/1.1 {code} No", "Content-Length: 0", *headers, "", "")
    await peer.send("\r\n".join(lines).encode())


async def _redirect(peer: RawPeer) -> None:
    """Send the client to where it is; the next answer is another one."""
    await _status(peer, 307, f"Location: {peer.request.split()[1]}")


async def _endless(peer: RawPeer) -> None:
    """Refuse, and go on with a body for longer than the client is patient."""
    await peer.send(b"HTTP/1.1 503 No\r\n\r\n")
    for _ in range(40):
        await peer.send(b"not now\n")
        await asyncio.sleep(0.1)


INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"
"""What may come before the answer to the upgrade."""

REFUSALS: dict[str, Callable[[RawPeer], Awaitable[None]]] = {
    "429 with Retry-After": lambda peer: _status(peer, 429, "Retry-After: 1"),
    "429": lambda peer: _status(peer, 429),
    "500": lambda peer: _status(peer, 500),
    "503": lambda peer: _status(peer, 503),
    "408": lambda peer: _status(peer, 408),
    "a redirect": _redirect,
    "a refusal without an end": _endless,
    "hangs up": lambda _: asyncio.sleep(0),
    "never answers": lambda _: asyncio.sleep(4),
    "answers byte by byte": _byte_by_byte,
}
"""What the upgrade is answered with; each is worth another try."""


async def play(fault: Fault, peer: RawPeer) -> None:
    """Do it, up to where the client's answer is awaited."""
    peer.writer.write(b"".join(fault.parts))
    if fault.then == "fin":
        peer.writer.write_eof()
    elif fault.then == "reset":
        await asyncio.sleep(0.01)
        peer.reset()
