"""Random messages: every JSON type, every way to write it, tiny and big ones."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

__all__ = ["SCHEMA", "Messages", "Variety"]

SCHEMA = {
    "type": "object",
    "properties": {
        "c": {"type": "integer"},
        "n": {"type": "integer"},
        "integer": {"type": ["integer", "null"]},
        "number": {"type": ["number", "null"]},
        "text": {"type": ["string", "null"]},
        "flag": {"type": ["boolean", "null"]},
        "list": {"type": ["array", "null"]},
        "object": {"type": ["object", "null"]},
        "pad": {"type": ["string", "null"]},
    },
}
"""Columns for most of the fields, and not for all."""

_BODIES = 500
_LATE_EVERY = 400
_MOST_LATE = 20
_SPACES = ("", "", "", " ", "\n", "\r\n\t")
_PIECES = (
    "plain",
    "é",
    "漢字",
    "😀",
    "\u2028",
    "\x7f",
    '\\"',
    "\\\\",
    "\\/",
    "\\n",
    "\\u0000",
    "\\ud800",
    "\\ud83d\\ude00",
    "12",
    "null",
    "{}",
)
_INTEGERS = (
    "0",
    "7",
    "-1",
    "4096",
    str(2**63 - 1),
    str(-(2**63)),
    str(2**63),
    "9" * 40,
)
_NUMBERS = (
    "0.0",
    "1.10",
    "-2.50E-7",
    "1e5",
    "3.141592653589793238462643383279",
    "123456789.123456789123456789",
    "1E400",
)
_ITEMS = (b"[],", b"{},", b"1,", b'"",', b'["\\u0000"],', b'{"a":[1.50,"\\n"]},')
"""Values that are many times as large in memory as they are sent."""

_JUNK = (b"", b"no json", b'{"a": NaN}', b'{"open":', b"{} {}", b"'", b'{"a": 01}')


@dataclasses.dataclass(frozen=True)
class Variety:
    """What a run can take beside objects.

    Attributes:
        arrays: Arrays of objects, and arrays of whatever.
        junk: Texts that are no JSON.
        binary: Messages in binary frames.
    """

    arrays: bool = True
    junk: bool = False
    binary: bool = True


class Messages:
    """Makes the messages of a run; each says its connection and number."""

    def __init__(self, rng: random.Random, variety: Variety) -> None:
        self._rng = rng
        self._variety = variety
        self._bodies = [_body(rng) for _ in range(_BODIES)]

    def make(self, rng: random.Random, connection: int, number: int) -> bytes:
        """Make the message of that number, from 1; the first is an object."""
        chance = rng.random()
        if number == 1 or chance < 0.9:
            return self._object(rng, connection, number) + self._ending(rng, number)
        if chance < 0.94 and self._variety.junk:
            return rng.choice(_JUNK)
        if chance < 0.97 and self._variety.arrays:
            items = [
                self._object(rng, connection, number) + b"}"
                for _ in range(rng.randint(1, 4))
            ]
            return b"[" + b", ".join(items) + b"]"
        if self._variety.arrays:
            text = f"[{connection}, {number}, {_value(rng, 2)}]"
            return text.encode()
        return self._object(rng, connection, number) + b"}"

    def _object(self, rng: random.Random, connection: int, number: int) -> bytes:
        """Make an object that is still open."""
        body = self._bodies[int(rng.random() * _BODIES)]
        return b'{"c":%d,"n":%d%b' % (connection, number, body)

    def _ending(self, rng: random.Random, number: int) -> bytes:
        """End an object: now and then with a long field, or a new one."""
        body = b""
        chance = rng.random()
        if chance < 0.001:
            body += b',"pad":"%b"' % (b"x" * int(10 ** rng.uniform(3, 5.95)))
        elif chance < 0.0012:
            item = rng.choice(_ITEMS)
            count = int(10 ** rng.uniform(4, 5.95)) // len(item)
            body += b',"large":[%bnull]' % (item * count)
        if number > _LATE_EVERY and rng.random() < 0.05:
            late = rng.randrange(min(_MOST_LATE, number // _LATE_EVERY))
            body += b',"late_%d":%b' % (late, _value(rng, 1).encode())
        return body + b"}"


def _body(rng: random.Random) -> bytes:
    """Return members of an object, behind the first ones."""
    members: dict[str, Callable[[], str]] = {
        "integer": lambda: rng.choice(_INTEGERS[:5]),
        "number": lambda: rng.choice(_NUMBERS[:6]),
        "text": lambda: _text(rng),
        "flag": lambda: rng.choice(("true", "false")),
        "list": lambda: _list(rng, 2),
        "object": lambda: _object(rng, 2),
        "any": lambda: _value(rng, 2),
        "nothing": lambda: "null",
    }
    names = rng.sample(sorted(members), rng.randint(0, len(members)))
    tame = rng.random() < 0.7
    if tame:
        names = [name for name in names if name not in {"any", "list", "object"}]
    text = ""
    for name in names:
        wild = not tame and rng.random() < 0.1
        value = _value(rng, 2) if wild else members[name]()
        space = rng.choice(_SPACES)
        text += f',{space}"{name}"{space}:{space}{value}'
    return text.encode()


def _value(rng: random.Random, depth: int) -> str:
    kind = rng.randrange(7 if depth else 5)
    if kind == 0:
        return rng.choice(("null", "true", "false"))
    if kind == 1:
        return rng.choice(_INTEGERS)
    if kind == 2:
        return rng.choice(_NUMBERS)
    if kind < 5:
        return _text(rng)
    return _list(rng, depth) if kind == 5 else _object(rng, depth)


def _text(rng: random.Random) -> str:
    pieces = _PIECES if rng.random() < 0.2 else _PIECES[:9]
    return '"' + "".join(rng.choices(pieces, k=rng.randrange(5))) + '"'


def _list(rng: random.Random, depth: int) -> str:
    items = (_value(rng, depth - 1) for _ in range(rng.randrange(4)))
    return "[" + ", ".join(items) + "]"


def _object(rng: random.Random, depth: int) -> str:
    names = rng.sample(("a", "b", "é", "with space"), rng.randrange(4))
    members = (f"{json.dumps(name)}:{_value(rng, depth - 1)}" for name in names)
    return "{" + ",".join(members) + "}"
