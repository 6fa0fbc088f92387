"""Placeholders in messages, URLs and headers."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_websocket import jsontext
from tap_websocket.errors import ConnectionFailed
from tap_websocket.expressions.documents import Document
from tap_websocket.expressions.placeholders import ConnectionBuiltins, iso_time
from tap_websocket.expressions.rendering import render_headers, render_url, undeclared
from tap_websocket.expressions.templates import Template, names_in

if TYPE_CHECKING:
    from tap_websocket.expressions.placeholders import MessageBuiltins

_NOW = 1718000000.1239


def _live() -> ConnectionBuiltins:
    numbers = itertools.count(1)
    return ConnectionBuiltins(
        clock=lambda: _NOW, unique=lambda: f"uuid-{next(numbers)}"
    )


@pytest.fixture
def moment() -> MessageBuiltins:
    return _live().moment()


def _render(message: Any, values: dict[str, Any], *declared: str) -> str:
    return Template(message, declared or tuple(values)).render(values, _live().moment())


def test_a_string_takes_values_raw() -> None:
    assert _render('PASS {token} "{n}"', {"token": 'a"b', "n": 5}) == 'PASS a"b "5"'


def test_a_name_that_nobody_declares_is_plain_text() -> None:
    query = "subscription { x {y} }"
    assert _render({"query": query}, {"x": "1"}) == json.dumps(
        {"query": query}, separators=(",", ":")
    )
    assert _render("{nobody} {$nobody} {$.path}", {}) == "{nobody} {$nobody} {$.path}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("abc", '"abc"'),
        (18212558000, "18212558000"),
        (Decimal("1.10"), "1.10"),
        (True, "true"),
        (None, "null"),
        ([1, "a"], '[1,"a"]'),
        ({"a": None}, '{"a":null}'),
    ],
)
def test_a_lone_placeholder_keeps_its_type(value: Any, text: str) -> None:
    assert _render({"v": "{v}"}, {"v": value}) == f'{{"v":{text}}}'


def test_a_placeholder_inside_a_string_is_text() -> None:
    values = {"s": 'a"b', "n": 7, "t": True}
    assert _render(["{s}-{n}", "{n}{t}", " {n}"], values) == (
        r'["a\"b-7","7true"," 7"]'
    )


def test_the_names_of_an_object_take_text() -> None:
    assert _render({"{n}": 1, "a{n}": 2}, {"n": 7}) == '{"7":1,"a7":2}'


def test_what_was_never_captured_is_null() -> None:
    assert _render({"op": 1, "d": "{seq}"}, {}, "seq") == '{"op":1,"d":null}'
    assert _render('{"op":1,"d":{seq}}', {}, "seq") == '{"op":1,"d":null}'


def test_numbers_of_the_config_keep_their_digits() -> None:
    message = {"big": 10**30, "exact": Decimal("1.50"), "float": 0.1, "e": 1e16}
    assert jsontext.parse(_render(message, {})) == {
        "big": 10**30,
        "exact": Decimal("1.50"),
        "float": Decimal("0.1"),
        "e": Decimal("1e16"),
    }


def test_a_json_value_is_one_line() -> None:
    assert _render({"a": ["x\ny", None, False, {}]}, {}) == (
        r'{"a":["x\ny",null,false,{}]}'
    )


def test_times_and_counters_are_integers() -> None:
    message = {
        "s": "{$now_s}",
        "ms": "{$now_ms}",
        "iso": "{$now_iso}",
        "id": "{$counter}",
        "text": "id-{$counter}",
    }
    assert jsontext.parse(_render(message, {})) == {
        "s": 1718000000,
        "ms": 1718000000123,
        "iso": "2024-06-10T06:13:20.123Z",
        "id": 1,
        "text": "id-1",
    }


def test_one_value_within_one_message() -> None:
    template = Template(["{$uuid}", "{$uuid}", "{$counter}", "{$counter}"])
    live = _live()
    assert template.render({}, live.moment()) == '["uuid-1","uuid-1",1,1]'
    assert template.render({}, live.moment()) == '["uuid-2","uuid-2",2,2]'


def test_the_counter_counts_messages_that_hold_it() -> None:
    counted, other = Template({"id": "{$counter}"}), Template({"id": "{$uuid}"})
    live = _live()
    assert counted.render({}, live.moment()) == '{"id":1}'
    other.render({}, live.moment())
    assert counted.render({}, live.moment()) == '{"id":2}'
    assert counted.render({}, _live().moment()) == '{"id":1}'


def test_a_reply_takes_from_what_it_answers(moment: MessageBuiltins) -> None:
    template = Template(
        {"pong": "{$.ping}", "to": "{$['a b'].c[0]}", "id": "{$id}", "no": "{$.no}"},
        groups=("id",),
    )
    answered = Document({"ping": 18212558000, "a b": {"c": ["x"]}}, {"id": "7"})
    assert template.render({}, moment, answered) == (
        '{"pong":18212558000,"to":"x","id":"7","no":null}'
    )


def test_a_reply_may_be_a_string(moment: MessageBuiltins) -> None:
    template = Template("PONG {$.n} {$host} {user} {$.", ["user"], groups=("host",))
    answered = Document({"n": [1]}, {"host": "tmi"})
    assert template.render({"user": "me"}, moment, answered) == "PONG [1] tmi me {$."


def test_a_reply_to_what_is_no_json(moment: MessageBuiltins) -> None:
    assert Template(["{$.a}"], groups=()).render({}, moment, Document()) == "[null]"


def test_what_is_always_there_is_no_group(moment: MessageBuiltins) -> None:
    template = Template(["{$now_s}", "{$other}"], groups=("now_s",))
    answered = Document(groups={"now_s": "group"})
    assert template.render({}, moment, answered) == '[1718000000,"{$other}"]'


def test_a_reply_with_a_wrong_path_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'\$\.a b' is not a JSONPath"):
        Template({"x": "{$.a b}"}, groups=())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("{}$.ab\n\"'", max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text("ab{}", max_size=3), inner, max_size=3)
        ),
        max_leaves=8,
    ),
)
def test_without_declared_names_a_message_stays_as_it_is(message: Any) -> None:
    rendered = _render(message, {})
    if isinstance(message, str):
        assert rendered == message
    else:
        assert jsontext.parse(rendered) == message
        assert "\n" not in rendered


def test_names_anywhere_in_a_message() -> None:
    assert names_in("a {b} {$uuid} {c_1} {no-name}") == {"b", "c_1"}
    assert names_in({"{k}": ["{v}", 1, None, {"x": "-{w}-"}]}) == {"k", "v", "w"}
    assert names_in(None) == frozenset()


def test_undeclared_names_in_order() -> None:
    assert undeclared("{b}{a}{$uuid}{$now}{c}", {"c"}) == ["b", "a", "$now"]


@pytest.mark.parametrize(
    ("template", "url"),
    [
        ("ws://h/{a}?x={b}", "ws://h/a%2Fb%20c?x=%C3%BC%26"),
        ("{endpoint}?token={b}", "wss://e/x?y=1?token=%C3%BC%26"),
        ("ws://h/?id={$uuid}&t={$now_ms}", "ws://h/?id=uuid-1&t=1718000000123"),
        ("ws://h/?cursor={cursor}", "ws://h/?cursor="),
        ("ws://h/?n={n}", "ws://h/?n=1718"),
        ("{endpoint}", "wss://e/x?y=1"),
    ],
)
def test_a_url_takes_values_encoded(
    template: str, url: str, moment: MessageBuiltins
) -> None:
    values = {"a": "a/b c", "b": "ü&", "endpoint": "wss://e/x?y=1", "n": 1718}
    assert render_url(template, values, moment) == url


@pytest.mark.parametrize(
    "value",
    [
        "ftp://secret/",
        "secret",
        "",
        "wss://",
        "wss://secret:port/",
        "wss://[secret/",
        "wss://secret/\r\nX: y",
        "wss://secret/ x",
        "wss://secret/#x",
        None,
    ],
)
def test_a_finished_url_must_be_one(value: str | None, moment: MessageBuiltins) -> None:
    with pytest.raises(ConnectionFailed, match=r"\{endpoint\}") as caught:
        render_url("{endpoint}", {"endpoint": value}, moment)
    assert "secret" not in str(caught.value)


def test_headers_take_values_raw(moment: MessageBuiltins) -> None:
    headers = (("A", "x {a}"), ("B", "{n}{never}"), ("C", "{$now_s}"))
    assert render_headers(headers, {"a": "ü/", "n": 5}, moment) == (
        ("A", "x ü/"),
        ("B", "5"),
        ("C", "1718000000"),
    )


@pytest.mark.parametrize("value", ["secret\r\nX: y", "secret\n", "\0secret"])
def test_a_header_takes_no_line_break(value: str, moment: MessageBuiltins) -> None:
    with pytest.raises(ConnectionFailed, match="the value of A holds") as caught:
        render_headers([("A", "{a}")], {"a": value}, moment)
    assert "secret" not in str(caught.value)


def test_url_and_headers_of_one_handshake_share_their_moment(
    moment: MessageBuiltins,
) -> None:
    assert render_url("ws://h/{$uuid}", {}, moment) == "ws://h/uuid-1"
    assert render_headers([("A", "{$uuid}")], {}, moment) == (("A", "uuid-1"),)


def test_a_lone_surrogate_is_sent_as_a_question_mark(moment: MessageBuiltins) -> None:
    values = {"a": "x\ud800ü"}
    assert render_url("ws://h/{a}", values, moment) == "ws://h/x%3F%C3%BC"
    assert render_headers([("A", "{a}")], values, moment) == (("A", "x?ü"),)
    assert _render("{a}", values) == "x?ü"
    assert _render(["{a}"], values) == r'["x\ud800\u00fc"]'


def test_iso_time() -> None:
    assert iso_time(0) == "1970-01-01T00:00:00.000Z"
    assert iso_time(1.9996) == "1970-01-01T00:00:01.999Z"


def test_a_uuid_is_one() -> None:
    first, second = ConnectionBuiltins().moment(), ConnectionBuiltins().moment()
    assert len(first.value("$uuid")) == 36
    assert first.value("$uuid") == first.value("$uuid") != second.value("$uuid")
