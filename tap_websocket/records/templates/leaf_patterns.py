r"""Regular expressions for the values of a message that may be other ones.

They take less than JSON does: what every column of the kind can hold as it stands. A
number has no exponent and at most 18 digits before the point, a string no NUL and no
half of a surrogate pair. None of them matches a line break, and none can backtrack
into what it has taken: each quantifier is possessive (Python 3.11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tap_websocket.records.templates.shape import Kind

__all__ = ["SCALARS", "LeafPattern"]

SCALARS: frozenset[Kind] = frozenset(
    {"string", "integer", "decimal", "boolean", "null"},
)

# All but quotes, backslashes and control characters. The same set as `[^…]` takes half
# as long again (CPython 3.11).
_PLAIN = rb"[ !#-\[\]-\xff]*+"
_ESCAPE = (
    rb'\\(?:["\\/bfnrt]'
    rb"|u(?:(?!0000|[dD][89a-fA-F])[0-9a-fA-F]{4}"
    rb"|[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))"
)
_ESCAPED = _PLAIN + rb"(?:" + _ESCAPE + _PLAIN + rb")*+"
_NO_JSON = rb' *+(?:[{\[\-0-9]|(?:true|false|null) *+\\?")'
"""The beginning of a text that reads like JSON; it may be one that does not."""

_MAX_DIGITS = 39
_DIGITS = rb"(?!0[0-9])[0-9]{1,18}+"
_FRACTION = rb"\.[0-9]{1,40}+"


class LeafPattern(msgspec.Struct):
    """What may stand in the place of a value.

    Attributes:
        kinds: Kinds of values.
        is_text: A string must not read like JSON: its column would have it quoted.
        is_exact: It is written as `jsontext.dumps` would write it.
        has_escapes: Strings may have escapes, where they need not be exact. To compile
            a pattern that takes them is dear.
        is_long: Integers may be outside 64 bits: their column holds them as text.
        is_inside: It stands inside of a string; strings have no escapes then.
    """

    kinds: frozenset[Kind] = SCALARS
    is_text: bool = False
    is_exact: bool = False
    has_escapes: bool = False
    is_long: bool = False
    is_inside: bool = False

    def written(self, *, group: bool = False) -> bytes:
        """Return the regular expression.

        Args:
            group: Capture what stands between the quotes; it is a string alone then.
        """
        options = []
        if "string" in self.kinds:
            options.append(self._string(group=group))
        # A number comes last: that an option cannot be is seen at once by its first
        # byte, where it has one.
        if "boolean" in self.kinds:
            options += b"true", b"false"
        if "null" in self.kinds:
            options.append(b"null")
        if "decimal" in self.kinds or "integer" in self.kinds:
            options.append(self._number())
        return options[0] if len(options) == 1 else b"(?:%b)" % b"|".join(options)

    def _string(self, *, group: bool) -> bytes:
        simple = self.is_exact or self.is_text or self.is_inside or not self.has_escapes
        body = _PLAIN if simple else _ESCAPED
        begin = b"(?!%b)" % _NO_JSON if self.is_text else b""
        quote = rb'\\"' if self.is_inside else b'"'
        return b"%b%b%b%b" % (quote, begin, b"(%b)" % body if group else body, quote)

    def _number(self) -> bytes:
        if "decimal" not in self.kinds:
            # A zero has no sign where it is parsed and written again.
            if self.is_exact:
                most = _MAX_DIGITS if self.is_long else 17
                return rb"(?:0|-?[1-9][0-9]{0,%d}+)" % most
            return b"-?+" + _DIGITS
        if "integer" not in self.kinds:
            return b"-?+" + _DIGITS + _FRACTION
        if self.is_exact:
            return rb"(?!-0[^.])-?+" + _DIGITS + b"(?:" + _FRACTION + b")?+"
        return b"-?+" + _DIGITS + b"(?:" + _FRACTION + b")?+"
