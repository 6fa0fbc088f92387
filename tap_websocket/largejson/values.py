"""Large arrays and objects that stay their text, and are parsed piece by piece."""

from __future__ import annotations

import bisect
import heapq
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext
from tap_websocket.jsontext import JsonValue, LargeValue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "ARRAY",
    "OBJECT",
    "LargeArray",
    "LargeJson",
    "LargeObject",
    "MappedArray",
    "MappedObject",
    "Merged",
    "Numbered",
    "Written",
    "pieces_of",
    "plain",
]


class LargeJson(LargeValue):
    """A large array or object.

    It is neither a list nor a dict, so that no library takes it for an empty one.
    """

    __slots__ = ()

    def pieces(self) -> Iterator[Any]:
        """Yield small arrays or objects which, joined, are the value.

        Values in them may be `LargeJson`, each in a piece of its own.
        """
        raise NotImplementedError

    def plain(self) -> JsonValue:
        """Return the parsed value, in all the memory that it takes."""
        raise NotImplementedError

    def compact(self, *, in_ascii: bool) -> bytes:
        """Return the JSON text, as `jsontext.dumps` would write the parsed value.

        Raises:
            UnicodeEncodeError: When there is a lone surrogate in it, unless it is to be
                ASCII.
            RecursionError: When it is nested deeply, unless it is to be ASCII.
        """
        return self._joined(jsontext.dumps_in_ascii if in_ascii else jsontext.encode)

    def _joined(self, write: Callable[[Any], bytes]) -> bytes:
        """Return the JSON text of the pieces together, each written alone."""
        # Without the brackets of the pieces.
        return self._enclosed(b",".join(write(piece)[1:-1] for piece in self.pieces()))

    def _enclosed(self, inner: bytes) -> bytes:
        return b"[%b]" % inner


class LargeArray(LargeJson):
    """A large array."""

    __slots__ = ()

    @property
    def offsets(self) -> Sequence[int]:
        """The index of the first item of each piece, and the number of items."""
        raise NotImplementedError

    def piece(self, number: int) -> list[Any]:
        """Return a piece."""
        raise NotImplementedError

    def __len__(self) -> int:
        """Return the number of items."""
        return self.offsets[-1]

    def __iter__(self) -> Iterator[Any]:
        """Yield the items."""
        return itertools.chain.from_iterable(self.pieces())

    def __reversed__(self) -> Iterator[Any]:
        """Yield the items, the last one first."""
        for number in reversed(range(len(self.offsets) - 1)):
            yield from reversed(self.piece(number))

    def item(self, index: int) -> JsonValue:
        """Return an item.

        Raises:
            IndexError: When there is none.
        """
        count = len(self)
        if not -count <= index < count:
            raise IndexError
        number = bisect.bisect(self.offsets, index % count) - 1
        return self.piece(number)[index % count - self.offsets[number]]

    def pieces(self) -> Iterator[list[Any]]:
        """Yield the items, some at once."""
        return map(self.piece, range(len(self.offsets) - 1))

    def plain(self) -> list[Any]:
        """Return the parsed array."""
        return list(self)

    def canonical(self, *, in_ascii: bool) -> bytes:
        """Return the same bytes for equal arrays, those of `jsontext.canonical`."""
        return self._joined(
            jsontext.canonical_in_ascii if in_ascii else jsontext.encode_sorted
        )


class MappedArray(LargeArray):
    """A large array with changed items.

    Args:
        array: The array.
        change: Changes the items of a piece, given with the index of the first and the
            number of all.
    """

    __slots__ = ("_array", "_change", "_kept")

    def __init__(
        self, array: LargeArray, change: Callable[[list[Any], int, int], None]
    ) -> None:
        self._array = array
        self._change = change
        # Pieces with large values, which take long to change.
        self._kept: dict[int, list[Any]] = {}

    @property
    def offsets(self) -> Sequence[int]:
        """The index of the first item of each piece, and the number of items."""
        return self._array.offsets

    def piece(self, number: int) -> list[Any]:
        """Return a piece."""
        kept = self._kept.get(number)
        if kept is not None:
            return kept
        piece = self._array.piece(number)
        self._change(piece, self.offsets[number], len(self))
        if any(isinstance(item, LargeJson) for item in piece):
            self._kept[number] = piece
        return piece


class LargeObject(LargeJson, Mapping[str, Any]):
    """A large object."""

    __slots__ = ()

    def pieces(self) -> Iterator[dict[str, Any]]:
        """Yield the members, some at once; each name once."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return itertools.chain.from_iterable(self.pieces())

    def __len__(self) -> int:
        """Return the number of members."""
        return sum(map(len, self.pieces()))

    def __getitem__(self, name: str) -> JsonValue:
        """Return the value of a member."""
        for piece in self.pieces():
            if name in piece:
                return piece[name]
        raise KeyError(name)

    def items(self) -> Any:  # noqa: ANN401 - an iterator
        """Yield names and values."""
        for piece in self.pieces():
            yield from piece.items()

    def hidden_by(self, members: Mapping[str, Any]) -> LargeObject:
        """Return the object with other members, which hide those of their names."""

        def hide(piece: dict[str, Any]) -> None:
            for name in members:
                piece.pop(name, None)

        return Merged(MappedObject(self, hide), members)

    def plain(self) -> dict[str, Any]:
        """Return the parsed object."""
        return dict(self.items())

    def _enclosed(self, inner: bytes) -> bytes:
        return b"{%b}" % inner

    def canonical(self, *, in_ascii: bool) -> bytes:
        """Return the same bytes for equal objects, those of `jsontext.canonical`."""
        write = jsontext.canonical_in_ascii if in_ascii else jsontext.encode_sorted
        runs = [
            [write({name: value})[1:-1] for name, value in sorted(piece.items())]
            for piece in self.pieces()
        ]
        members = heapq.merge(*runs, key=_name_of)
        return self._enclosed(b",".join(members))


_NAME = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


def _name_of(member: bytes) -> str:
    """Return the name of a member by its text."""
    found = _NAME.match(member)
    name: str = "" if found is None else jsontext.parse(found[0])
    return name


class MappedObject(LargeObject):
    """A large object with changed values.

    Args:
        value: The object.
        change: Changes the values of a piece.
    """

    __slots__ = ("_change", "_kept", "_value")

    def __init__(
        self, value: LargeObject, change: Callable[[dict[str, Any]], None]
    ) -> None:
        self._value = value
        self._change = change
        # Pieces with large values, which take long to change.
        self._kept: dict[int, dict[str, Any]] = {}

    def pieces(self) -> Iterator[dict[str, Any]]:
        """Yield the members, some at once."""
        for number, piece in enumerate(self._value.pieces()):
            kept = self._kept.get(number)
            if kept is None:
                kept = piece
                self._change(piece)
                if any(isinstance(item, LargeJson) for item in piece.values()):
                    self._kept[number] = piece
            yield kept


class Merged(LargeObject):
    """The members of several objects, which have no name in common.

    Args:
        objects: At least one is large.
    """

    __slots__ = ("_objects",)

    def __init__(self, *objects: Mapping[str, Any]) -> None:
        self._objects = objects

    def pieces(self) -> Iterator[dict[str, Any]]:
        """Yield the members, some at once."""
        for one in self._objects:
            yield from map(dict, pieces_of(one))


class Numbered(LargeObject):
    """The items of an array, from one on, by their index.

    Args:
        array: The array.
        begin: The first index.
    """

    __slots__ = ("_array", "_begin")

    def __init__(self, array: LargeArray, begin: int) -> None:
        self._array = array
        self._begin = begin

    def __len__(self) -> int:
        """Return the number of items."""
        return max(0, len(self._array) - self._begin)

    def pieces(self) -> Iterator[dict[str, Any]]:
        """Yield the items, some at once."""
        index = 0
        for piece in self._array.pieces():
            numbered = enumerate(piece, index)
            found = {str(n): item for n, item in numbered if n >= self._begin}
            index += len(piece)
            if found:
                yield found


class Written(LargeValue):
    """A value that is in its final form.

    Args:
        text: Its JSON text.
    """

    __slots__ = ("_text",)

    def __init__(self, text: bytes) -> None:
        self._text = text

    def compact(self, *, in_ascii: bool) -> bytes:
        """Return the JSON text."""
        return jsontext.to_ascii(self._text) if in_ascii else self._text


ARRAY = (list, LargeArray)
"""The types of a JSON array."""

OBJECT = (dict, LargeObject)
"""The types of a JSON object."""


def pieces_of(value: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Return small objects which, joined, are an object."""
    return value.pieces() if isinstance(value, LargeObject) else (value,)


def plain(value: JsonValue) -> JsonValue:
    """Return a value for code that knows lists and dicts alone, in full memory."""
    if not _holds_large(value):
        return value
    if isinstance(value, LargeJson):
        return plain(value.plain())
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return list(map(plain, value))


def _holds_large(value: JsonValue) -> bool:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return any(map(_holds_large, inner))
    return isinstance(value, LargeJson)
