"""Filters of placeholders: in messages, URLs and headers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_websocket.expressions.documents import Document
from tap_websocket.expressions.filters import FILTERS
from tap_websocket.expressions.placeholders import ConnectionBuiltins, TopicList
from tap_websocket.expressions.rendering import (
    has_fixed_origin,
    render_headers,
    render_url,
    unknown_filters,
)
from tap_websocket.expressions.templates import Template

if TYPE_CHECKING:
    from tap_websocket.expressions.placeholders import MessageBuiltins


@pytest.fixture
def moment() -> MessageBuiltins:
    return ConnectionBuiltins().moment()


def render(message: Any, **values: Any) -> str:
    return Template(message, tuple(values)).render(
        values, ConnectionBuiltins().moment()
    )


@pytest.mark.parametrize(
    ("placeholder", "text"),
    [
        ("{v}", 'Ab/"ü?'),
        ("{v|raw}", 'Ab/"ü?'),
        ("{v|url}", "Ab%2F%22%C3%BC%3F"),
        ("{v|json}", 'Ab/\\"ü?'),
        ("{v|base64}", "QWIvIsO8Pw=="),
        ("{v|base64url}", "QWIvIsO8Pw"),
        ("{v|lower}", 'ab/"ü?'),
        ("{v|upper}", 'AB/"Ü?'),
        ("{v|upper|base64url}", "QUIvIsOcPw"),
        ("{v|nothing}", "{v|nothing}"),
        ("{v|}", "{v|}"),
        ("{other|lower}", "{other|lower}"),
    ],
)
def test_a_filter_changes_the_text_in_a_message(placeholder: str, text: str) -> None:
    assert render(placeholder, v='Ab/"ü?') == text
    assert json.loads(render([placeholder], v='Ab/"ü?')) == [text]


def test_a_filtered_value_is_a_string_and_an_unfiltered_one_keeps_its_type() -> None:
    message = {"a": "{n}", "b": "{n|raw}", "c": "{n|lower}", "d": "{never|upper}"}
    assert json.loads(render(message, n=7, never=None)) == {
        "a": 7,
        "b": 7,
        "c": "7",
        "d": "NULL",
    }


@given(st.text(), st.sampled_from(sorted(FILTERS)))
def test_json_may_hold_what_the_filter_json_made(text: str, other: str) -> None:
    filtered = FILTERS[other](text)
    assert json.loads(render('["{v|' + other + '|json}"]', v=text)) == [filtered]


def test_what_a_reply_answers_is_filtered(moment: MessageBuiltins) -> None:
    template = Template("{$.a|upper} {$g|lower}", groups=("g",))
    answered = Document({"a": "x", "b": "y"}, {"g": "G"})
    assert template.render({}, moment, answered) == "X g"


def test_an_unknown_filter_behind_a_path_is_refused() -> None:
    with pytest.raises(ValueError, match="loud is not a filter"):
        Template("{$.a|loud}", groups=())


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("ws://h/{v}", "ws://h/a%2Fb%20%C3%9C"),
        ("ws://h/{v|lower}", "ws://h/a%2Fb%20%C3%BC"),
        ("ws://h/{v|url}", "ws://h/a%2Fb%20%C3%9C"),
        ("ws://h/{v|upper|url}", "ws://h/A%2FB%20%C3%9C"),
        ("ws://h/{path|raw}", "ws://h/v1/ws?x=1&y=2"),
        ("ws://h/?t={v|base64}", "ws://h/?t=YS9iIMOc"),
        ("ws://h/?t={q|base64}", "ws://h/?t=Pz8%2FPw%3D%3D"),
        ("ws://h/?t={q|base64url}", "ws://h/?t=Pz8_Pw"),
        ("ws://{host}/{v}", "ws://h.example:8443/a%2Fb%20%C3%9C"),
        ("ws://{name}:{port}/x", "ws://example.org:8443/x"),
        ("ws://{name}:{port}?{v}", "ws://example.org:8443?a%2Fb%20%C3%9C"),
        ("ws://{user}:{user}@{host}/", "ws://a%40b:a%40b@h.example:8443/"),
        ("ws://{ipv6}:{port}/", "ws://[::1]:8443/"),
        ("{scheme}://{host}/{v}", "wss://h.example:8443/a%2Fb%20%C3%9C"),
        ("{base}/x", "wss://b.example/x"),
        ("{plain}/x", "ws://b.example/x"),
    ],
)
def test_a_url_is_encoded_unless_a_filter_or_the_place_says_otherwise(
    template: str,
    url: str,
    moment: MessageBuiltins,
) -> None:
    values = {
        "v": "a/b Ü",
        "q": "????",
        "path": "v1/ws?x=1&y=2",
        "host": "h.example:8443",
        "name": "example.org",
        "port": "8443",
        "user": "a@b",
        "ipv6": "[::1]",
        "scheme": "wss",
        "base": "https://b.example",
        "plain": "HTTP://b.example",
    }
    assert render_url(template, values, moment) == url


def test_a_header_takes_a_filtered_value(moment: MessageBuiltins) -> None:
    headers = (("Authorization", "Basic {v|base64}"), ("X", "{v|url}"))
    assert render_headers(headers, {"v": "a:b"}, moment) == (
        ("Authorization", "Basic YTpi"),
        ("X", "a%3Ab"),
    )


def test_each_topic_is_filtered_and_the_separator_stays(
    moment: MessageBuiltins,
) -> None:
    values = {"topics": TopicList(("A/B", "C"), "/")}
    assert render("{topics|lower}", **values) == "a/b/c"
    assert render({"args": "{topics}"}, **values) == '{"args":["A/B","C"]}'
    assert render({"args": "{topics|lower}"}, **values) == '{"args":["a/b","c"]}'
    assert render({"args": "x:{topics}"}, **values) == '{"args":"x:A/B/C"}'
    assert render_url("ws://h/?s={topics}", values, moment) == "ws://h/?s=A%2FB/C"
    assert render_url("ws://h/?s={topics|raw}", values, moment) == "ws://h/?s=A/B/C"


def test_unknown_filters_in_order() -> None:
    assert unknown_filters("{a|lower}{b|loud}{$uuid|x|raw}{c}") == ["loud", "x"]


@pytest.mark.parametrize(
    ("url", "fixed"),
    [
        ("ws://h/{x}", True),
        ("ws://h?{x}", True),
        ("ws://{h}/", False),
        ("ws://h:{p}/", False),
        ("{url}", False),
        ("{scheme}://h/", False),
    ],
)
def test_whether_an_origin_is_fixed(url: str, fixed: bool) -> None:
    assert has_fixed_origin(url) is fixed


@given(st.text())
def test_a_value_in_a_path_stays_in_its_place(text: str) -> None:
    sent = text.encode(errors="replace").decode()
    url = render_url("ws://h/{v}/x", {"v": text}, ConnectionBuiltins().moment())
    assert url == f"ws://h/{quote(sent, safe='')}/x"
