"""Message rules: which acts, what it captures and answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tap_websocket.errors import ConfigError
from tap_websocket.expressions.documents import Document
from tap_websocket.expressions.path import MISSING
from tap_websocket.expressions.placeholders import ConnectionBuiltins
from tap_websocket.expressions.prefilters import prefilter
from tap_websocket.expressions.rule import DATA, RuleMatch
from tap_websocket.expressions.rule_compiler import Rule, compile_rules

if TYPE_CHECKING:
    from tap_websocket.expressions.rule import Then
    from tap_websocket.expressions.rules import RuleSet


def _decide(rules: RuleSet, document: Any, **groups: str | None) -> RuleMatch:
    return rules.decide_document(Document(document, groups))


def _text(rules: RuleSet, text: str, document: Any = MISSING) -> RuleMatch:
    return rules.decide_text(text, lambda: Document(document))


def _sent(verdict: RuleMatch, **values: Any) -> str:
    assert verdict.reply is not None
    values |= dict(verdict.captures)
    template, answered = verdict.reply.template, verdict.reply.answered
    return template.render(values, ConnectionBuiltins().moment(), answered)


def _acted(then: Then, number: int) -> RuleMatch:
    """Return what the rule of this number decides, by its match alone."""
    return RuleMatch(then, acted=True, where=f"message_rules[{number}]")


def test_the_first_that_matches_acts() -> None:
    rules = compile_rules(
        [
            Rule({"type": "error"}, "fail"),
            Rule({"type": "error"}, "ignore"),
            Rule({"op": 1}, "stop"),
        ],
    )
    assert _decide(rules, {"type": "error", "op": 1}) == _acted("fail", 0)
    assert _decide(rules, {"op": 1}) == _acted("stop", 2)
    assert _decide(rules, {"op": 2}) is DATA


def test_emit_is_the_default_and_ends_the_search() -> None:
    rules = compile_rules([Rule({"type": "trade"}), Rule(then="ignore")])
    assert _decide(rules, {"type": "trade"}) == _acted("emit", 0)
    assert _decide(rules, {"type": "other"}) == _acted("ignore", 1)


def test_text_rules_and_others_are_asked_apart() -> None:
    rules = compile_rules(
        [Rule({"a": 1}, "ignore"), Rule("pong", "ignore"), Rule({"$regex": "^4"})],
    )
    assert rules.asks_texts
    assert rules.asks_documents
    assert _text(rules, "pong").then == "ignore"
    assert _text(rules, "42").acted
    assert _text(rules, '{"a":1}') is DATA
    assert _decide(rules, "pong") is DATA


def test_a_rule_without_match_is_asked_among_the_others() -> None:
    rules = compile_rules([Rule("x", "fail"), Rule({"a": 1}), Rule(then="ignore")])
    assert _text(rules, "y") is DATA
    assert _decide(rules, {"a": 1}).then == "emit"
    assert _decide(rules, {"a": 2}).then == "ignore"
    assert _decide(rules, MISSING).then == "ignore"


def test_what_is_no_json_matches_no_object() -> None:
    rules = compile_rules([Rule({"$exists": True}, "ignore")])
    assert _decide(rules, MISSING) is DATA
    assert _decide(rules, None).then == "ignore"


def test_a_rule_that_only_captures_does_not_end_the_search() -> None:
    rules = compile_rules(
        [
            Rule(capture=(("seq", "$.s"), ("id", "$.d.id"))),
            Rule({"op": 0}, "ignore", capture=(("seq", "$.late"),)),
        ],
    )
    verdict = _decide(rules, {"op": 0, "s": 7, "late": 8})
    assert (verdict.then, dict(verdict.captures)) == ("ignore", {"seq": 8})
    verdict = _decide(rules, {"op": 1, "s": 7, "d": {"id": "x"}})
    assert not verdict.acted
    assert verdict.then == "emit"
    assert dict(verdict.captures) == {"seq": 7, "id": "x"}


@pytest.mark.parametrize("rule", [Rule({"a": 1}, "emit"), Rule({"a": 1}, reply="x")])
def test_a_rule_that_does_more_ends_the_search(rule: Rule) -> None:
    capturing = Rule(rule.match, rule.then, rule.reply, (("a", "$.a"),))
    rules = compile_rules([capturing, Rule(then="fail")])
    assert _decide(rules, {"a": 1}).then == "emit"


def test_null_and_no_match_capture_nothing() -> None:
    rules = compile_rules([Rule(capture=(("a", "$.a"), ("b", "$.b[*].c")))])
    assert _decide(rules, {"a": None, "b": [{"c": 1}, {"c": 2}]}).captures == (
        ("b", 1),
    )
    assert _decide(rules, {"b": []}) is DATA


def test_groups_are_captured_and_answered() -> None:
    rules = compile_rules(
        [Rule(capture=(("id", "id"), ("no", "no"))), Rule({}, reply="43{$id}[]")],
        groups=("id", "no"),
    )
    verdict = _decide(rules, {}, id="12", no=None)
    assert verdict.captures == (("id", "12"),)
    assert _sent(verdict) == "4312[]"


def test_a_capture_acts_before_the_reply() -> None:
    rules = compile_rules(
        [Rule({"t": 1}, "ignore", {"n": "{n}", "u": "{user}"}, (("n", "$.n"),))],
        declared=("user",),
    )
    assert _sent(_decide(rules, {"t": 1, "n": 5}), user="me") == '{"n":5,"u":"me"}'


def test_a_reply_takes_the_number_that_came() -> None:
    ping = Rule({"ping": {"$exists": True}}, "ignore", {"pong": "{$.ping}"})
    verdict = _decide(compile_rules([ping]), {"ping": 18212558000})
    assert _sent(verdict) == '{"pong":18212558000}'


def test_a_text_rule_looks_only_where_it_must() -> None:
    rules = compile_rules(
        [
            Rule("2", "ignore"),
            Rule({"$regex": "^0"}, "ignore", capture=(("sid", "$.sid"),)),
            Rule({"$regex": "^PING"}, "ignore", "PONG"),
        ],
    )
    looks: list[str] = []

    def look() -> Document:
        looks.append("look")
        return Document({"sid": "x"})

    assert rules.decide_text("2", look).then == "ignore"
    assert rules.decide_text("1", look) is DATA
    assert looks == []
    assert rules.decide_text('0{"sid":"x"}', look).captures == (("sid", "x"),)
    assert looks == ["look"]
    assert _sent(_text(rules, "PING :host")) == "PONG"


def test_rules_that_acknowledge_data_say_so() -> None:
    def acknowledges(rule: Rule) -> bool:
        return compile_rules([rule]).acknowledges

    assert acknowledges(Rule({"envelope_id": {"$exists": True}}, reply="ok"))
    assert not acknowledges(Rule({"ping": 1}, "ignore", reply="pong"))
    assert not acknowledges(Rule({"ping": 1}, capture=(("a", "$.a"),)))


def test_plain_data_is_filtered_out_first() -> None:
    rules = compile_rules(
        [
            Rule({"type": "error"}, "fail"),
            Rule("pong", "ignore"),
            Rule(capture=(("cursor", "$.time_us"),)),
        ],
    )
    may_match = prefilter(rules.needles)
    assert may_match is not None
    assert not may_match(b'{"type":"trade","price":1}')
    assert not may_match(b'{"time_us":1}')
    for payload in (b'{"type":"error"}', b"pong", rb'{"a":"\n"}'):
        assert may_match(payload)


def test_no_more_messages_are_parsed_than_hold_what_is_noted() -> None:
    rules = compile_rules(
        [
            Rule({"t": "READY"}, capture=(("session", "$.session"),)),
            Rule(capture=(("seq", "$.s"),)),
        ],
    )
    messages = [
        {"s": None},
        {"s": 4},
        {"s": 3},
        {"t": "READY", "session": "b", "s": 2},
        {"t": "READY", "session": "a", "s": 1},
    ]
    parsed: list[Any] = []

    def parse(message: bytes) -> list[Document]:
        parsed.append(json.loads(message))
        return [Document(parsed[-1])]

    notes = rules.capture_only(
        [json.dumps(message).encode() for message in messages], parse
    )
    assert notes == {"session": "b", "seq": 4}
    assert parsed == [messages[0], messages[1], messages[3]]


@pytest.mark.parametrize("path", ["$", "$..a"])
def test_some_captures_may_be_in_every_message(path: str) -> None:
    rules = compile_rules([Rule(capture=(("a", path),))])
    may_match = prefilter(rules.needles)
    assert may_match is not None
    assert not may_match(b'{"b":1}')
    notes = rules.capture_only([b"{}"], lambda _: [Document({"a": 1})])
    assert notes.keys() == {"a"}


@pytest.mark.parametrize(
    "rule",
    [
        Rule(then="ignore"),
        Rule(reply="ok"),
        Rule(capture=(("a", "g"),)),
    ],
)
def test_some_rules_have_a_say_in_every_message(rule: Rule) -> None:
    assert prefilter(compile_rules([rule], groups=("g",)).needles) is None


def test_no_rules() -> None:
    rules = compile_rules([])
    assert not rules.asks_texts
    assert not rules.asks_documents
    may_match = prefilter(rules.needles)
    assert may_match is not None
    assert not may_match(b"\\")


def test_each_problem_is_a_line() -> None:
    with pytest.raises(ConfigError) as caught:
        compile_rules(
            [
                Rule(5, "ignore"),
                Rule({"a": {"$regex": "("}}, reply={"x": "{$.a b}"}),
                Rule(capture=(("a-b", "$.a"), ("c", "$.["), ("d", "data"))),
            ],
            groups=("json",),
        )
    lines = caught.value.problems
    assert [line.split(": ")[0] for line in lines] == [
        "message_rules[0].match",
        "message_rules[1].match",
        "message_rules[1].reply",
        "message_rules[2].capture",
        "message_rules[2].capture.c",
        "message_rules[2].capture.d",
    ]
    assert "groups: json" in lines[-1]
