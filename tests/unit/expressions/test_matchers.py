"""Matchers, and the test that tells plain data without looking at it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_websocket import jsontext
from tap_websocket.expressions.matchers import Matcher, compile_matcher
from tap_websocket.expressions.prefilters import prefilter

_NAMES = st.sampled_from(["a", "b", "type", 'q"t', "ü", "n\nl", "\ud800", ""])
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([1.0, 0.5])
    | st.text('a"\\/ü\n\x7f', max_size=3)
    | _NAMES
)
_DOCUMENTS = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def _part(draw: st.DrawFn, document: Any) -> Any:
    """A matcher of something that the document has."""
    if isinstance(document, dict):
        names = draw(st.sets(st.sampled_from(sorted(document)))) if document else ()
        return {name: draw(_part(document[name])) for name in names}
    if isinstance(document, list):
        items = document[: draw(st.integers(0, len(document)))]
        return [draw(_part(item)) for item in items]
    exists = {"$exists": True}
    return draw(st.sampled_from([document, exists]))


_PAIRS = _DOCUMENTS.flatmap(
    lambda document: st.tuples(st.just(document), _part(document))
)


def matches_text(matcher: Matcher, text: str) -> bool:
    return matcher.kind == "text" and matcher.test(text)


def matches_json(matcher: Matcher, value: Any) -> bool:
    return matcher.kind == "json" and matcher.test(value)


def _parsed(document: Any) -> Any:
    return jsontext.parse(json.dumps(document))


def _written(document: Any, style: int) -> bytes:
    if style == 0:
        return json.dumps(document).encode()
    if style == 1:
        return json.dumps(document, indent=1).encode()
    if style == 2:
        return jsontext.dumps(document)
    return json.dumps(document).replace("b", "\\u0062").encode()


def _has(document: Any, spec: Any) -> bool:
    """The words of docs/feeds.md, in the plainest way."""
    if spec == {"$exists": True}:
        return True
    if isinstance(spec, dict):
        return isinstance(document, dict) and all(
            name in document and _has(document[name], item)
            for name, item in spec.items()
        )
    if isinstance(spec, list):
        return isinstance(document, list) and (
            len(document) >= len(spec) and all(map(_has, document, spec))
        )
    return isinstance(document, bool) == isinstance(spec, bool) and document == spec


@given(_PAIRS)
def test_what_a_document_has_matches(pair: tuple[Any, Any]) -> None:
    document, spec = pair
    if isinstance(spec, dict | list):
        assert matches_json(compile_matcher(spec), _parsed(document))


@given(_DOCUMENTS, _DOCUMENTS.filter(lambda spec: isinstance(spec, dict | list)))
def test_matches_what_the_documentation_says(document: Any, spec: Any) -> None:
    matches = matches_json(compile_matcher(spec), _parsed(document))
    assert matches == _has(document, spec)


@given(_PAIRS, st.integers(0, 3), _DOCUMENTS)
def test_no_match_is_filtered_out(
    pair: tuple[Any, Any],
    style: int,
    other: Any,
) -> None:
    document, spec = pair
    specs = [spec for spec in (spec, other) if isinstance(spec, dict | list)]
    matchers = [compile_matcher(spec) for spec in specs]
    may_match = prefilter(matcher.needles for matcher in matchers)
    payload = _written(document, style)
    parsed = jsontext.parse(payload)
    if may_match and any(matches_json(matcher, parsed) for matcher in matchers):
        assert may_match(payload)


@pytest.mark.parametrize(
    ("spec", "document", "matches"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": 1}, {"a": Decimal("1.0")}, True),
        ({"a": 0.1}, {"a": Decimal("0.1")}, True),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": None}, {}, False),
        ({"a": None}, {"a": None}, True),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, True),
        ({"a": {"b": 1}}, {"a": [1]}, False),
        ({"ping": {"$exists": True}}, {"ping": None}, True),
        ({"ping": {"$exists": True}}, {"pong": 1}, False),
        ({"e": {"$regex": "^sub"}}, {"e": "subscribed"}, True),
        ({"e": {"$regex": "^sub"}}, {"e": 5}, False),
        ([{"$exists": True}, "hb"], [204928, "hb", 127], True),
        ([{"$exists": True}, "hb"], [204928], False),
        ([{"type": "x"}], [{"type": "x", "y": 1}], True),
        ({"$type": "x"}, {"$type": "x"}, True),
        ({"a": {"$exists": True, "b": 1}}, {"a": {"$exists": True, "b": 1}}, True),
        ({"a": {"$exists": True, "b": 1}}, {"a": {"b": 1}}, False),
        ({"$exists": True}, 5, True),
        ({}, {"a": 1}, True),
        ({}, [], False),
        ([], [1], True),
        ([], {}, False),
    ],
)
def test_json_matchers(spec: Any, document: Any, matches: bool) -> None:
    matcher = compile_matcher(spec)
    assert matcher.kind == "json"
    assert matches_json(matcher, document) is matches
    assert not matches_text(matcher, json.dumps(document, default=str))


@pytest.mark.parametrize(
    ("spec", "text", "matches"),
    [
        ("pong", "pong", True),
        ("pong", "pong\n", False),
        ("pong", '"pong"', False),
        ({"$regex": "^40"}, '40{"sid":1}', True),
        ({"$regex": "^40"}, "140", False),
        ({"$regex": "4.$"}, "x42", True),
        ({"$not": "pong"}, "pong", False),
        ({"$not": "pong"}, "ping", True),
        ({"$any": ["ping", {"$regex": "^4"}]}, "42", True),
        ({"$any": ["ping", {"$regex": "^4"}]}, "24", False),
        ({"$all": [{"$regex": "^4"}, {"$not": "42"}]}, "43", True),
        ({"$all": [{"$regex": "^4"}, {"$not": "42"}]}, "42", False),
    ],
)
def test_text_matchers(spec: Any, text: str, matches: bool) -> None:
    matcher = compile_matcher(spec)
    assert matcher.kind == "text"
    assert matches_text(matcher, text) is matches
    assert not matches_json(matcher, text)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (5, "a matcher is a string"),
        (None, "not null"),
        ({"$regex": "("}, "position 0"),
        ({"$regex": 5}, "takes a string"),
        ({"a": {"$regex": "("}}, "position 0"),
        ({"a": {"$exists": False}}, "takes true"),
        ({"$exists": 1}, "takes true"),
        ({"$binary": False}, r"\$binary takes true"),
        ({"$any": []}, r"\$any takes a list"),
        ({"$all": {"a": 1}}, r"\$all takes a list"),
        ({"a": {"$any": "x"}}, r"\$any takes a list"),
        ({"$any": ["x", {"a": 1}]}, "use one kind"),
        ({"$all": [{"$binary": True}, {"a": 1}]}, "use one kind"),
        ({"$not": 5}, "a matcher is a string"),
    ],
)
def test_what_is_no_matcher(spec: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        compile_matcher(spec)


@pytest.mark.parametrize(
    ("spec", "document", "matches"),
    [
        ({"$not": {"a": 1}}, {"a": 2}, True),
        ({"$not": {"a": 1}}, {"a": 1, "b": 2}, False),
        ({"$any": [{"a": 1}, {"b": 1}]}, {"b": 1}, True),
        ({"$any": [{"a": 1}, {"b": 1}]}, {"b": 2}, False),
        ({"$all": [{"a": 1}, {"$not": {"b": 1}}]}, {"a": 1}, True),
        ({"$all": [{"a": 1}, {"$not": {"b": 1}}]}, {"a": 1, "b": 1}, False),
        ({"a": {"$not": "x"}}, {"a": "y"}, True),
        ({"a": {"$not": "x"}}, {"a": "x"}, False),
        ({"a": {"$not": "x"}}, {}, False),
        ({"a": {"$not": {"$exists": True}}}, {"a": 1}, False),
        ({"a": {"$any": ["x", {"$regex": "^y"}, 5]}}, {"a": "yes"}, True),
        ({"a": {"$any": ["x", {"$regex": "^y"}, 5]}}, {"a": 5}, True),
        ({"a": {"$any": ["x", {"$regex": "^y"}, 5]}}, {"a": "z"}, False),
        ([{"$any": ["hb", "sys"]}], ["sys", 1], True),
        ({"$not": {"a": 1}, "b": 2}, {"$not": {"a": 1}, "b": 2}, True),
    ],
)
def test_operators_over_matchers(spec: Any, document: Any, matches: bool) -> None:
    matcher = compile_matcher(spec)
    assert matches_json(matcher, document) is matches


@pytest.mark.parametrize(
    ("spec", "binary", "matches"),
    [
        ({"$binary": True}, True, True),
        ({"$binary": True}, False, False),
        ({"$not": {"$binary": True}}, False, True),
        ({"$not": {"$binary": True}}, True, False),
    ],
)
def test_frame_matchers(spec: Any, binary: bool, matches: bool) -> None:
    matcher = compile_matcher(spec)
    assert matcher.kind == "frame"
    assert matcher.test(binary) is matches


@pytest.mark.parametrize(
    ("spec", "payload", "may_match"),
    [
        ({"$all": [{"a": "x"}, {"b": "y"}]}, b'{"a":"x"}', False),
        ({"$all": [{"a": "x"}, {"b": "y"}]}, b'{"a":"x","b":"y"}', True),
        ({"$all": [{"a": "x"}, {"$not": {"b": "y"}}]}, b'{"a":"x"}', True),
        ({"a": {"$any": ["x", "y"]}}, b'{"b":"x"}', False),
        ({"a": {"$any": ["x", "y"]}}, b'{"a":"y"}', True),
    ],
)
def test_operators_are_filtered_by(spec: Any, payload: bytes, may_match: bool) -> None:
    may = prefilter([compile_matcher(spec).needles])
    assert may is not None
    assert may(payload) is may_match


def _filter(*specs: Any) -> Any:
    return prefilter(compile_matcher(spec).needles for spec in specs)


@pytest.mark.parametrize(
    ("specs", "payload", "may_match"),
    [
        (({"type": "error"},), b'{"type":"match"}', False),
        (({"type": "error"},), b'{"kind":"error"}', False),
        (({"type": "error"},), b'{"a":"error", "type" : 1}', True),
        (({"type": "error"},), rb'{"type":"\u0065rror"}', True),
        (({"a": "x"}, {"b": "y"}), b'{"b":"y"}', True),
        (({"a": "x"}, {"b": "y"}), b'{"b":"x"}', False),
        (({"a": "x"}, {"b": "y"}, {"c": "z"}), b'{"c":"z"}', True),
        (({"a": "x"}, {"b": "y"}, {"c": "z"}), b'{"c":"x"}', False),
        (({"ok": False},), b'{"ok":true}', False),
        (({"op": 7},), b'{"op":0.7e1}', True),
        (("pong",), b"pong", True),
        (("pong",), b"ping", False),
        (({"$regex": r"^4\{0$"},), b"4{0", True),
        (({"$regex": "^40"},), b"42", False),
        (({"ü": "é"},), '{"ü":"é"}'.encode(), True),
        (({"ü": "é"},), '{"ü":"è"}'.encode(), False),
        ((), b"{}", False),
    ],
)
def test_prefilter(specs: tuple[Any, ...], payload: bytes, may_match: bool) -> None:
    assert _filter(*specs)(payload) is may_match


@pytest.mark.parametrize(
    "spec",
    [{}, [], {"$exists": True}, {"$regex": "a|b"}, {"$regex": "a*"}, "", "\ud800"],
)
def test_some_matchers_leave_nothing_to_filter(spec: Any) -> None:
    assert _filter({"type": "error"}, spec) is None


@pytest.mark.filterwarnings("ignore::FutureWarning")
@given(st.text("ab^$|+[]\\{}4 ", max_size=5), st.text("ab^$|+[]\\{}4 \n", max_size=8))
def test_a_pattern_that_is_found_is_not_filtered_out(pattern: str, text: str) -> None:
    try:
        matcher = compile_matcher({"$regex": pattern})
    except ValueError:
        return
    may_match = prefilter([matcher.needles])
    if may_match and matches_text(matcher, text):
        assert may_match(text.encode())
