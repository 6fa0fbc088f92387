"""Large arrays and objects found to be made of pieces, each parsed alone.

Parsed, a value takes up to fifty times its text, and one call of a C library holds up
all threads for seconds. So a large text is gone through in steps of some kilobytes: a
regular expression finds how many whole items are in the next ones, and these are
parsed, to see that they are JSON, and let go.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn

from tap_websocket import jsontext
from tap_websocket.jsontext import InvalidJson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["PIECE_BYTES", "Child", "Node", "Run", "parse_run", "scan"]

PIECE_BYTES = 64 * 1024
"""A piece has no more bytes, unless it is a single string or number; an array or object
that has more is a node of its own."""

_MAX_LEVELS = 800
"""Arrays and objects in each other; `jsontext.parse` has a limit near a thousand, which
the stack shares with it."""

_MAX_NODES = 100
"""Nodes in each other; what walks through them calls itself. No target can hold more
levels (`target_limits.MAX_LEVELS`)."""

_LEVELS = 100
"""Levels that one step can look through; what is deeper takes a step for each."""

_BUCKETS = 64
"""A set of all names of an object at once would take ten times their text."""

_CLOSING = {True: ord("}"), False: ord("]")}


class Run(NamedTuple):
    """Some items of an array, or members of an object, without a comma at the ends.

    Attributes:
        begin: Where it begins in the text.
        end: Where it ends.
        size: How many they are.
    """

    begin: int
    end: int
    size: int


class Child(NamedTuple):
    """A large item of an array, or a large member of an object.

    Attributes:
        name: Its name; empty in an array.
        node: Its value.
    """

    name: str
    node: Node


class Node(NamedTuple):
    """A large array or object.

    Attributes:
        kind: Which of them.
        begin: Where its opening bracket is in the text.
        end: Behind its closing bracket.
        parts: What is in it, in order.
        repeated: Hashes of names that stand in several parts, and perhaps of others.
    """

    kind: Literal["array", "object"]
    begin: int
    end: int
    parts: list[Run | Child]
    repeated: frozenset[int]


class _Patterns(NamedTuple):
    """What the next bytes are; each quantifier is possessive, so that none retries.

    Attributes:
        items: Whole items, each with the comma behind it.
        last: The item in front of a closing bracket, or nothing.
        opening: An array or object begins, perhaps behind its name.
        scalars: Strings, numbers and what else has no brackets.
    """

    items: Callable[[bytes, int, int], re.Match[bytes] | None]
    last: Callable[[bytes, int, int], re.Match[bytes] | None]
    opening: Callable[[bytes, int], re.Match[bytes] | None]
    scalars: Callable[[bytes, int], re.Match[bytes] | None]


@functools.cache
def _patterns() -> _Patterns:
    """Compile the patterns, which takes some milliseconds."""
    string = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
    nested = rb'[\[{](?:[^\[\]{}"]++|%b)*+[\]}]' % string
    for _ in range(_LEVELS - 1):
        nested = rb'[\[{](?:[^\[\]{}"]++|%b|%b)*+[\]}]' % (string, nested)
    item = rb'(?:[^\[\]{}",]++|%b|%b)*+' % (string, nested)
    space = rb"[ \t\r\n]*+"
    opening = rb"%b(?:(%b)%b:%b)?+([\[{])" % (space, string, space, space)
    return _Patterns(
        re.compile(rb"(?:%b,)*+" % item, re.DOTALL).match,
        re.compile(rb"%b(?=[\]}])" % item, re.DOTALL).match,
        re.compile(opening, re.DOTALL).match,
        re.compile(rb'(?:[^\[\]{}",]++|%b)++' % string, re.DOTALL).match,
    )


_SPACE = re.compile(rb"[ \t\r\n]*+")


class _Frame:
    """An array or object that is open.

    Attributes:
        is_object: It is an object.
        begin: Where its opening bracket is.
        member: Where the item or member begins that it is.
        name: The JSON text of its name, or None.
        run: Where the part begins that comes next.
        border: Behind the bracket or comma that was found last; nested ones apart.
        wants_item: An item has to follow, since a comma stands in front of `run`.
        parts: What was found so far.
        nodes: How many nodes are in each other here, this one among them.
    """

    __slots__ = (
        "_names",
        "begin",
        "border",
        "is_object",
        "member",
        "name",
        "nodes",
        "parts",
        "run",
        "wants_item",
    )

    def __init__(
        self, text: bytes, member: int, name: bytes | None, begin: int
    ) -> None:
        self.is_object = text[begin] == ord("{")
        self.begin = begin
        self.member = member
        self.name = name
        self.run = self.border = begin + 1
        self.wants_item = False
        self.nodes = 1
        self.parts: list[Run | Child] = []
        # The hashes of names so far, by their last bits.
        self._names: list[list[int]] | None = None

    def cut(self, text: bytes, end: int) -> None:
        """End a run.

        Raises:
            InvalidJson: When it is none.
        """
        items = parse_run(text, self.run, end, is_object=self.is_object)
        if items:
            self.parts.append(Run(self.run, end, len(items)))
            if self.is_object:
                self._note(items)
        elif self.wants_item or end < self.border:
            _refuse(text, end, "Expecting value")

    def add(self, text: bytes, child: _Frame, node: Node) -> None:
        """Add a large item.

        Raises:
            InvalidJson: When it may not stand where it does.
        """
        self.nodes = max(self.nodes, child.nodes + 1)
        if self.nodes > _MAX_NODES:
            raise InvalidJson(jsontext.TOO_DEEP)
        if child.member != self.border:
            _refuse(text, child.member, "Expecting ',' delimiter")
        if self.is_object != (child.name is not None):
            problem = "a property name" if self.is_object else "',' delimiter"
            _refuse(text, child.member, f"Expecting {problem}")
        if self.border > self.run:
            self.cut(text, self.border - 1)
        name = ""
        if child.name is not None:
            name = jsontext.parse(child.name)
            self._note((name,))
        self.parts.append(Child(name, node))

    def _note(self, names: Iterable[str]) -> None:
        if self._names is None:
            self._names = [[] for _ in range(_BUCKETS)]
        buckets = self._names
        for name in names:
            mark = hash(name)
            buckets[mark % _BUCKETS].append(mark)

    def node(self, end: int) -> Node:
        """Return what was found, up to the end of the text that it is."""
        repeated: set[int] = set()
        for bucket in self._names or ():
            once = set(bucket)
            if len(once) < len(bucket):
                for mark in bucket:
                    if mark in once:
                        once.remove(mark)
                    else:
                        repeated.add(mark)
        return Node(
            "object" if self.is_object else "array",
            self.begin,
            end,
            self.parts,
            frozenset(repeated),
        )


def scan(text: bytes, begin: int) -> Node:
    """Return what an array or object is made of.

    Args:
        text: UTF-8.
        begin: Where its opening bracket is.

    Raises:
        InvalidJson: When it is not JSON, is nested too deeply, or has no end.
    """
    patterns = _patterns()
    stack = [_Frame(text, begin, None, begin)]
    at = begin + 1
    while True:
        frame = stack[-1]
        items = patterns.items(text, at, at + PIECE_BYTES)
        if items is not None and items.end() > at:
            at = frame.border = items.end()
            if at - frame.run >= PIECE_BYTES:
                frame.cut(text, at - 1)
                frame.run = at
                frame.wants_item = True
        elif last := patterns.last(text, at, at + PIECE_BYTES + 1):
            stack.pop()
            at = _close(text, frame, last.end(), stack)
            if not stack:
                frame.cut(text, at - 1)
                return frame.node(at)
        elif opening := patterns.opening(text, at):
            if len(stack) == _MAX_LEVELS:
                raise InvalidJson(jsontext.TOO_DEEP)
            stack.append(_Frame(text, at, opening[1], opening.start(2)))
            at = opening.end()
        elif scalars := patterns.scalars(text, at):
            # Longer than a piece, or the text ends in it.
            at = scalars.end()
        else:
            # The text ends, perhaps inside of a string.
            problem = "Unterminated string starting at"
            _refuse(text, at, problem if text[at : at + 1] else "Expecting value")


def _close(text: bytes, frame: _Frame, at: int, stack: list[_Frame]) -> int:
    """Close an array or object at its last bracket; return where to go on.

    Raises:
        InvalidJson: When it is not JSON so far.
    """
    if text[at] != _CLOSING[frame.is_object]:
        _refuse(text, at, "Expecting ',' delimiter")
    end = at + 1
    if not stack or end - frame.begin <= PIECE_BYTES:
        # What is small is in the run of what it is in.
        return end
    frame.cut(text, at)
    outer = stack[-1]
    outer.add(text, frame, frame.node(end))
    behind = _SPACE.match(text, end)
    end = end if behind is None else behind.end()
    following = text[end : end + 1]
    if following == b",":
        end += 1
    elif following not in {b"]", b"}"}:
        _refuse(text, end, "Expecting ',' delimiter")
    outer.wants_item = following == b","
    outer.run = outer.border = end
    return end


def parse_run(text: bytes, begin: int, end: int, *, is_object: bool) -> Any:  # noqa: ANN401 - a list, or a dict
    """Return the items or members of a run.

    Raises:
        InvalidJson: When they are not JSON; with the position in the whole text.
    """
    form = b"{%b}" if is_object else b"[%b]"
    try:
        return jsontext.parse(form % text[begin:end])
    except InvalidJson as error:
        if error.position is None:
            raise
        # The bracket in front is of the piece alone.
        raise InvalidJson(
            error.problem, _characters(text, begin) + error.position - 1
        ) from error


def _refuse(text: bytes, at: int, problem: str) -> NoReturn:
    raise InvalidJson(problem, _characters(text, at))


def _characters(text: bytes, end: int) -> int:
    """Return how many characters are in front of a position."""
    return len(text[:end].decode(errors="replace"))
