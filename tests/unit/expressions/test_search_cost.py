"""How long expressions search: told beforehand, and no longer."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING, NoReturn
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_websocket.expressions import search
from tap_websocket.expressions.search import ANY_LENGTH, Search
from tap_websocket.expressions.search_cost import degree
from tests.support.examples import examples
from tests.support.recipes import PAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

LINEAR = [
    "",
    "^40",
    "ErrSlow",
    "ping timeout|busy|permits",
    "(^|\\r\\n)PING(\\r\\n|$)",
    r"^a(?P<json>\[(?s:.*))$",
    r"^(?P<json>\{.*\})$",
    r"^[^{]*(?P<json>\{.*\})",
    r"^(?P<a>[^,]*),(?P<b>[^,]*)$",
    r"^(?:[a-z]+,)*$",
    r"^(?:(?!to:)[^\n]+\n)*+to:(?P<to>.*)",
    r"^(?P<nick>\w+)(?:!(?P<user>\S+))? PRIVMSG \S+ :(?P<text>.*)",
    r"error \d+",
    r"(?P<json>[{[].*)|(?P<other>z)",
    r"(?i)^(k|Q)*x",
    r"^(?>a+b)*c",
]
OTHERS = {
    r"(?P<json>\{.*\})": 2,
    r"\{.*\}$": 2,
    r"(?P<name>\w+)=": 2,
    r"^\s*x*\s*y": 2,
    r"^x*x*y": 2,
    r"x*x*y": 3,
    r"^a*(?=.*z)b": 2,
    r"(?=.*a)b": 2,
    r"(a+)+$": None,
    r"(a|aa)+$": None,
    r"^(?:.*?,){11}P": None,
    r"(\w+\s*)*;": None,
    r"(?:a?){30}a{30}": None,
    r"a?a?a?a?a?aaaaa": None,
    r"^(a*)*b": None,
    r"^(.)(?(1)a|b)*": None,
    r"(?:(.)\1*)*x": None,
    r"(?i)^(?:k+|K+)*x": None,
}


@pytest.mark.parametrize("pattern", LINEAR)
def test_most_expressions_take_as_long_as_the_text_is(pattern: str) -> None:
    assert degree(pattern) == 1
    assert Search(pattern, "x").at_once == ANY_LENGTH


@pytest.mark.parametrize(("pattern", "power"), OTHERS.items())
def test_others_take_longer(pattern: str, power: int | None) -> None:
    assert degree(pattern) == power


def recipes() -> Iterator[tuple[str, str]]:
    """Yield each expression of the recipes, and the name of its page."""
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text()
        for found in re.finditer(
            r'"(?:message_pattern|\$regex)": ("(?:[^"\\]|\\.)*")', text
        ):
            yield page.stem, json.loads(found[1])


@pytest.mark.parametrize(("page", "pattern"), list(recipes()))
def test_the_recipes_are_searched_at_once(page: str, pattern: str) -> None:
    assert degree(pattern) == 1, page


parts = st.sampled_from(
    ["a", "b", "[ab]", "[^a]", ".", r"\w", "(?s:.)", "$", r"\b", "(?=a)", "(?=a*b)"]
)
quantifiers = st.sampled_from(
    ["", "", "*", "+", "?", "*?", "+?", "*+", "++", "{2}", "{1,3}", "{2,}"]
)


def grouped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    group = st.builds(
        "{}{}{}){}".format,
        st.sampled_from(["(", "(?:", "(?>"]),
        inner,
        st.sampled_from(["", "|a", "|bc"]),
        quantifiers,
    )
    return st.lists(group | inner, min_size=1, max_size=3).map("".join)


def repeated(part: str, quantifier: str) -> str:
    return part if part in {"$", r"\b"} or part[:2] == "(?" else part + quantifier


patterns = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "^"]),
    st.recursive(st.builds(repeated, parts, quantifiers), grouped, max_leaves=5),
    st.sampled_from(["", "$", "c"]),
)

LENGTHS = {1: 20_000, 2: 1000, 3: 100, 4: 40}
"""What would take far over a second if the power were one more."""


def _overdue(*_: object) -> NoReturn:
    raise TimeoutError


@settings(max_examples=examples(200), deadline=None)
@given(patterns, st.sampled_from(["a", "ab", "aab"]), st.sampled_from(["", "c", "\n"]))
def test_no_expression_takes_longer_than_is_told(
    pattern: str, chunk: str, end: str
) -> None:
    try:
        compiled = re.compile(pattern)
    except re.error:
        return
    power = degree(pattern)
    if power not in LENGTHS:
        return
    text = chunk * (LENGTHS[power] // len(chunk)) + end
    before = signal.signal(signal.SIGPROF, _overdue)
    # CPU time: a busy machine takes none of it.
    signal.setitimer(signal.ITIMER_PROF, 5)
    try:
        compiled.search(text)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def test_what_grows_with_the_length_needs_no_process() -> None:
    with mock.patch.object(search.PROCESS, "ask", side_effect=AssertionError):
        for pattern in LINEAR:
            Search(pattern, "x").finds("x" * ANY_LENGTH)
        Search(r"(?P<json>\{.*\})", "x").finds("{" * 2048)
