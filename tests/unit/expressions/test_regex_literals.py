"""Texts that are said to be in every match are there."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tap_websocket.expressions.regex_literals import Literals, literals_of
from tests.support.examples import examples

KNOWN = {
    "pong": ("", "pong"),
    "^44": ("44", "44"),
    "^c\\[": ("c[", "c["),
    "^\\{\\}$": ("{}", "{}"),
    "(?i)^-ERR '(stale|slow)": ("-", " '"),
    '^INFO [^\\r]*"ldm":true': ("INFO ", '"ldm":true'),
    "(^|\\r\\n)PING(\\r\\n|$)": ("", "PING"),
    "(?s)(?i)^ERROR: .": ("", ": "),
    "^\\s*ERROR": ("", "ERROR"),
    "^4(2|5\\d+-)\\d": ("4", "4"),
    "^ab?c": ("a", "a"),
    "^ab+c": ("ab", "ab"),
    "^a{2}bcd": ("a", "bcd"),
    "^x|y": ("", ""),
    "(a|b)?cd": ("", "cd"),
    "(?m)^x": ("", "x"),
    "(?x)^x y": ("xy", "xy"),
    "\\x41": ("", "A"),
    "\\u00e9a": ("", "éa"),
    "[a]b]c": ("", "ab]c"),
    "(?:(a)\\)|[)])z": ("", "z"),
    "": ("", ""),
}


@pytest.mark.parametrize("pattern", KNOWN)
def test_plain_characters_are_known(pattern: str) -> None:
    assert literals_of(pattern) == Literals(*KNOWN[pattern])


PIECES = st.sampled_from(
    [
        *"aAbB-[]{}()|?*+^$.é\0 \n",
        *("\\d", "\\.", "\\n", "\\x61", "\\101", "\\A", "\\b", "\\\\", "(?:", "(?i:"),
        *("[ab]", "[^]a]", "a{0}", "{1,}", "(?=a)", "(?!b)", "(?i)", "(?s)", "(a|b)?"),
    ]
)


@settings(max_examples=examples(2000), deadline=None)
@example(pieces=["aa{|"], texts=[])  # a brace that opens no repetition
@example(pieces=["(?s)", "(?i)", "a"], texts=["A"])  # flags in two places
@given(pieces=st.lists(PIECES, max_size=7), texts=st.lists(st.text("aAbB-. \né{}0")))
def test_a_match_has_the_texts_that_are_known(
    pieces: list[str], texts: list[str]
) -> None:
    pattern = "".join(pieces)
    try:
        search = re.compile(pattern).search
    except (re.error, OverflowError, DeprecationWarning, FutureWarning):
        return
    known = literals_of(pattern)
    for text in (*texts, pattern, pattern.lower(), "", "ab", "AB", "\n"):
        if search(text):
            assert text.startswith(known.beginning)
            assert known.longest in text
