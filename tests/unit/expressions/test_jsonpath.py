"""JSONPath: the quick look-ups find what the library finds."""

from __future__ import annotations

import copy
import tracemalloc
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonpath_ng.ext.parser import parse

from tap_websocket import jsontext
from tap_websocket.expressions.jsonpath import compile_path
from tap_websocket.expressions.path import MISSING

DOCUMENT: dict[str, Any] = {
    "a": "s",
    "b": 3,
    "t": "t",
    "x|y": 9,
    "price": Decimal("1.10"),
    "list": [{"s": "p|q", "n": 1}, {"s": "r", "n": 2}],
}

_NAMES = st.sampled_from(["a", "b", "a b", "err-code", "*", "", "é", "0", "`len`"])
_SCALARS = st.none() | st.booleans() | st.integers() | st.sampled_from(["a", "xyz"])
_DOCUMENTS = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=4)
    ),
    max_leaves=25,
)
_STEPS = st.one_of(
    st.sampled_from([".a", ".b", ".*", "[*]", ".err-code", "..a", "[0:1]", ".a,b"]),
    st.sampled_from(["['a b']", '["é"]', "['*']", "['']", "['0']"]),
    st.integers(-3, 3).map("[{}]".format),
    st.sampled_from(["[0,1]", "['a','b']", "['a'][0]", ".`len`", "[?(@.a>0)]"]),
)
_PATHS = st.lists(_STEPS, max_size=4).map(lambda steps: "$" + "".join(steps))


@given(_PATHS, _DOCUMENTS)
def test_finds_what_the_library_finds(text: str, document: Any) -> None:
    path = compile_path(text)
    expected = [match.value for match in parse(text).find(document)]
    assert path.find(document) == expected
    assert path.first(document) == (expected[0] if expected else MISSING)


@given(_PATHS, _DOCUMENTS)
def test_updates_each_match_in_place(text: str, document: Any) -> None:
    marked: list[Any] = []

    def mark(value: Any) -> Any:
        marked.append(copy.deepcopy(value))
        return ["new", value]

    path = compile_path(text)
    before = path.find(copy.deepcopy(document))
    updated = path.update(document, mark)
    if "`" not in text and ".." not in text:
        assert marked == before
    assert updated is document or text == "$"


@given(_PATHS, _DOCUMENTS)
def test_a_match_needs_the_names_of_its_path(text: str, document: Any) -> None:
    path = compile_path(text)
    if path.find(document):
        assert all(name in str(document) for name in path.names)


@given(st.text("$.[]*'\"`?@()=~<>&|/\\, -+0:abx{", max_size=12))
def test_whatever_is_no_path_is_a_value_error(text: str) -> None:
    try:
        path = compile_path(text)
    except ValueError as error:
        assert "is not a JSONPath" in str(error)  # noqa: PT017 - most texts are none
    else:
        path.find({"a": [1, "x", {"b": None}], "b": "x"})
        path.find([1])


@pytest.mark.parametrize(
    ("text", "document", "expected"),
    [
        ("$", [1], [[1]]),
        ("$.a.b", {"a": {"b": 1}}, [1]),
        ("a.b", {"a": {"b": 1}}, [1]),
        ("$.a", {"a": None}, [None]),
        ("$.a[0]", {"a": "xyz"}, []),
        ("$[-1]", [1, 2], [2]),
        ("$[2]", [1, 2], []),
        ("$['a b']", {"a b": 1}, [1]),
        ("$.a[*].b", {"a": [{"b": 1}, {}, {"b": 2}]}, [1, 2]),
        ("$.data[*]", {"data": {"x": 1, "y": 2}}, [1, 2]),
        ("$..b", {"a": {"b": 1}, "b": 2}, [2, 1]),
        ("$.a[?(@.x>1)].x", {"a": [{"x": Decimal("1.5")}, {"x": 1}]}, [Decimal("1.5")]),
        ("$.a[1:]", {"a": [1, 2, 3]}, [2, 3]),
        ("$.a.`len`", {"a": [1, 2, 3]}, [3]),
    ],
)
def test_finds(text: str, document: Any, expected: list[Any]) -> None:
    assert compile_path(text).find(document) == expected


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("$.a[\\x]", {"a": 3}),
        ("$.`parent`", 3),
        ("$.a[?(@.x =~ 5)]", {"a": [{"x": "5"}]}),
        ("$.a.`sub(/x/, y)`", {"a": 3}),
    ],
)
def test_an_extension_that_stumbles_finds_nothing(text: str, document: Any) -> None:
    assert compile_path(text).find(document) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "end of string"),
        ("$.a b", "1:4 near token b"),
        ("$.é", "col 2"),
        ("$.a[", "end of string"),
        ("$.a & $.b", "deprecated"),
        ("$.`sub(/(/, x)`", "unterminated subpattern"),
        ("$.`sub(/a/, \\\\1)`", "cannot replace matches: invalid group reference 1"),
        ("$.`sub(/a/, \\\\g<x>)`", "cannot replace matches: unknown group name 'x'"),
        ("$.a[?(@.x =~ '(')]", "unterminated subpattern"),
        ("$.`nope`", "nope"),
    ],
)
def test_says_where_a_path_is_wrong(text: str, where: str) -> None:
    with pytest.raises(ValueError, match=where) as caught:
        compile_path(text)
    assert "write it like $.data[*].price" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_update_replaces_the_whole_document() -> None:
    assert compile_path("$").update([1], lambda value: {"was": value}) == {"was": [1]}


def test_update_by_a_path_of_the_library() -> None:
    document = {"a": [{"p": "1"}, {"p": "2"}], "p": "3"}
    assert compile_path("$..p").update(document, int) == {
        "a": [{"p": 1}, {"p": 2}],
        "p": 3,
    }
    assert compile_path("$.a[0:1]").update({"a": [1, 2]}, str) == {"a": ["1", 2]}
    assert compile_path("$.a.`len`").update({"a": [1]}, str) == {"a": [1]}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$.a | $.b", ["s", 3]),
        ("$.missing|$.b", [3]),
        ("$.list[*].n | $.b | $.missing", [1, 2, 3]),
        ("$['x|y']", [9]),
        ("$.list[?(@.s == 'p|q')] | $.b", [{"s": "p|q", "n": 1}, 3]),
        ('$.list[?(@.s == "it\'s | so")]', []),
    ],
)
def test_paths_are_joined_with_a_bar(text: str, found: list[Any]) -> None:
    path = compile_path(text)
    assert path.find(DOCUMENT) == found
    assert path.first(DOCUMENT) == (found[0] if found else MISSING)


def test_joined_paths_are_replaced_each() -> None:
    path = compile_path("$.a | $.c.d | $.missing")
    document = {"a": "1", "b": "2", "c": {"d": "3"}}
    assert path.update(document, int) == {"a": 1, "b": "2", "c": {"d": 3}}


@pytest.mark.parametrize("text", ["$.a | b", "$.a |", "| $.a", "$.a || $.b", "a | b"])
def test_each_of_several_paths_begins_at_the_root(text: str) -> None:
    with pytest.raises(ValueError, match=r"\| joins whole paths"):
        compile_path(text)


def test_a_bar_inside_of_a_path_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="union"):
        compile_path("$.(a | b)")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$.b * 2", [6]),
        ("$.list[*].n * $.list[*].n", [1, 4]),
        ("$.price * 1.5", [Decimal("1.65")]),
        ("$.price - $.b", [Decimal("-1.9")]),
        ("$.a + $.t", ["st"]),
        ("$.a + 1", []),
        ("$.yes * 2", []),
        ("$.a * $.many", []),
        ("$.many * $.a", []),
        ("$.list * $.many", []),
        ("$.digits * $.digits", []),
        ("$.digits + 1", []),
        ("$.large * $.large", []),
        ("$.list[?(@.n * $.b > 5)]", [{"s": "r", "n": 2}]),
    ],
)
def test_operations_are_bounded(text: str, found: list[Any]) -> None:
    """A message of 39 bytes is not to take gigabytes, or thousands of digits."""
    document = DOCUMENT | {
        "many": 2_500_000_000,
        "digits": 10**3999,
        "large": 1e308,
        "yes": True,
    }
    tracemalloc.start()
    result = compile_path(text).find(document)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result == found
    assert peak < 10_000_000
    for value in result:
        jsontext.dumps(value)
