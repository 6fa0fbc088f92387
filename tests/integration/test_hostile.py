"""Servers that misbehave: each way has its outcome, on every transport."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import ConnectionFailed
from tests.support.raw import HELLO, close_frame, frame, opens, serve_raw
from tests.support.receive import receive

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.raw import RawPeer

pytestmark = pytest.mark.usefixtures("each_transport")


@dataclasses.dataclass(frozen=True)
class Case:
    """What a server does after the handshake and one message."""

    name: str
    parts: tuple[bytes, ...] = ()
    then: str = "close"
    error: str | None = None
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    records: int = 1
    answer: int | None = None


SECONDS = 20
"""Long before max_duration, which would end a run that does not notice."""

VIOLATION = "violated the protocol"
LOST = "ended the connection without a Close frame"

CASES = [
    Case("1000", (close_frame(1000),)),
    Case("a Close with no code", (close_frame(None),)),
    Case("1001", (close_frame(1001),), error="code 1001"),
    Case("1008", (close_frame(1008, b"policy"),), error="code 1008 ('policy')"),
    Case("1011", (close_frame(1011),), error="code 1011"),
    Case("1012", (close_frame(1012),), error="code 1012"),
    Case("4000", (close_frame(4000),), error="code 4000"),
    Case("TCP gone", error=LOST),
    Case("an invalid code", (close_frame(1005),), error=VIOLATION, answer=1002),
    Case("an invalid code 999", (close_frame(999),), error=VIOLATION, answer=1002),
    Case("half a code", (frame(b"\x03", opcode=8),), error=VIOLATION, answer=1002),
    Case("a reason that is no UTF-8", (close_frame(1000, b"\xff"),), error=VIOLATION),
    Case(
        "a Close and then silence",
        (close_frame(1000),),
        then="silence",
        settings={"close_timeout": 0.3},
    ),
    Case(
        "RST in a frame",
        (HELLO[:4],),
        then="reset",
        error="",
        settings={"message_rules": [{"reply": "read"}]},
    ),
    Case("FIN in a fragmented message", (frame(b"[", fin=False),), error=LOST),
    Case(
        "silence",
        then="silence",
        error="no Pong within 0.2 s (ping_timeout)",
        settings={"ping_interval": 0.1, "ping_timeout": 0.2},
    ),
    Case("masked frames", (frame(b"{}", mask=True),), error=VIOLATION, answer=1002),
    Case("a reserved bit", (frame(b"{}", rsv=4),), error=VIOLATION, answer=1002),
    Case("a reserved opcode", (frame(b"{}", opcode=3),), error=VIOLATION, answer=1002),
    Case(
        "a control frame of 126 bytes",
        (frame(b"x" * 126, opcode=9),),
        error=VIOLATION,
        answer=1002,
    ),
    Case(
        "a fragmented control frame",
        (frame(b"", opcode=9, fin=False),),
        error=VIOLATION,
        answer=1002,
    ),
    Case(
        "a stray continuation", (frame(b"{}", opcode=0),), error=VIOLATION, answer=1002
    ),
    Case(
        "a new message inside of a fragmented one",
        (frame(b"[", fin=False), frame(b"{}")),
        error=VIOLATION,
        answer=1002,
    ),
    Case(
        "a Close inside of a fragmented message",
        (frame(b"[", fin=False), close_frame(1000)),
        then="wait",
        answer=1000,
    ),
    Case("invalid UTF-8", (frame(b'{"a": "\xff"}'),), error=VIOLATION, answer=1007),
    Case(
        "invalid UTF-8 over two fragments",
        (frame(b'{"a": "\xc3', fin=False), frame(b'("}', opcode=0)),
        error=VIOLATION,
        answer=1007,
    ),
    Case(
        "a character over two fragments",
        (
            frame(b'{"n": "\xc3', fin=False),
            frame(b"", opcode=9),
            frame(b'\xa9"}', opcode=0),
            close_frame(1000),
        ),
        records=2,
    ),
    Case(
        "half a character in each of two messages",
        (frame(b'{"a": "\xc3'), frame(b'\xa9"}')),
        error=VIOLATION,
        answer=1007,
    ),
    Case(
        "a frame that announces 2^63 bytes",
        (frame(b"{}", length=2**63),),
        error="",
    ),
    Case(
        "a frame over max_message_bytes",
        (frame(b'"' + b"x" * 2000 + b'"'),),
        error="larger than max_message_bytes",
        settings={"max_message_bytes": 2001},
        answer=1009,
    ),
    Case(
        "a frame of just max_message_bytes",
        (frame(b'"' + b"x" * 1998 + b'"'), close_frame(1000)),
        settings={"max_message_bytes": 2000},
        records=2,
    ),
    Case(
        "a fragmented message over max_message_bytes",
        (frame(b"x", fin=False), *[frame(b"y", opcode=0, fin=False)] * 3000),
        error="larger than max_message_bytes",
        settings={"max_message_bytes": 2000},
        answer=1009,
    ),
    Case(
        "a message in 100,000 fragments",
        (
            frame(b'"', fin=False),
            *[frame(b"y", opcode=0, fin=False)] * 100_000,
            frame(b'"', opcode=0),
            close_frame(1000),
        ),
        records=2,
    ),
    Case(
        "an empty message",
        (frame(b""), close_frame(1000)),
        settings={"on_parse_error": "skip"},
    ),
]


def script(case: Case, timing: str = "soon") -> Callable[[RawPeer], Awaitable[None]]:
    """Return what a server does.

    Args:
        case: What it sends.
        timing: Whether that comes in one read with the handshake, in one of its own, or
            as it happens.
    """

    async def play(peer: RawPeer) -> None:
        at_once = case.parts if timing == "at once" else ()
        await peer.upgrade(HELLO, *at_once)
        if timing == "later":
            await asyncio.sleep(0.05)
        for part in case.parts[len(at_once) :]:
            peer.writer.write(part)
        await peer.writer.drain()
        if case.then == "silence":
            await peer.silence()
        elif case.then == "reset":
            # It throws away what is not read yet.
            assert await peer.recv() == (1, b"read")
            peer.reset()
        elif case.parts and case.error != LOST:
            await asyncio.wait_for(peer.wait(), SECONDS)

    return play


@pytest.mark.parametrize("timing", ["soon", "at once", "later"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_way_to_end_has_its_outcome(case: Case, timing: str) -> None:
    with serve_raw(script(case, timing)) as server:
        run = receive(url=server.url, **{"max_duration": 60, **case.settings})
        (peer,) = server.peers
    assert run.seconds < SECONDS
    assert len(run.records) == case.records
    if case.error is None:
        assert run.error is None
    else:
        assert isinstance(run.error, ConnectionFailed)
        assert case.error in str(run.error)
    if case.answer is not None:
        assert peer.close_code == case.answer


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if not case.settings.get("max_message_bytes")],
    ids=lambda case: case.name,
)
def test_with_reconnect_each_way_to_end_is_a_drop(case: Case) -> None:
    with serve_raw(script(case)) as server:
        run = receive(
            url=server.url,
            **{
                "max_duration": 60,
                "max_messages": case.records * 2,
                "reconnect": True,
                "reconnect_backoff": 0.02,
                **case.settings,
            },
        )
        assert len(server.peers) == 2
    assert run.error is None
    assert len(run.records) == case.records * 2
    assert run.counts.reconnects == 1


def test_two_messages_too_big_without_a_record_between_end_the_run() -> None:
    with serve_raw(opens(frame(b"x" * 3000))) as server:
        run = receive(
            url=server.url,
            max_message_bytes=2000,
            reconnect=True,
            reconnect_backoff=0.02,
        )
        assert len(server.peers) == 2
    assert isinstance(run.error, ConnectionFailed)
    assert "max_message_bytes (2000)" in str(run.error)


def test_what_is_legal_but_rare_is_accepted(each_transport: str) -> None:
    play = opens(HELLO, HELLO, connection="keep-alive, Upgrade")
    transport = "auto" if each_transport == "picows" else each_transport
    with serve_raw(play) as server:
        run = receive(url=server.url, max_messages=2, transport=transport)
    assert run.error is None
    assert len(run.records) == 2
