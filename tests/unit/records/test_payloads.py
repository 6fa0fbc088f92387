"""Bytes to texts: compression, separators, patterns."""

from __future__ import annotations

import pytest

from tap_websocket.expressions.pattern import MessagePattern
from tap_websocket.records.payloads import encode_binary, split


@pytest.mark.parametrize(
    ("text", "separator", "documents"),
    [
        ("a\nb", None, ["a\nb"]),
        ("", None, [""]),
        ("a\nb\n", "\n", ["a", "b"]),
        ("{}\x1e{}\x1e", "\x1e", ["{}", "{}"]),
        ("\r\n\r\n", "\r\n", []),
        ("a\rb", "\r\n", ["a\rb"]),
    ],
)
def test_splits(text: str, separator: str | None, documents: list[str]) -> None:
    found = split(text.encode(), separator)
    assert [part.decode() for part in found] == documents


def test_binary_is_base64() -> None:
    assert encode_binary(b"\xff\xfe") == "//4="


def test_a_pattern_says_what_is_parsed() -> None:
    pattern = MessagePattern(r"^42(/\w+,)?(?P<id>\d+)?(?P<json>\[.*)$", parses=True)
    assert pattern.names == ("id", "json")
    assert pattern.groups('42["hey"]') == {"id": None, "json": '["hey"]'}
    assert pattern.groups('4212["hey"]') == {"id": "12", "json": '["hey"]'}
    assert pattern.groups("2") is None


def test_a_match_without_the_group_json_is_ignored() -> None:
    pattern = MessagePattern(r"^\d(?P<json>\{.*)?", parses=True)
    assert pattern.groups("3") is None
    assert MessagePattern(r"^\d(?P<json>\{.*)?", parses=False).groups("3") is not None


@pytest.mark.parametrize(
    ("pattern", "parses", "problem"),
    [
        ("(?P<json>", True, r"at position 0"),
        ("(.*)", True, r"no group \(\?P<json>"),
        ("(?P<a>.*)", True, r"no group \(\?P<json>"),
        ("(.*)", False, r"no named group"),
    ],
)
def test_a_pattern_that_cannot_be_used(
    pattern: str,
    parses: bool,
    problem: str,
) -> None:
    with pytest.raises(ValueError, match=problem):
        MessagePattern(pattern, parses=parses)
