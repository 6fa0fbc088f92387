"""How long a regular expression can search, found from the expression alone.

Python's `re` tries one way after the other. Where the next character decides which way
is right, a search takes as long as the text is. Where a repetition may end in many
places, the steps are as many as the square of its length, or a higher power of it; and
where repetitions are inside of each other, they may double with each character.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from tap_websocket.expressions.regex_tree import REPEATS, is_anchored, parse

if TYPE_CHECKING:
    from tap_websocket.expressions.regex_tree import Node

    Chars = frozenset[str]

__all__ = ["degree"]

_MAX_CHOICES = 3
"""Places where two ways may both go on: the steps double with each."""

_FEW = 4
"""Repetitions of a character that are choices rather than a power of the length."""

_SINGLE = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})
_OTHERS = "\u00e9\u0130\u0301\u0661\u2003\u4e2d\ud800\U0001f600"
"""Characters beyond Latin-1 of each category that an expression can name."""


class _Unbounded(Exception):
    """The steps may double with each character, or cannot be told."""


class _Cost(NamedTuple):
    """What a part of an expression can take, from one place of the text on.

    Attributes:
        ways: Power of the length that the places are in which it may end.
        work: Power of the length that the steps are.
        ahead: The same of what only looks ahead.
        choices: Places where it may go on in two ways.
    """

    ways: int = 0
    work: int = 0
    ahead: int = 0
    choices: int = 0


@functools.lru_cache(maxsize=256)
def degree(pattern: str) -> int | None:
    """Return the power of a text's length that the steps of a search grow with.

    Args:
        pattern: A regular expression that `re` compiles.

    Returns:
        1 where they grow with the length itself; None where there is no such power, or
        it cannot be told.
    """
    nodes, flags = parse(pattern)
    reader = _Reader(_alphabet(nodes))
    try:
        cost = reader.sequence(nodes, frozenset(), flags)
        # What always comes to a match is not tried again from another place.
        tried = reader.sequence(_without_last_repeat(nodes), frozenset(), flags)
    except (_Unbounded, RecursionError):
        return None
    if cost.choices > _MAX_CHOICES:
        return None
    starts = 0 if is_anchored(nodes, flags) else 1
    return max(1, cost.work, tried.work + starts)


def _alphabet(nodes: list[Node]) -> Chars:
    """Return a character of each kind that an expression tells apart."""
    points = set(range(256)) | set(map(ord, _OTHERS))
    pending: list[Any] = [nodes]
    while pending:
        item = pending.pop()
        if isinstance(item, int) and not hasattr(item, "name"):
            points |= {item - 1, item, item + 1}
        elif isinstance(item, tuple | list) or hasattr(item, "data"):
            pending.extend(item)
    return frozenset(chr(point) for point in points if 0 <= point < 0x110000)  # noqa: PLR2004 - all there are


def _without_last_repeat(nodes: list[Node]) -> list[Node]:
    """Return an expression without a repetition of a character at its end."""
    if not nodes:
        return nodes
    op, value = nodes[-1]
    if op.name == "SUBPATTERN" and not value[1] and not value[2]:
        return nodes[:-1] + _without_last_repeat(list(value[3]))
    if op.name == "BRANCH":
        ways = [_without_last_repeat(list(way)) for way in value[1]]
        return [*nodes[:-1], (op, (None, ways))]
    is_repeat = op.name in REPEATS and len(value[2]) == 1
    if is_repeat and value[0] <= 1 and next(iter(value[2]))[0].name in _SINGLE:
        return nodes[:-1]
    return nodes


class _Reader:
    """Reads expressions over an alphabet."""

    def __init__(self, alphabet: Chars) -> None:
        self._alphabet = alphabet

    def sequence(self, nodes: list[Node], follow: Chars, flags: int) -> _Cost:
        """Return what parts behind each other take, and then one of some characters."""
        ways = work = ahead = choices = 0
        for index, node in enumerate(nodes):
            cost = self._part(
                node, self._first(nodes[index + 1 :], follow, flags), flags
            )
            work = max(work, ways + cost.work)
            ways += cost.ways
            ahead = max(ahead, cost.ahead)
            choices += cost.choices
        return _Cost(ways, work, ahead, choices)

    def _part(  # noqa: PLR0911 - one for each kind of part
        self, node: Node, follow: Chars, flags: int
    ) -> _Cost:
        op, value = node
        match op.name:
            case "SUBPATTERN":
                inner = (flags | value[1]) & ~value[2]
                return self.sequence(list(value[3]), follow, inner)
            case "BRANCH":
                return self._branch([list(way) for way in value[1]], follow, flags)
            case "ATOMIC_GROUP":
                cost = self.sequence(list(value), frozenset(), flags)
                return cost._replace(ways=0)
            case "ASSERT" | "ASSERT_NOT":
                cost = self.sequence(list(value[1]), frozenset(), flags)
                return _Cost(work=cost.work, ahead=cost.work, choices=cost.choices)
            case "GROUPREF":
                return _Cost(work=1)
            case "GROUPREF_EXISTS":
                raise _Unbounded
            case name if name in REPEATS:
                return self._repeat(node, follow, flags)
        return _Cost()

    def _branch(self, ways: list[list[Node]], follow: Chars, flags: int) -> _Cost:
        costs = [self.sequence(way, follow, flags) for way in ways]
        firsts = [self._first(way, follow, flags) for way in ways]
        texts = [_text(way, flags) for way in ways]
        # The most ways that may go on where one does, of which each is tried.
        alike = max(
            sum(
                bool(firsts[one] & firsts[two]) and not _differ(texts[one], texts[two])
                for two in range(len(ways))
                if two != one
            )
            for one in range(len(ways))
        )
        return _Cost(
            max(cost.ways for cost in costs),
            max(cost.work for cost in costs),
            max(cost.ahead for cost in costs),
            max(cost.choices for cost in costs) + alike.bit_length(),
        )

    def _repeat(self, node: Node, follow: Chars, flags: int) -> _Cost:
        op, (least, most, body) = node
        nodes = list(body)
        first = self._first(nodes, frozenset(), flags)
        is_clear = not first & follow
        is_final = op.name == "POSSESSIVE_REPEAT"
        if most == 1:
            cost = self.sequence(nodes, frozenset() if is_final else follow, flags)
            if is_final:
                return cost._replace(ways=0)
            return cost._replace(choices=cost.choices + (least == 0 and not is_clear))
        if len(nodes) == 1 and nodes[0][0].name in _SINGLE:
            if is_clear or is_final or least == most:
                return _Cost(work=int(most > _FEW))
            return _Cost(choices=1) if most <= _FEW else _Cost(ways=1, work=1)
        if self._is_nullable(nodes):
            raise _Unbounded
        if is_final:
            cost = self.sequence(nodes, frozenset(), flags)
            again = cost.work if cost.ways or cost.ahead else max(0, cost.work - 1)
            return _Cost(work=1 + again, ahead=cost.ahead, choices=cost.choices)
        cost = self.sequence(nodes, first | follow, flags)
        if cost.ways or cost.choices:
            raise _Unbounded
        ends = 0 if is_clear or least == most else 1
        return _Cost(ends, max(1 + cost.ahead, cost.work), cost.ahead)

    def _first(self, nodes: list[Node], follow: Chars, flags: int) -> Chars:
        """Return the characters that parts can begin with, or else what follows."""
        found: Chars = frozenset()
        for node in nodes:
            found |= self._firsts(node, flags)
            if not self._may_be_empty(node):
                return found
        return found | follow

    def _firsts(  # noqa: PLR0911 - one for each kind of part
        self, node: Node, flags: int
    ) -> Chars:
        op, value = node
        match op.name:
            case "SUBPATTERN":
                inner = (flags | value[1]) & ~value[2]
                return self._first(list(value[3]), frozenset(), inner)
            case "BRANCH":
                ways = (self._first(list(way), frozenset(), flags) for way in value[1])
                return frozenset().union(*ways)
            case "ATOMIC_GROUP":
                return self._first(list(value), frozenset(), flags)
            case "AT" | "FAILURE":
                return frozenset()
            case "ASSERT" | "ASSERT_NOT" | "GROUPREF" | "GROUPREF_EXISTS":
                # These take steps before the next character is looked at.
                return self._alphabet
            case name if name in REPEATS:
                return self._first(list(value[2]), frozenset(), flags)
        return self._chars(node, flags)

    def _may_be_empty(self, node: Node) -> bool:
        op, value = node
        match op.name:
            case "SUBPATTERN":
                return self._is_nullable(list(value[3]))
            case "BRANCH":
                return any(self._is_nullable(list(way)) for way in value[1])
            case "ATOMIC_GROUP":
                return self._is_nullable(list(value))
            case name if name in REPEATS:
                return value[0] == 0 or self._is_nullable(list(value[2]))
        return op.name not in _SINGLE

    def _is_nullable(self, nodes: list[Node]) -> bool:
        return all(self._may_be_empty(node) for node in nodes)

    def _chars(self, node: Node, flags: int) -> Chars:
        """Return the characters that a part of one character takes."""
        op, value = node
        if op.name == "ANY":
            return self._alphabet - ({"\n"} if not flags & re.DOTALL else set())
        if op.name == "LITERAL":
            return self._cased(frozenset(chr(value)), flags)
        if op.name == "NOT_LITERAL":
            return self._alphabet - frozenset(chr(value))
        found: set[str] = set()
        is_negated = False
        for kind, item in value:
            match kind.name:
                case "NEGATE":
                    is_negated = True
                case "LITERAL":
                    found.add(chr(item))
                case "RANGE":
                    low, high = map(chr, item)
                    found |= {char for char in self._alphabet if low <= char <= high}
                case _:
                    found |= self._category(item.name, flags)
        if is_negated:
            # With cases ignored it takes less: more here is on the safe side.
            return self._alphabet - found
        return self._cased(frozenset(found), flags)

    def _category(self, name: str, flags: int) -> set[str]:
        letter = {"DIGIT": "d", "SPACE": "s", "WORD": "w"}[name.rpartition("_")[2]]
        if "NOT" in name:
            letter = letter.upper()
        ascii_only = re.ASCII if flags & re.ASCII else 0
        matches = re.compile(rf"\{letter}", ascii_only).match
        return {char for char in self._alphabet if matches(char)}

    def _cased(self, chars: Chars, flags: int) -> Chars:
        if not flags & re.IGNORECASE:
            return chars
        folded = {char.casefold() for char in chars}
        others = {char for char in self._alphabet if char.casefold() in folded}
        return chars | others


def _text(nodes: list[Node], flags: int) -> str:
    """Return the plain characters that parts begin with."""
    text = ""
    for op, value in nodes:
        if op.name != "LITERAL":
            break
        text += chr(value)
    return text.casefold() if flags & re.IGNORECASE else text


def _differ(one: str, two: str) -> bool:
    """Return whether two texts differ before the shorter one ends."""
    return any(a != b for a, b in zip(one, two, strict=False))
