"""Large documents, parsed piece by piece, are what they are parsed as a whole."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tap_websocket import jsontext
from tap_websocket.expressions.jsonpath import compile_path
from tap_websocket.largejson import parsing, scanner
from tap_websocket.largejson.values import LargeArray, LargeJson, LargeObject, plain
from tests.support.examples import examples
from tests.support.json_objects import objects

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _small_pieces() -> Iterator[None]:
    with in_pieces():
        yield


@contextlib.contextmanager
def in_pieces() -> Iterator[None]:
    """Let documents of some bytes be large."""
    with (
        mock.patch.object(parsing, "LARGE_BYTES", 8),
        mock.patch.object(scanner, "PIECE_BYTES", 16),
        mock.patch.object(scanner, "_MAX_NODES", 200),
    ):
        yield


def problem_of(text: bytes) -> str | None:
    """Return why a text is not parsed, if it is not."""
    try:
        parsing.parse(text)
    except jsontext.InvalidJson as error:
        return str(error)
    return None


def is_json(text: bytes) -> bool:
    try:
        jsontext.parse(text)
    except jsontext.InvalidJson:
        return False
    return True


@settings(max_examples=examples(500), deadline=None)
@given(st.lists(objects(), min_size=1, max_size=5))
def test_a_large_document_is_written_like_a_small_one(items: list[str]) -> None:
    # More nodes in each other than that are refused.
    assume("[" * 102 not in "".join(items))
    for text in (f"[{','.join(items)}]".encode(), items[0].encode()):
        whole, pieces = jsontext.parse(text), parsing.parse(text)
        assert jsontext.dumps(pieces) == jsontext.dumps(whole)
        assert jsontext.canonical(pieces) == jsontext.canonical(whole)
        assert plain(pieces) == whole


@settings(max_examples=examples(1000), deadline=None)
@given(objects(), st.data())
def test_what_is_no_json_is_refused_like_the_whole(text: str, data: Any) -> None:
    assume("[" * 102 not in text)
    at = data.draw(st.integers(0, len(text)))
    behind = at + data.draw(st.integers(0, 2))
    damaged = text[:at] + data.draw(st.sampled_from('[]{},:"1 x\\')) + text[behind:]
    for broken in (damaged, text[:at]):
        sent = broken.encode()
        assert (problem_of(sent) is None) == is_json(sent)


def test_a_large_document_is_never_whole_in_memory() -> None:
    value = parsing.parse(b'{"a":[%b[]],"b":"x"}' % (b"[]," * 99))
    assert isinstance(value, LargeObject)
    assert all(len(piece) <= 16 for piece in value["a"].pieces())
    assert len(value["a"]) == 100


@pytest.mark.parametrize("text", ['{"a":%s}', "[%s]", '[[%s],{"b":2}]'])
@pytest.mark.parametrize(
    "inner", ['["first one", 2, "third one" x]', '["\xe9 one",, "third one"]']
)
def test_an_error_says_where(text: str, inner: str) -> None:
    sent = (text % inner).encode()
    with pytest.raises(jsontext.InvalidJson) as whole:
        jsontext.parse(sent)
    with pytest.raises(jsontext.InvalidJson) as pieces:
        parsing.parse(sent)
    assert pieces.value.position == whole.value.position


@pytest.mark.parametrize(
    "text",
    [
        "[[1,2,3,4,5,6,7,8,9] [1,2,3,4,5,6,7,8,9]]",
        "[[1,2,3,4,5,6,7,8,9],]",
        "[,[1,2,3,4,5,6,7,8,9]]",
        "[1 [1,2,3,4,5,6,7,8,9]]",
        "{[1,2,3,4,5,6,7,8,9]}",
        '["a":[1,2,3,4,5,6,7,8,9]]',
        '{"a":[1,2,3,4,5,6,7,8,9] "b":1}',
        '{"a":[1,2,3,4,5,6,7,8,9}}',
        "[1,2,3,4,5,6,7,8,9] ]",
        '{"a" 1:[1,2,3,4,5,6,7,8,9]}',
        '[1,2,3,4,5,6,7,8,9,10,"a string without an end]',
    ],
)
def test_brackets_commas_and_names_stand_where_they_may(text: str) -> None:
    assert not is_json(text.encode())
    assert problem_of(text.encode()) is not None


def test_the_last_of_several_names_wins() -> None:
    sent = b'{"a":1,"b":[1,2,3,4,5,6,7,8,9],"c":"xxxxxxxxxx","a":[9,8,7,6,5,4,3,2,1,0]}'
    value = parsing.parse(sent)
    assert list(value) == list(jsontext.parse(sent)) == ["a", "b", "c"]
    assert jsontext.dumps(value) == jsontext.dumps(jsontext.parse(sent))


def test_levels_have_a_bound() -> None:
    deep = b"[" * 250 + b"1,2,3,4,5,6,7,8,9" + b"]" * 250
    assert problem_of(deep) == "it is nested too deeply"
    assert problem_of(b"[" * 100_000) == "it is nested too deeply"


PATHS = [
    *("$.a", "$.a[2]", "$.a[-1]", "$.a[99]", "$.a[*]", "$.*", "$.a[0,2]", "$.a.b"),
    *("$.a[1:3]", "$..b", "$.a[?(@.b == 1)]", "$.a[1].b", "$.c['d','e']", "$.c.*"),
]
DOCUMENT = (
    b'{"a":[{"b":1},{"b":[1,2,3,4,5,6,7]},"x",{"b":1}],'
    b'"c":{"d":[1,2,3],"e":"yyyyyyyy"}}'
)


@pytest.mark.parametrize("text", PATHS)
def test_paths_lead_into_large_values(text: str) -> None:
    path = compile_path(text)
    found = [plain(value) for value in path.find(parsing.parse(DOCUMENT))]
    assert found == path.find(jsontext.parse(DOCUMENT))
    assert plain(path.first(parsing.parse(DOCUMENT))) == path.first(
        jsontext.parse(DOCUMENT)
    )


@pytest.mark.parametrize("text", PATHS)
def test_updates_reach_into_large_values(text: str) -> None:
    path = compile_path(text)
    changed = path.update(parsing.parse(DOCUMENT), lambda value: [plain(value)])
    expected = path.update(jsontext.parse(DOCUMENT), lambda value: [value])
    assert json.loads(jsontext.dumps(changed)) == json.loads(jsontext.dumps(expected))


def test_items_are_found_from_both_ends() -> None:
    value = parsing.parse(b"[%b]" % b",".join(b"%d" % n for n in range(100)))
    assert isinstance(value, LargeArray)
    assert list(value) == list(range(100))
    assert list(reversed(value)) == list(range(99, -1, -1))
    assert [value.item(n) for n in (0, 57, 99, -1, -100)] == [0, 57, 99, 99, 0]
    for beyond in (100, -101):
        with pytest.raises(IndexError):
            value.item(beyond)


def test_no_library_takes_a_large_value_for_an_empty_one() -> None:
    value = parsing.parse(DOCUMENT)
    assert isinstance(value, LargeJson)
    assert not isinstance(value, dict | list)
