"""Compressed frames, taken piece by piece."""

from __future__ import annotations

from tap_websocket.transports.websockets.pieces import Pieces


def test_all_of_it_is_taken_in_order_in_small_pieces() -> None:
    data = bytes(range(256)) * 400
    taken: list[bytes] = []
    pieces = Pieces(taken.append, lambda: False)
    pieces.feed(data[:40_000])
    pieces.feed(data[40_000:])
    assert b"".join(taken) == data
    assert max(map(len, taken)) <= 16 * 1024


def test_nothing_is_taken_while_the_feed_has_no_room() -> None:
    taken: list[bytes] = []
    full = False

    def take(piece: bytes) -> None:
        nonlocal full
        taken.append(piece)
        full = True

    pieces = Pieces(take, lambda: full)
    pieces.feed(bytes(100_000))
    assert len(taken) == 1
    pieces.go_on()
    assert len(taken) == 1
    full = False
    pieces.go_on()
    assert len(taken) == 2
    pieces.go_on(held_too=True)
    assert sum(map(len, taken)) == 100_000


def test_a_piece_that_asks_for_more_does_not_get_ahead() -> None:
    taken: list[bytes] = []

    def take(piece: bytes) -> None:
        pieces.go_on()
        taken.append(piece)

    pieces = Pieces(take, lambda: False)
    data = bytes(range(256)) * 200
    pieces.feed(data)
    assert b"".join(taken) == data
