"""What was read and may be compressed, taken piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Pieces"]

_PIECE_BYTES = 16 * 1024
"""Each byte may become a thousand once it is inflated."""


class Pieces:
    """Takes frames piece by piece, as long as the feed has room for what they become.

    Args:
        take: Takes the next piece.
        is_held: Returns whether the feed has no room.
    """

    def __init__(
        self, take: Callable[[bytes], object], is_held: Callable[[], bool]
    ) -> None:
        self._take = take
        self._is_held = is_held
        self._rest = bytearray()
        # The feed may ask for more in the midst of a piece.
        self._is_taking = False

    def feed(self, data: bytes) -> None:
        """Add what was read."""
        self._rest += data
        self.go_on()

    def go_on(self, *, held_too: bool = False) -> None:
        """Take what there is, while there is room for it or in any case."""
        if self._is_taking:
            return
        self._is_taking = True
        try:
            while self._rest and (held_too or not self._is_held()):
                piece = bytes(self._rest[:_PIECE_BYTES])
                del self._rest[:_PIECE_BYTES]
                self._take(piece)
        finally:
            self._is_taking = False
