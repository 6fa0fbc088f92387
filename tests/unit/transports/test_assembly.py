"""Frames of the websockets library, assembled to messages."""

from __future__ import annotations

from websockets.frames import Frame, Opcode

from tap_websocket.transports.base import LARGE_BYTES
from tap_websocket.transports.websockets.assembly import MessageAssembly


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def messages(self, payloads: list[bytes], *, binary: bool) -> None:
        self.told.append((binary, payloads))

    def fragment(self) -> None:
        self.told.append("fragment")

    def control(self, opcode: int, payload: bytes) -> None:
        self.told.append((opcode, payload))


def told(*frames: Frame, checks_text: bool = True) -> tuple[list[object], bool]:
    listener = Listener()
    assembly = MessageAssembly(listener, checks_text=checks_text)  # type: ignore[arg-type]
    for frame in frames:
        assembly.take(frame)
    assembly.deliver()
    return listener.told, assembly.is_invalid


def text(payload: bytes) -> Frame:
    return Frame(Opcode.TEXT, payload)


def test_messages_of_a_kind_are_handed_on_together() -> None:
    frames = (text(b"a"), text(b"b"), Frame(Opcode.BINARY, b"c"), text(b"d"))
    expected = [(False, [b"a", b"b"]), (True, [b"c"]), (False, [b"d"])]
    assert told(*frames) == (expected, False)


def test_a_control_frame_comes_behind_the_messages_before_it() -> None:
    frames = (text(b"a"), Frame(Opcode.PING, b"p"), text(b"b"))
    assert told(*frames)[0] == [(False, [b"a"]), (Opcode.PING, b"p"), (False, [b"b"])]


def test_fragments_become_a_message() -> None:
    frames = (
        Frame(Opcode.TEXT, b"a", fin=False),
        Frame(Opcode.CONT, b"b", fin=False),
        Frame(Opcode.CONT, b"c"),
    )
    assert told(*frames)[0] == ["fragment", "fragment", (False, [b"abc"])]


def test_a_large_message_is_handed_on_alone() -> None:
    large = b"x" * (LARGE_BYTES + 1)
    expected = [(False, [b"a"]), (False, [large]), (False, [b"b"])]
    assert told(text(b"a"), text(large), text(b"b"))[0] == expected


def test_nothing_is_taken_behind_a_text_that_is_not_utf8() -> None:
    frames = (
        text(b"a"),
        text(b"\xff"),
        text(b"b"),
        Frame(Opcode.PING, b""),
        text(b"c"),
    )
    assert told(*frames) == ([(False, [b"a"])], True)
    large = text(b"x" * (LARGE_BYTES + 1))
    assert told(text(b"\xff"), large) == ([], True)
    assert told(text(b"\xff"), checks_text=False) == ([(False, [b"\xff"])], False)
