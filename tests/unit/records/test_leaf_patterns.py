"""Which texts a template takes in the place of a value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_websocket import jsontext
from tap_websocket.records.templates.leaf_patterns import SCALARS, LeafPattern

if TYPE_CHECKING:
    from tap_websocket.records.templates.shape import Kind

TEXTS = {
    b"0": "integer",
    b"-0": "integer",
    b"7": "integer",
    b"-10": "integer",
    b"123456789012345678": "integer",
    b"0.5": "decimal",
    b"-0.0": "decimal",
    b"10.25": "decimal",
    b"true": "boolean",
    b"false": "boolean",
    b"null": "null",
    b'""': "string",
    b'"\x7f\xc3\xa4 !#[]~"': "string",
}
NONE = (
    *(b"00", b"01", b"-01", b"01.5", b"1234567890123456789", b"1.", b".5", b"-", b"+1"),
    *(b"1e5", b"--1", b"1.5.5", b"tru", b"nulll", b'"', b'"""', b'"\\"', b'"\n"'),
    *(b'"\x00"', b'"\x1f"'),
)


def takes(pattern: LeafPattern, text: bytes) -> bool:
    return re.fullmatch(pattern.written(), text) is not None


@pytest.mark.parametrize("kind", sorted(SCALARS))
def test_each_kind_has_its_texts(kind: Kind) -> None:
    pattern = LeafPattern(kinds=frozenset({kind}))
    assert {text for text in TEXTS if takes(pattern, text)} == {
        text for text, its in TEXTS.items() if its == kind
    }


def test_all_kinds_have_all_texts_and_no_others() -> None:
    assert all(takes(LeafPattern(), text) for text in TEXTS)
    assert not any(takes(LeafPattern(), text) for text in NONE)


@given(st.text(alphabet='01-.e"\\ \ttruefalsn', max_size=6).map(str.encode))
def test_what_is_taken_is_json(text: bytes) -> None:
    if takes(LeafPattern(has_escapes=True), text):
        jsontext.parse(text)
