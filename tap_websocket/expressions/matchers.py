"""Matchers: whether a document is of a kind, by its text or its JSON value.

A matcher also knows bytes that every payload with a match holds, so that plain data is
recognised before it is parsed (`prefilters`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tap_websocket.expressions.regex_literals import literals_of
from tap_websocket.expressions.search import ANY_LENGTH, Search
from tap_websocket.largejson.values import ARRAY, OBJECT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tap_websocket.jsontext import JsonValue

__all__ = ["Matcher", "compile_matcher", "quoted"]

Test = Callable[[Any], bool]


class Matcher(msgspec.Struct, frozen=True):
    """A compiled matcher.

    Attributes:
        kind: What it looks at: a document's `text`, its `json` value, or a `frame`:
            whether its message came in a binary one, before it is decoded.
        test: Whether that matches.
        needles: Bytes that each payload with a match holds, the rarest first; where a
            payload has a backslash, JSON's strings may be written in other ways.
            None where no bytes are known.
        looked_at: Names and indices that lead to each part of the value that `test`
            looks at.
        compared: The same without parts that need only be there. What leads to them
            decides by its being an object or array, and by the names in it, alone.
        misses_json: It matches no text of an object or array with something in it.
        begins: Bytes that each text with a match begins with; empty where none are
            known.
        at_once: Characters of a text that its expressions search within milliseconds.
    """

    kind: Literal["text", "json", "frame"]
    test: Test
    needles: tuple[bytes, ...] | None
    looked_at: tuple[tuple[str | int, ...], ...] = ((),)
    compared: tuple[tuple[str | int, ...], ...] = ((),)
    misses_json: bool = False
    begins: bytes = b""
    at_once: int = ANY_LENGTH


def compile_matcher(spec: JsonValue) -> Matcher:
    """Compile a matcher.

    Args:
        spec: A string, equal to the whole text; `{"$regex": …}`, searched in it; an
            object or an array, found in the JSON value; `{"$binary": true}`; or `$not`,
            `$any` or `$all` of such.

    Raises:
        ValueError: When it is none of these; the message says what is wrong.
    """
    if isinstance(spec, str):
        misses = spec[:1] not in {"{", "["} or spec in {"{}", "[]"}
        needles = _encoded(spec)
        begins = b"".join(needles or ())
        return Matcher(
            "text", _equals(spec), needles, misses_json=misses, begins=begins
        )
    pattern = _operand(spec, "$regex")
    if pattern is not None:
        test = _searches(pattern)
        literals = literals_of(str(pattern))
        return Matcher(
            "text",
            test,
            _encoded(literals.longest),
            misses_json=_BEGINS_PLAINLY.match(str(pattern)) is not None,
            begins=b"".join(_encoded(literals.beginning) or ()),
            at_once=_at_once(spec),
        )
    if _operand(spec, "$binary") is not None:
        if spec["$binary"] is not True:
            msg = "$binary takes true, and nothing else"
            raise ValueError(msg)
        # It is decided before any payload is looked at.
        return Matcher("frame", lambda binary: binary is True, None)
    if _is_composite(spec):
        return _combined(spec)
    if not isinstance(spec, dict | list):
        msg = (
            f'a matcher is a string, {{"$regex": …}}, an object or an array, not '
            f"{json.dumps(spec, default=str)}"
        )
        raise ValueError(msg)  # noqa: TRY004 - a value of the config
    ways = list(_ways(spec))
    return Matcher(
        "json",
        _compile(spec),
        tuple(_needles(spec)) or None,
        tuple(way for way, _ in ways),
        tuple(way for way, is_compared in ways if is_compared),
        at_once=_at_once(spec),
    )


def _ways(
    spec: JsonValue,
    at: tuple[str | int, ...] = (),
) -> Iterator[tuple[tuple[str | int, ...], bool]]:
    """Yield the ways to the parts that are looked at, and whether each is compared.

    Others need only be there.
    """
    if _is_composite(spec):
        ((operator, operand),) = spec.items()
        for part in _operands(operator, operand):
            yield from _ways(part, at)
    elif isinstance(spec, dict) and _is_operator(spec):
        yield at, "$exists" not in spec
    elif isinstance(spec, dict) and spec:
        for name, item in spec.items():
            yield from _ways(item, (*at, name))
    elif isinstance(spec, list) and spec:
        for index, item in enumerate(spec):
            yield from _ways(item, (*at, index))
    else:
        yield at, not isinstance(spec, dict | list)


def _is_operator(spec: dict[str, Any]) -> bool:
    return len(spec) == 1 and next(iter(spec)).startswith("$")


_LISTS: dict[str, Callable[[Iterable[object]], bool]] = {"$any": any, "$all": all}
"""Operators that take a list of matchers."""


def _is_composite(spec: JsonValue) -> bool:
    return isinstance(spec, dict) and len(spec) == 1 and bool(spec.keys() & _COMPOSITES)


_COMPOSITES = {"$not", *_LISTS}


def _combined(spec: dict[str, Any]) -> Matcher:
    """Compile an operator over whole matchers, which look at one and the same thing.

    Raises:
        ValueError: When some look at the text, and others at the JSON document.
    """
    ((operator, operand),) = spec.items()
    parts = [compile_matcher(part) for part in _operands(operator, operand)]
    kinds = {part.kind for part in parts}
    if len(kinds) > 1:
        msg = (
            f"{operator} joins matchers of the text (a string, $regex), of the JSON "
            "document, or of the frame ($binary); use one kind in all of them"
        )
        raise ValueError(msg)
    test = _joined(operator, [part.test for part in parts])
    needles: list[bytes] | None = None
    if operator == "$all":
        needles = [needle for part in parts for needle in part.needles or ()]
    return Matcher(
        parts[0].kind,
        test,
        tuple(needles) if needles else None,
        looked_at=tuple(way for part in parts for way in part.looked_at),
        compared=tuple(way for part in parts for way in part.compared),
        misses_json=operator == "$any" and all(part.misses_json for part in parts),
        at_once=min(part.at_once for part in parts),
    )


def _operands(operator: str, operand: JsonValue) -> list[Any]:
    """Return the matchers that an operator takes.

    Raises:
        ValueError: When there are none.
    """
    if operator == "$not":
        return [operand]
    if not isinstance(operand, list) or not operand:
        msg = f"{operator} takes a list of matchers"
        raise ValueError(msg)
    return operand


def _joined(operator: str, tests: list[Test]) -> Test:
    if operator == "$not":
        (inner,) = tests
        return lambda value: not inner(value)
    join = _LISTS[operator]
    return lambda value: join(test(value) for test in tests)


def _operand(spec: JsonValue, operator: str) -> JsonValue:
    """Return what stands behind an operator, None for anything but that operator."""
    if isinstance(spec, dict) and len(spec) == 1:
        return spec.get(operator)
    return None


def _compile(spec: JsonValue) -> Test:
    if isinstance(spec, dict):
        return _operation(spec) or _has_members(spec)
    if isinstance(spec, list):
        return _begins(spec)
    if isinstance(spec, bool) or spec is None:
        return lambda value: value is spec
    if isinstance(spec, str):
        return _equals(spec)
    return _is_number(Decimal(repr(spec)) if isinstance(spec, float) else spec)


def _operation(spec: dict[str, Any]) -> Test | None:
    if len(spec) == 1 and "$exists" in spec:
        if spec["$exists"] is not True:
            msg = "$exists takes true, and nothing else"
            raise ValueError(msg)
        return _anything
    if len(spec) == 1 and "$regex" in spec:
        return _searches(spec["$regex"])
    if _is_composite(spec):
        ((operator, operand),) = spec.items()
        parts = _operands(operator, operand)
        return _joined(operator, [_compile(part) for part in parts])
    return None


def _anything(_: object) -> bool:
    return True


def _equals(text: str) -> Test:
    return lambda value: value == text


def _searches(pattern: object) -> Test:
    if not isinstance(pattern, str):
        msg = "$regex takes a string, a regular expression"
        raise ValueError(msg)  # noqa: TRY004 - a value of the config
    try:
        search = Search(pattern, "$regex")
    except ValueError as error:
        msg = f"$regex: {error}"
        raise ValueError(msg) from error
    return lambda value: isinstance(value, str) and search.finds(value)


def _at_once(spec: JsonValue) -> int:
    """Return how long a text may be that each expression searches at once."""
    if isinstance(spec, list):
        return min(map(_at_once, spec), default=ANY_LENGTH)
    if not isinstance(spec, dict):
        return ANY_LENGTH
    pattern = _operand(spec, "$regex")
    if isinstance(pattern, str):
        return Search(pattern, "$regex").at_once
    return min(map(_at_once, spec.values()), default=ANY_LENGTH)


def _is_number(number: int | Decimal) -> Test:
    """Compare by value, where 1 is 1.0 but not true."""
    return lambda value: (
        isinstance(value, int | Decimal)
        and not isinstance(value, bool)
        and value == number
    )


def _has_members(spec: dict[str, Any]) -> Test:
    members = [(name, _compile(item)) for name, item in spec.items()]

    def test(value: object) -> bool:
        if not isinstance(value, OBJECT):
            return False
        for name, matches in members:
            if name not in value or not matches(value[name]):
                return False
        return True

    return test


def _begins(spec: list[Any]) -> Test:
    tests = [_compile(item) for item in spec]

    def test(value: object) -> bool:
        if not isinstance(value, ARRAY) or len(value) < len(tests):
            return False
        return all(matches(item) for matches, item in zip(tests, value, strict=False))

    return test


def _encoded(text: str) -> tuple[bytes, ...] | None:
    """Return the bytes of a text; a lone surrogate has none, and is in no payload."""
    try:
        return (text.encode(),) if text else None
    except UnicodeEncodeError:
        return None


_BEGINS_PLAINLY = re.compile(
    r"\^[A-Za-z0-9_ \"':;,@#%&=<>/!~-](?![?*{])[^|]*$", re.DOTALL
)
"""A regular expression without alternatives that wants a plain character first."""


def quoted(name: str) -> Iterator[bytes]:
    """Yield a string as a payload without a backslash holds it, if it can."""
    written = json.dumps(name, ensure_ascii=False)
    if "\\" not in written:
        try:
            yield written.encode()
        except UnicodeEncodeError:
            return


def _needles(spec: JsonValue) -> list[bytes]:
    """Return what a payload must hold, the rarest first.

    Texts are rarer than the names before them, and long ones rarer than short ones.
    Numbers can be written in many ways.
    """
    found = sorted(_required(spec), key=lambda needle: (needle[0], -len(needle[1])))
    return list(dict.fromkeys(needle for _, needle in found))


_TEXT, _NAME, _CONSTANT = range(3)


def _required(spec: JsonValue) -> Iterator[tuple[int, bytes]]:
    if isinstance(spec, dict):
        if _operation(spec) is None:
            for name, item in spec.items():
                yield from ((_NAME, needle) for needle in quoted(name))
                yield from _required(item)
    elif isinstance(spec, list):
        for item in spec:
            yield from _required(item)
    elif isinstance(spec, str):
        yield from ((_TEXT, needle) for needle in quoted(spec))
    elif isinstance(spec, bool) or spec is None:
        yield _CONSTANT, json.dumps(spec).encode()
