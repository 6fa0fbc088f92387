"""The scanner: in whatever pieces it is read, every byte goes one way, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tap_websocket.transports.scanner import Scanner
from tests.support.examples import examples
from tests.support.raw import close_frame, frame

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 100_000


class Taken:
    """What came out, and the bytes that it was made of."""

    def __init__(self, *, goes_on: int = 10**9, most: int = MOST) -> None:
        self.stream = b""
        self.messages: list[tuple[bytes, bool]] = []
        self.others = b""
        self.goes_on = goes_on
        self.scanner = Scanner(most, messages=self.take, others=self.hand_on)

    def take(self, messages: list[bytes], binary: bool) -> bool:
        for message in messages:
            self.messages.append((message, binary))
            self.stream += frame(message, opcode=2 if binary else 1)
        self.goes_on -= 1
        return self.goes_on > 0

    def hand_on(self, data: bytes) -> bool:
        self.stream += data
        self.others += data
        self.goes_on -= 1
        return self.goes_on > 0

    def feed(self, data: bytes, cuts: Sequence[int]) -> None:
        start = 0
        for cut in sorted({min(cut, len(data)) for cut in cuts} | {len(data)}):
            self.scanner.feed(data[start:cut])
            start = cut


PAYLOADS = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([125, 126, 127, 65535, 65536, 65537, MOST, MOST + 1]).map(
        lambda size: b"x" * size
    ),
)
FRAMES = st.one_of(
    st.builds(frame, PAYLOADS, opcode=st.sampled_from([1, 2])),
    st.builds(
        frame,
        st.binary(max_size=12),
        opcode=st.integers(0, 15),
        fin=st.booleans(),
        rsv=st.sampled_from([0, 0, 0, 4, 1]),
        mask=st.booleans(),
    ),
)


@settings(max_examples=examples(300), deadline=None)
@given(
    frames=st.lists(FRAMES, max_size=12),
    cuts=st.lists(st.integers(0, 200_000), max_size=12),
)
@example(frames=[frame(b"a"), frame(b"b")], cuts=list(range(8)))
@example(frames=[frame(b"x" * 126)] * 2, cuts=list(range(300)))
@example(frames=[frame(b"x" * 70_000)] * 2, cuts=[3, 11, 70_009, 70_012])
def test_every_byte_goes_one_way_in_order(frames: list[bytes], cuts: list[int]) -> None:
    taken = Taken()
    taken.feed(b"".join(frames), cuts)
    assert taken.stream == b"".join(frames)


@settings(max_examples=examples(100), deadline=None)
@given(
    frames=st.lists(FRAMES, max_size=12),
    cuts=st.lists(st.integers(0, 5000), max_size=6),
    calls=st.integers(1, 8),
)
def test_behind_an_end_everything_is_handed_on(
    frames: list[bytes],
    cuts: list[int],
    calls: int,
) -> None:
    taken = Taken(goes_on=calls)
    taken.feed(b"".join(frames), cuts)
    assert taken.stream == b"".join(frames)


def test_plain_messages_are_cut_out() -> None:
    sent = [b"", b"a", b"x" * 125, b"y" * 126, b"z" * 65535, b"w" * 65536]
    taken = Taken()
    taken.feed(b"".join(map(frame, sent)) + frame(b"\0", opcode=2), [5, 100, 300])
    assert taken.messages == [*((message, False) for message in sent), (b"\0", True)]
    assert taken.others == b""


@pytest.mark.parametrize(
    "other",
    [
        frame(b"ping", opcode=9),
        frame(b"pong", opcode=10),
        close_frame(1000),
        frame(b"a", fin=False) + frame(b"b", opcode=0),
        frame(b"a", fin=False) + frame(b"ping", opcode=9) + frame(b"b"),
        frame(b"a", rsv=4),
        frame(b"a", mask=True),
        frame(b"a", opcode=3),
        frame(b"", length=MOST + 1),
        frame(b"", length=2**63),
        frame(b"a", opcode=0),
    ],
)
def test_everything_else_is_the_library_s(other: bytes) -> None:
    taken = Taken()
    taken.feed(frame(b"1") + other, [])
    assert taken.messages == [(b"1", False)]
    assert taken.others == other


def test_messages_behind_a_fragmented_one_are_cut_out_again() -> None:
    taken = Taken()
    fragments = frame(b"a", fin=False) + frame(b"b", opcode=0)
    taken.feed(fragments + frame(b"1"), [])
    assert taken.messages == [(b"1", False)]
    assert taken.others == fragments


def test_the_beginning_of_a_large_frame_is_not_kept() -> None:
    taken = Taken()
    large = frame(b"x" * 90_000)
    taken.feed(large[:20_000], [])
    assert taken.others == large[:20_000]
    taken.feed(large[20_000:] + frame(b"1"), [])
    assert taken.others == large
    assert taken.messages == [(b"1", False)]


@pytest.mark.parametrize("most", [10, 200, 70_000])
def test_a_message_over_the_bound_is_the_library_s(most: int) -> None:
    taken = Taken(most=most)
    large = frame(b"x" * (most + 1))
    taken.feed(frame(b"x" * most) + large, [])
    assert taken.messages == [(b"x" * most, False)]
    assert taken.others == large
