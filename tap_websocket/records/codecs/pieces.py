"""Large binary messages, made JSON piece by piece.

Read at once, a message of millions of small values takes a hundred times its size, and
one call of a C library holds up all threads. So arrays and maps that are larger than a
piece are entered, and what is in them is read some items at a time.
"""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING, Protocol

from tap_websocket.errors import ParseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["PIECE_BYTES", "Container", "Form", "in_pieces", "joined"]

PIECE_BYTES = 64 * 1024
"""So much is read at once; it takes milliseconds, and some megabytes."""

_MAX_GROWTH = 12
"""JSON that is this many times as large as the message is given up: next to all of what
few bytes stand for grows less, an array of times by eleven and a half."""

_FULL = 0.9
"""So much of a piece is to be filled by as many items as the last one suggests."""

_MAX_FASTER = 4
"""Items of a kind are told from few, which may not be like the others."""


@dataclasses.dataclass(slots=True)
class Container:
    """An array or map that is being read.

    Attributes:
        keyed: It is a map.
        left: Items, or pairs of them, that are still to come; None where its end is
            marked.
        depth: Levels that it is inside of, and itself.
        tried: As many are to be read at once.
        is_empty: Nothing of it was read yet.
    """

    keyed: bool
    left: int | None
    depth: int
    tried: int = 1
    is_empty: bool = True


class Form(Protocol):
    """A binary format, which knows one message."""

    def some(self, at: int, count: int, inside: Container) -> tuple[bytes, int] | None:
        """Read some items of a container.

        Args:
            at: Where the first begins.
            count: How many; pairs in a map.
            inside: What they are in.

        Returns:
            Their JSON, with commas between them, and where they end. None where they
            take more than `PIECE_BYTES`, or there are not as many.
        """

    def enter(self, at: int, depth: int) -> tuple[Container, int] | None:
        """Begin an array or map.

        Args:
            at: Where it begins.
            depth: Levels that it is inside of.

        Returns:
            The container, and where its first item begins; None for other values.
        """

    def whole(self, at: int, depth: int) -> tuple[bytes, int]:
        """Read a value that is no container, of any size."""

    def key(self, at: int) -> tuple[bytes, int]:
        """Read a key: its JSON with the colon, and where its value begins."""

    def is_end(self, at: int) -> bool:
        """Return whether a mark ends a container here, which is one byte."""


def in_pieces(form: Form, size: int) -> bytes:
    """Return a message as a JSON document.

    Args:
        form: Reads the message. What it raises ends the work.
        size: Bytes of the message.

    Raises:
        ParseError: When the document is too large, or bytes follow the message.
    """
    return joined(_pieces(form, size), size)


def joined(parts: Iterable[bytes], size: int) -> bytes:
    """Return a JSON document of its parts.

    Args:
        parts: In order.
        size: Bytes of the message that they are made of.

    Raises:
        ParseError: When the document is too large.
    """
    text = io.BytesIO()
    for part in parts:
        text.write(part)
        if text.tell() > _MAX_GROWTH * size:
            # The error's traceback keeps what is here while the message is rescued.
            text.close()
            msg = f"as JSON it takes more than {_MAX_GROWTH} times as many bytes"
            raise ParseError(msg)
    # Hands over what was written: a copy is made only of what is written to later.
    return text.getvalue()


def _pieces(form: Form, size: int) -> Iterator[bytes]:
    entered = form.enter(0, 0)
    if entered is None:
        text, at = form.whole(0, 0)
        yield text
    else:
        at = entered[1]
        open_: list[Container] = [entered[0]]
        yield _begin(entered[0])
        while open_:
            inside = open_[-1]
            if inside.left == 0 or (inside.left is None and form.is_end(at)):
                at += inside.left is None
                open_.pop()
                yield b"}" if inside.keyed else b"]"
                continue
            found = _some(form, at, inside)
            if found is not None:
                text, at = found
                yield text
                continue
            if inside.tried > 1:
                inside.tried //= 2
                continue
            yield from _comma(inside, 1)
            if inside.keyed:
                text, at = form.key(at)
                yield text
            entered = form.enter(at, inside.depth)
            if entered is None:
                text, at = form.whole(at, inside.depth)
                yield text
            else:
                open_.append(entered[0])
                at = entered[1]
                yield _begin(entered[0])
    if at < size:
        msg = "bytes follow its end"
        raise ParseError(msg)


def _begin(container: Container) -> bytes:
    return b"{" if container.keyed else b"["


def _comma(inside: Container, count: int) -> Iterator[bytes]:
    """Yield what stands in front of this many items, which are counted."""
    if not inside.is_empty:
        yield b","
    inside.is_empty = False
    if inside.left is not None:
        inside.left -= count


def _some(form: Form, at: int, inside: Container) -> tuple[bytes, int] | None:
    """Read as many items as a piece may hold, and suppose how many the next does."""
    if inside.left is not None:
        inside.tried = min(inside.tried, inside.left)
    count = inside.tried
    found = form.some(at, count, inside)
    if found is None:
        return None
    text, end = found
    fitting = int(_FULL * PIECE_BYTES * count / (end - at))
    inside.tried = max(1, min(fitting, _MAX_FASTER * count))
    return b"".join((*_comma(inside, count), text)), end
