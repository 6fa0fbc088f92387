"""Documents parsed, of which large arrays and objects stay their text."""

from __future__ import annotations

import codecs
import itertools
from typing import TYPE_CHECKING, Any

from tap_websocket import jsontext
from tap_websocket.jsontext import EXTRA_DATA, InvalidJson, JsonValue
from tap_websocket.largejson.scanner import Run, parse_run, scan
from tap_websocket.largejson.values import LargeArray, LargeObject

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_websocket.largejson.scanner import Child, Node

__all__ = ["LARGE_BYTES", "is_large", "items_of", "parse"]

LARGE_BYTES = 512 * 1024
"""Documents with more bytes are not parsed as a whole."""

_SPACE = b" \t\r\n"


def parse(payload: bytes | str) -> JsonValue:
    """Return the value of a JSON text, a large array or object as `LargeJson`.

    Raises:
        InvalidJson: As `jsontext.parse` does.
    """
    if not is_large(payload):
        return jsontext.parse(payload)
    try:
        text = payload.encode() if isinstance(payload, str) else payload
    except UnicodeEncodeError:
        # A lone surrogate is in no text that was UTF-8.
        return jsontext.parse(payload)
    text = text.removeprefix(codecs.BOM_UTF8)
    begin = len(text) - len(text.lstrip(_SPACE))
    if text[begin : begin + 1] not in {b"{", b"["}:
        return jsontext.parse(payload)
    node = scan(text, begin)
    if text[node.end :].strip(_SPACE):
        behind = text[node.end :].lstrip(_SPACE)
        at = len(text) - len(behind)
        raise InvalidJson(EXTRA_DATA, len(text[:at].decode(errors="replace")))
    return _value(text, node)


def is_large(text: bytes | str) -> bool:
    """Return whether a JSON text is not to be parsed as a whole."""
    return len(text) > LARGE_BYTES


def items_of(array: bytes) -> Iterator[bytes]:
    """Return the texts of an array's items, some at once, without brackets.

    Raises:
        InvalidJson: When the text is no array alone.
    """
    node = scan(array, 0)
    if node.kind != "array" or array[node.end :].strip(_SPACE):
        problem = "it is no array"
        raise InvalidJson(problem)
    return TextArray(array, node).texts()


def _value(text: bytes, node: Node) -> LargeArray | LargeObject:
    kind = TextArray if node.kind == "array" else TextObject
    return kind(text, node)


class TextArray(LargeArray):
    """A large array in a text.

    Args:
        text: The text that it stands in.
        node: What it is made of.
    """

    __slots__ = ("_node", "_offsets", "_text")

    def __init__(self, text: bytes, node: Node) -> None:
        self._text = text
        self._node = node
        counts = (part.size if isinstance(part, Run) else 1 for part in node.parts)
        self._offsets = list(itertools.accumulate(counts, initial=0))

    @property
    def offsets(self) -> Sequence[int]:
        """The index of the first item of each piece, and the number of items."""
        return self._offsets

    def piece(self, number: int) -> list[Any]:
        """Return a piece."""
        part = self._node.parts[number]
        if isinstance(part, Run):
            items: list[Any]
            items = parse_run(self._text, part.begin, part.end, is_object=False)
            return items
        return [_value(self._text, part.node)]

    def texts(self) -> Iterator[bytes]:
        """Yield the text of the items, some at once, without brackets."""
        for part in self._node.parts:
            begin, end, *_ = part if isinstance(part, Run) else part.node[1:3]
            yield self._text[begin:end]


class TextObject(LargeObject):
    """A large object in a text.

    Args:
        text: The text that it stands in.
        node: What it is made of.
    """

    __slots__ = ("_node", "_text")

    def __init__(self, text: bytes, node: Node) -> None:
        self._text = text
        self._node = node

    def pieces(self) -> Iterator[dict[str, Any]]:
        """Yield the members, some at once; each name once."""
        repeated = self._node.repeated
        pieces = map(self._piece, self._node.parts)
        return pieces if not repeated else self._once(pieces)

    def _piece(self, part: Run | Child) -> dict[str, Any]:
        if isinstance(part, Run):
            members: dict[str, Any]
            members = parse_run(self._text, part.begin, part.end, is_object=True)
            return members
        return {part.name: _value(self._text, part.node)}

    def _once(self, pieces: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield each name where it is first, with its last value, as a dict has it."""
        repeated = self._node.repeated
        last = {
            name: value
            for piece in map(self._piece, self._node.parts)
            for name, value in piece.items()
            if hash(name) in repeated
        }
        for piece in pieces:
            found = {}
            for name, value in piece.items():
                if hash(name) not in repeated:
                    found[name] = value
                elif name in last:
                    found[name] = last.pop(name)
            if found:
                yield found
