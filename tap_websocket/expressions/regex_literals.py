"""Texts that are in every match of a regular expression, as far as it shows them."""

from __future__ import annotations

import re

import msgspec

__all__ = ["Literals", "literals_of"]

_FLAGS = re.compile(r"\(\?([a-zA-Z]+)\)")
_PIECE = re.compile(
    r"\\(?P<escaped>x..|u.{4}|U.{8}|N\{[^}]*\}|[0-9]{1,3}|.)"
    r"|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])"
    r"|(?P<many>[*?]|\{\d*(?:,\d*)?\}|\{)"
    r"|(?P<mark>[.^$+()|])"
    r"|(?P<plain>.)",
    re.DOTALL,
)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


class Literals(msgspec.Struct, frozen=True):
    """What every text has in which a regular expression finds a match.

    Attributes:
        beginning: The text begins with it; empty where nothing is known.
        longest: It is somewhere in the text; empty where nothing is known.
    """

    beginning: str = ""
    longest: str = ""


_UNKNOWN = Literals()


def literals_of(pattern: str) -> Literals:
    """Return the texts that are in every match of a regular expression.

    Only what stands outside of groups, sets and alternatives is looked at.
    """
    flags = _FLAGS.match(pattern)
    given = set(flags[1]) if flags else set[str]()
    # With these `^` is at each line, or white space and comments are no text.
    if given & {"m", "x", "L"} or "(?#" in pattern:
        return _UNKNOWN
    text = pattern[flags.end() if flags else 0 :]
    body = text.removeprefix("^")
    runs = _runs(body, ignores_case="i" in given)
    if runs is None:
        return _UNKNOWN
    return Literals("" if body == text else runs[0], max(runs, key=len))


def _runs(pattern: str, *, ignores_case: bool) -> list[str] | None:
    """Return the runs of plain characters outside of groups, one at least.

    None where there are alternatives.
    """
    runs = [""]
    depth = 0
    for piece in _PIECE.finditer(pattern):
        mark = piece["mark"] or ""
        depth += (mark == "(") - (mark == ")")
        if depth or mark == ")":
            character = ""
        elif mark == "|":
            return None
        elif piece["many"]:
            # What stands in front of it need not be there.
            runs[-1] = runs[-1][:-1]
            character = ""
        else:
            character = _character(piece)
        if not character or (ignores_case and character.lower() != character.upper()):
            runs.append("")
        else:
            runs[-1] += character
    return runs


def _character(piece: re.Match[str]) -> str:
    """Return the character that a piece of a pattern stands for, or an empty text."""
    escaped: str | None = piece["escaped"]
    if escaped is None:
        return piece["plain"] or ""
    return _ESCAPES.get(escaped, "" if escaped[0].isalnum() else escaped)
