"""Searches of users' expressions: as `re` finds it, but with an end."""

from __future__ import annotations

import inspect
import os
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tap_websocket.errors import ParseError
from tap_websocket.expressions import search, search_process
from tap_websocket.expressions.jsonpath import compile_path
from tap_websocket.expressions.search import ANY_LENGTH, Search
from tap_websocket.http.answer import Answer, NoValue
from tests.support.examples import examples
from tests.support.raw import Pinging, frame, opens, serve_raw
from tests.support.receive import receive

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.raw import RawPeer

FOUND = r"(?P<a>[a-c\ud800é😀]+)(?:-(?P<b>\d*))?(?P<json>\{.*\})?$"


@settings(max_examples=examples(100), deadline=None)
@given(st.text(st.sampled_from("abc-12{}\né😀\ud800"), max_size=12))
def test_the_process_finds_what_re_finds(text: str) -> None:
    beside = Search(FOUND, "message_pattern")
    beside.at_once = -1
    found = re.search(FOUND, text)
    assert beside.groups(text) == (None if found is None else found.groupdict())
    assert beside.finds(text) == (found is not None)


@settings(max_examples=examples(100), deadline=None)
@given(
    st.text(st.sampled_from("abc-12{}\né😀\ud800"), max_size=12),
    st.sampled_from(["", "\\g<a>\\2", "é"]),
)
def test_the_process_replaces_what_re_replaces(text: str, replacement: str) -> None:
    beside = Search(FOUND, "sub")
    beside.at_once = -1
    assert beside.sub(replacement, text) == re.sub(FOUND, replacement, text)


def test_each_character_of_a_large_text_can_be_replaced() -> None:
    text = "aé" * (1024 * 1024)
    assert Search("[^x]", "sub").sub("y", text) == "y" * len(text)


EXPONENTIAL = Search("(?P<x>(a|aa)+)$", "message_pattern")


def test_a_search_that_takes_too_long_is_said() -> None:
    with pytest.raises(ParseError) as caught:
        EXPONENTIAL.groups("a" * 60 + "b")
    assert str(caught.value) == (
        "a message of 61 bytes takes too long to be searched (message_pattern); "
        "let each repetition in the expression end at a character that it does not "
        "take, or set on_parse_error: skip"
    )
    # The next one has its time again.
    assert EXPONENTIAL.groups("a" * 20) == {"x": "a" * 20}


def test_a_search_that_takes_too_much_memory_is_too_long() -> None:
    lines = Search(r"^(?P<x>(?:[^\n]+\n)*)\n", "message_pattern")
    with pytest.raises(ParseError, match="takes too long"):
        lines.groups("a\n" * (1024 * 1024))
    assert lines.groups("a\n" * ANY_LENGTH + "\n") == {"x": "a\n" * ANY_LENGTH}


def test_a_process_that_is_gone_is_replaced() -> None:
    assert EXPONENTIAL.finds("a")
    pid = search.PROCESS.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(ParseError, match="takes too long"):
        EXPONENTIAL.finds("a")
    assert EXPONENTIAL.finds("a")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_is_for_the_tap(number: int) -> None:
    assert EXPONENTIAL.finds("a")
    pid = search.PROCESS.pid
    assert pid is not None
    os.kill(pid, number)
    assert EXPONENTIAL.finds("a")
    assert search.PROCESS.pid == pid


def test_the_process_imports_nothing_of_the_tap() -> None:
    # It starts without installed packages.
    assert "tap_websocket" not in inspect.getsource(search_process)


SLOW = "(a|aa)+$"
LONG = "a" * 60 + "b"
"""What that takes longer to be searched in than anyone can wait."""

CASES: dict[str, tuple[list[str], dict[str, Any], list[dict[str, Any]]]] = {
    "message_pattern": (
        [LONG, "aaa"],
        {"message_format": "raw_string", "message_pattern": f"(?P<x>{SLOW})"},
        [{"x": "aaa"}],
    ),
    "message_pattern of JSON": (
        [LONG, 'aa{"n":1}'],
        {"message_pattern": r"(?:a|aa)+(?P<json>\{.*\})?$"},
        [{"n": 1}],
    ),
    "a large message": (
        ["{" * 200_000, 'x{"n":1}'],
        {"message_pattern": r"(?P<json>\{.*\})$"},
        [{"n": 1}],
    ),
    "a rule for texts": (
        [LONG, "aaa", "x"],
        {
            "message_format": "raw_string",
            "message_rules": [{"match": {"$regex": SLOW}, "then": "ignore"}],
        },
        [{"data": "x"}],
    ),
    "a rule for documents": (
        ['{"n":0}', f'{{"a":"{LONG}"}}', '{"a":"aaa"}', '{"n":1}'],
        {
            "infer_messages": 1,
            "message_rules": [{"match": {"a": {"$regex": SLOW}}, "then": "ignore"}],
        },
        [{"n": 0}, {"n": 1}],
    ),
    "a rule that captures": (
        ['{"n":0}', f'{{"a":"{LONG}","b":1}}', '{"a":"aaa"}', '{"n":1}'],
        {
            "infer_messages": 1,
            "message_rules": [
                {
                    "match": {"a": {"$regex": SLOW}},
                    "capture": {"b": "$.b"},
                    "then": "ignore",
                }
            ],
            "placeholders": {"b": "0"},
        },
        [{"n": 0}, {"n": 1}],
    ),
    "a filter": (
        [
            '{"n":[{"a":"aaa","b":0},{"a":"b","b":9}]}',
            f'{{"n":[{{"a":"{LONG}"}}]}}',
            '{"n":[{"a":"b","b":9},{"a":"aaa","b":1}]}',
        ],
        {"records_path": f"$.n[?(@.a =~ '^{SLOW}')]", "infer_messages": 1},
        [{"a": "aaa", "b": 0}, {"a": "aaa", "b": 1}],
    ),
    "a replacement": (
        ['{"a":"aaa"}', f'{{"a":"{LONG}"}}', '{"a":"aab"}', '{"a":"baa"}'],
        {"message_fields": {"x": f"$.a.`sub(/{SLOW}/, z)`"}, "infer_messages": 1},
        [{"a": "aaa", "x": "z"}, {"a": "aab"}, {"a": "baa", "x": "bz"}],
    ),
    "a captured replacement": (
        ['{"n":0}', f'{{"a":"{LONG}"}}', '{"a":"aaa"}', '{"n":1}'],
        {
            "infer_messages": 1,
            "message_rules": [
                {
                    "match": {"a": {"$exists": True}},
                    "capture": {"b": f"$.a.`sub(/{SLOW}/, z)`"},
                    "then": "ignore",
                }
            ],
            "placeholders": {"b": "0"},
        },
        [{"n": 0}, {"n": 1}],
    ),
    "a reply": (
        ['{"n":0}', f'{{"a":"{LONG}"}}', '{"a":"aaa"}', '{"n":1}'],
        {
            "infer_messages": 1,
            "message_rules": [
                {
                    "match": {"a": {"$exists": True}},
                    "reply": {"b": f"{{$.a.`sub(/{SLOW}/, z)`}}"},
                    "then": "ignore",
                }
            ],
        },
        [{"n": 0}, {"n": 1}],
    ),
    "an item": (
        ['{"n":0}', f'[{{"n":1}},{{"a":"{LONG}"}}]', '{"n":2}'],
        {"message_rules": [{"match": {"a": {"$regex": SLOW}}, "then": "ignore"}]},
        [{"n": 0}, {"n": 1}, {"n": 2}],
    ),
}


def sends(*messages: str) -> Callable[[RawPeer], Any]:
    return opens(*(frame(message.encode()) for message in messages))


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize("case", CASES)
def test_pings_are_answered_while_a_text_is_searched(case: str) -> None:
    messages, given, records = CASES[case]
    server = Pinging(*(frame(message.encode()) for message in messages))
    with serve_raw(server) as served:
        run = receive(
            url=served.url, max_messages=len(records), on_parse_error="skip", **given
        )
    assert run.error is None
    assert run.records == records
    assert run.counts.skipped == 1
    # Had the loop waited, one or two would have been read along with the message.
    assert server.pongs >= 5


@pytest.mark.usefixtures("each_transport")
def test_a_text_that_takes_too_long_ends_the_run_as_what_cannot_be_read_does() -> None:
    with serve_raw(sends("aa", LONG)) as server:
        run = receive(
            url=server.url,
            max_messages=9,
            message_format="raw_string",
            message_pattern=f"(?P<x>{SLOW})",
        )
    assert isinstance(run.error, ParseError)
    assert str(run.error).startswith(
        "a text message of 61 bytes takes too long to be searched (message_pattern); "
    )
    assert run.records == [{"x": "aa"}]


def test_a_path_that_takes_too_long_in_many_texts_is_said() -> None:
    path = compile_path(f"$[?(@.a =~ '^{SLOW}')].a")
    # Each is searched in tens of milliseconds.
    with pytest.raises(ParseError, match="takes too long"):
        path.find([{"a": "a" * 27 + "b"}] * 2000)
    # The next document has its time again.
    assert path.find([{"a": "a" * 27 + "b"}] * 3 + [{"a": "a"}]) == ["a"]


@pytest.mark.usefixtures("each_transport")
def test_records_whose_name_takes_too_long_are_those_without_one() -> None:
    # One connection may send the same record again, but not the same name.
    slow, other = f'{{"a":"{LONG}","n":1}}', f'{{"a":"{LONG}","n":2}}'
    named, again = '{"a":"aa","n":3}', '{"a":"aaa","n":4}'
    with serve_raw(sends(slow, slow, other, named, again, '{"a":"b","n":5}')) as server:
        run = receive(
            url=server.url,
            max_messages=5,
            deduplicate={"by": [f"$.a.`sub(/{SLOW}/, z)`"]},
        )
    assert run.error is None
    assert [record["n"] for record in run.records] == [1, 1, 2, 3, 5]


@pytest.mark.usefixtures("each_transport")
def test_a_message_whose_number_takes_too_long_has_none() -> None:
    messages = [
        f'{{"n":[{{"a":"{text}","q":{number}}}]}}'
        for number, text in enumerate(["a", LONG, "aa"])
    ]
    with serve_raw(sends(*messages)) as server:
        run = receive(
            url=server.url,
            max_messages=3,
            sequence={"path": f"$.n[?(@.a =~ '^{SLOW}')].q"},
        )
    assert run.error is None
    assert len(run.records) == 3
    assert run.counts.missing == 1


def test_a_reply_over_http_in_which_a_path_takes_too_long_is_said() -> None:
    body = f'[{{"a":"{LONG}"}}]'.encode()
    answer = Answer("https://a.example:443", 200, body)
    path = compile_path(f"$[?(@.a =~ '^{SLOW}')].a")
    with pytest.raises(NoValue) as caught:
        answer.values("auth.values", [("token", path)])
    assert str(caught.value) == (
        "auth.values: the reply of https://a.example:443 takes too long to be searched "
        "(=~); let each repetition in the expression end at a character that it does "
        "not take"
    )
