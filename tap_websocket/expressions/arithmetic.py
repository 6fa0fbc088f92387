"""Arithmetic inside of JSONPaths, an extension of jsonpath-ng, within bounds."""

from __future__ import annotations

import math
import operator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from jsonpath_ng.ext.arithmetic import Operation

from tap_websocket.expressions.path_parts import parts_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_websocket.jsontext import JsonValue

__all__ = ["bound_arithmetic"]


def bound_arithmetic(expression: object) -> None:
    """Bound the results of every operation inside of a path.

    Otherwise a server chooses how much work a path is: `*` repeats a text as often as
    a number says, and the digits of a product are those of both numbers together.
    """
    for part in parts_of(expression):
        if isinstance(part, Operation):
            part.op = _BOUNDED[part.op_symbol]


def _bounded(
    operate: Callable[[Any, Any], Any],
    *,
    joins: bool = False,
) -> Callable[[Any, Any], Any]:
    """Return an operation on two numbers.

    Args:
        operate: The operation without bounds.
        joins: Two texts or two arrays are joined.
    """

    def result(left: JsonValue, right: JsonValue) -> JsonValue:
        if joins and type(left) is type(right) and isinstance(left, str | list):
            return operate(left, right)
        if not (_is_number(left) and _is_number(right)):
            # What the library takes for no match.
            raise TypeError
        if isinstance(left, Decimal) != isinstance(right, Decimal):
            # A number of the path is a float where one of a message has a fraction.
            left, right = _decimal(left), _decimal(right)
        found = operate(left, right)
        if isinstance(found, int) and abs(found) >= _MAX_INTEGER:
            raise TypeError
        if isinstance(found, float) and not math.isfinite(found):
            raise TypeError
        return found

    return result


def _is_number(value: object) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < _MAX_INTEGER
    return isinstance(value, float | Decimal)


def _decimal(value: float | Decimal) -> Decimal:
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


_MAX_INTEGER = 10**1000
"""Larger integers are no numbers to operations: Python prints up to 4300 digits."""

_BOUNDED = {
    "+": _bounded(operator.add, joins=True),
    "-": _bounded(operator.sub),
    "*": _bounded(operator.mul),
    "/": _bounded(operator.truediv),
}
