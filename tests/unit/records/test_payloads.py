"""Bytes to texts: compression, separators, patterns."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_websocket.errors import ParseError
from tap_websocket.expressions.pattern import MessagePattern
from tap_websocket.records.payloads import (
    Compression,
    PayloadTooBig,
    decompress,
    encode_binary,
    split,
)

_KINDS: tuple[Compression, ...] = ("gzip", "zlib", "deflate")


def _compress(kind: str, data: bytes) -> bytes:
    if kind == "gzip":
        return gzip.compress(data)
    if kind == "zlib":
        return zlib.compress(data)
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflater.compress(data) + deflater.flush()


@given(st.sampled_from(_KINDS), st.binary(max_size=300))
def test_a_compressed_message_comes_back(kind: Compression, data: bytes) -> None:
    assert decompress(_compress(kind, data), kind, len(data) or 1) == data


@given(st.sampled_from(_KINDS), st.binary(min_size=1, max_size=300))
def test_a_message_may_be_as_large_as_allowed(kind: Compression, data: bytes) -> None:
    with pytest.raises(PayloadTooBig, match="max_message_bytes"):
        decompress(_compress(kind, data), kind, len(data) - 1)


@given(st.sampled_from(_KINDS), st.binary(max_size=60))
def test_other_bytes_are_a_parse_error(kind: Compression, data: bytes) -> None:
    try:
        decompress(data, kind, 1000)
    except ParseError as error:
        assert "payload_compression" in str(error)  # noqa: PT017 - some bytes are data


@pytest.mark.parametrize("kind", _KINDS)
def test_a_truncated_message_is_a_parse_error(kind: Compression) -> None:
    whole = _compress(kind, b'{"a": 1}')
    for end in range(len(whole)):
        with pytest.raises(ParseError, match="ends too early"):
            decompress(whole[:end], kind, 1000)


@pytest.mark.parametrize("kind", _KINDS)
def test_trailing_bytes_are_a_parse_error(kind: Compression) -> None:
    with pytest.raises(ParseError, match="payload_compression"):
        decompress(_compress(kind, b"{}") + b"!", kind, 1000)


def test_gzip_of_several_members_is_one_message() -> None:
    members = gzip.compress(b'{"a":') + gzip.compress(b"") + gzip.compress(b"1}")
    assert decompress(members, "gzip", 7) == b'{"a":1}'
    with pytest.raises(PayloadTooBig):
        decompress(members, "gzip", 6)


def test_gzip_of_endless_empty_members_is_refused() -> None:
    with pytest.raises(ParseError, match="more bytes follow"):
        decompress(gzip.compress(b"") * 1001, "gzip", 1000)


def test_none_leaves_a_message_as_it_is() -> None:
    assert decompress(b"{}", "none", 1) == b"{}"


def test_a_bomb_takes_no_more_memory_than_allowed() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(PayloadTooBig):
        decompress(bomb, "gzip", 1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000


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
